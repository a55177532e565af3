package gpuactuary.peers;

import java.nio.ByteBuffer;

/** The features of a window, each the merge of one closed and one open value: the same cost whatever the window holds. */
final class Features {
  static final int COUNT = 20;
  private static final double HOURS_A_DAY = 24;

  /** @param into COUNT values, in the order in which README.md lists them */
  static void compute(Window open, double[] into) {
    Closed closed = open.closed;
    int n = closed.n + open.n;
    double ofOpen = 1.0 / open.n;
    double share = (double) open.n / n;
    double weight = closed.n * share;
    double divisor = 1.0 / Math.max(1, n - 1);

    double openHour = open.hourSum * ofOpen;
    double openTemp = open.tempSum * ofOpen;
    double openPower = open.powerSum * ofOpen;
    double hour = openHour - closed.hourMean;
    double temp = openTemp - closed.tempMean;
    double power = openPower - closed.powerMean;

    double hourM2 = closed.hourM2 + open.hourSquares - openHour * open.hourSum + weight * hour * hour;
    double hourTempM2 = closed.hourTempM2 + open.hourTempProducts - openHour * open.tempSum + weight * hour * temp;
    double tempM2 = closed.tempM2 + open.tempSquares - openTemp * open.tempSum + weight * temp * temp;
    double powerM2 = closed.powerM2 + open.powerSquares - openPower * open.powerSum + weight * power * power;
    double tempMean = closed.tempMean + share * temp;
    double powerMean = closed.powerMean + share * power;
    double powerStd = Math.sqrt(Math.max(0, powerM2 * divisor));

    into[0] = n;
    into[1] = tempMean;
    into[2] = Math.sqrt(Math.max(0, tempM2 * divisor));
    into[3] = Math.min(closed.tempMin, open.tempMin);
    into[4] = Math.max(closed.tempMax, open.tempMax);
    into[5] = hourM2 > 0 ? HOURS_A_DAY * hourTempM2 / hourM2 : Double.NaN;
    into[6] = openTemp - tempMean;
    into[7] = powerMean;
    into[8] = powerStd;
    into[9] = Math.min(closed.powerMin, open.powerMin);
    into[10] = Math.max(closed.powerMax, open.powerMax);
    into[11] = powerStd / powerMean;
    into[12] = openPower - powerMean;
    into[13] = closed.smActiveMean + share * (open.smActiveSum * ofOpen - closed.smActiveMean);
    into[14] = closed.smOccupancyMean + share * (open.smOccupancySum * ofOpen - closed.smOccupancyMean);
    into[15] = closed.memoryUtilMean + share * (open.memoryUtilSum * ofOpen - closed.memoryUtilMean);
    into[16] = closed.memoryTempMean + share * (open.memoryTempSum * ofOpen - closed.memoryTempMean);
    into[17] = closed.onsets + open.onsets;
    into[18] = closed.eccSbe + open.eccSbe;
    into[19] = closed.eccDbe + open.eccDbe;
  }

  /** A record's value: event time, then the features, big-endian. */
  static byte[] encode(long timeMs, double[] features) {
    ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + COUNT * Double.BYTES).putLong(timeMs);
    for (double feature : features) bytes.putDouble(feature);
    return bytes.array();
  }

  private Features() {}
}
