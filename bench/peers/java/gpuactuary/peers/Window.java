package gpuactuary.peers;

/**
 * What every record of a GPU reads and writes: the open hour as plain sums, the merge of its closed hours, and the newest
 * values that counters and states are compared with. The panes themselves are kept apart, for they are touched once an
 * hour.
 */
final class Window {
  static final long HOUR_MS = 3_600_000;
  /** Of a window: the open hour and the 167 before it. */
  static final int HOURS = 168;

  long newestMs = Long.MIN_VALUE;
  int newestThrottle;
  int newestSbe;
  int newestDbe;

  /** The open hour, in hours since 1970, and its readings. */
  int hour;
  int n;
  int onsets;
  int eccSbe;
  int eccDbe;
  double hourSum;
  double hourSquares;
  double hourTempProducts;
  double tempSum;
  double tempSquares;
  float tempMin;
  float tempMax;
  double powerSum;
  double powerSquares;
  float powerMin;
  float powerMax;
  double smActiveSum;
  double smOccupancySum;
  double memoryUtilSum;
  double memoryTempSum;

  final Closed closed = new Closed();

  /** Whether a reading belongs in the window: readings of a GPU count in the order of their time. */
  boolean accepts(Reading reading) {
    return reading.timeMs > newestMs;
  }

  /** Whether a reading ends the open hour. */
  boolean closesHour(Reading reading) {
    return n > 0 && hourOf(reading.timeMs) > hour;
  }

  /** @return whether the reading is the first of its event minute */
  boolean add(Reading reading) {
    if (n == 0) begin(hourOf(reading.timeMs));
    boolean known = newestMs != Long.MIN_VALUE;
    n++;
    double inHour = (reading.timeMs - hour * HOUR_MS) / (double) HOUR_MS;
    double temp = reading.gpuTemp;
    double power = reading.powerWatts;
    hourSum += inHour;
    hourSquares += inHour * inHour;
    hourTempProducts += inHour * temp;
    tempSum += temp;
    tempSquares += temp * temp;
    tempMin = Math.min(tempMin, reading.gpuTemp);
    tempMax = Math.max(tempMax, reading.gpuTemp);
    powerSum += power;
    powerSquares += power * power;
    powerMin = Math.min(powerMin, reading.powerWatts);
    powerMax = Math.max(powerMax, reading.powerWatts);
    smActiveSum += reading.smActive;
    smOccupancySum += reading.smOccupancy;
    memoryUtilSum += reading.memoryUtil;
    memoryTempSum += reading.memoryTemp;
    if (known) {
      onsets += Integer.bitCount(reading.throttleReasons & ~newestThrottle);
      eccSbe += increment(newestSbe, reading.eccSbe);
      eccDbe += increment(newestDbe, reading.eccDbe);
    }
    boolean newMinute = !known || reading.timeMs / 60_000 != newestMs / 60_000;
    newestMs = reading.timeMs;
    newestThrottle = reading.throttleReasons;
    newestSbe = reading.eccSbe;
    newestDbe = reading.eccDbe;
    return newMinute;
  }

  /** Forgets the open hour, which is kept elsewhere by now, and opens another. */
  void begin(int newHour) {
    hour = newHour;
    n = onsets = eccSbe = eccDbe = 0;
    hourSum = hourSquares = hourTempProducts = tempSum = tempSquares = powerSum = powerSquares = 0;
    smActiveSum = smOccupancySum = memoryUtilSum = memoryTempSum = 0;
    tempMin = powerMin = Float.POSITIVE_INFINITY;
    tempMax = powerMax = Float.NEGATIVE_INFINITY;
  }

  /** A counter that fell was reset, and has counted its value since. */
  private static int increment(int before, int now) {
    return now >= before ? now - before : now;
  }

  static int hourOf(long timeMs) {
    return (int) (timeMs / HOUR_MS);
  }
}
