package gpuactuary.peers;

import java.nio.ByteBuffer;

/**
 * All closed hours of a window in one: counts, means and sums of squared deviations. Constant while an hour is open, so a
 * feature costs one merge.
 */
final class Closed {
  int n;
  int onsets;
  int eccSbe;
  int eccDbe;
  /** Hours, relative to the beginning of the open hour. */
  double hourMean;
  double hourM2;
  double hourTempM2;
  double tempMean;
  double tempM2;
  float tempMin;
  float tempMax;
  double powerMean;
  double powerM2;
  float powerMin;
  float powerMax;
  double smActiveMean;
  double smOccupancyMean;
  double memoryUtilMean;
  double memoryTempMean;

  Closed() {
    clear();
  }

  void clear() {
    n = onsets = eccSbe = eccDbe = 0;
    hourMean = hourM2 = hourTempM2 = tempMean = tempM2 = powerMean = powerM2 = 0;
    smActiveMean = smOccupancyMean = memoryUtilMean = memoryTempMean = 0;
    tempMin = powerMin = Float.POSITIVE_INFINITY;
    tempMax = powerMax = Float.NEGATIVE_INFINITY;
  }

  /** @param pane behind its hour @param offsetHours from the open hour to the pane's, negative */
  void merge(ByteBuffer pane, int offsetHours) {
    int count = pane.getInt();
    onsets += pane.getInt();
    eccSbe += pane.getInt();
    eccDbe += pane.getInt();
    int total = n + count;
    double share = (double) count / total;
    double weight = n * share;
    double hour = offsetHours + pane.getFloat() - hourMean;
    double hourPaneM2 = pane.getFloat();
    double hourTempPaneM2 = pane.getFloat();
    double temp = pane.getFloat() - tempMean;
    hourM2 += hourPaneM2 + weight * hour * hour;
    hourTempM2 += hourTempPaneM2 + weight * hour * temp;
    hourMean += share * hour;
    tempM2 += pane.getFloat() + weight * temp * temp;
    tempMean += share * temp;
    tempMin = Math.min(tempMin, pane.getFloat());
    tempMax = Math.max(tempMax, pane.getFloat());
    double power = pane.getFloat() - powerMean;
    powerM2 += pane.getFloat() + weight * power * power;
    powerMean += share * power;
    powerMin = Math.min(powerMin, pane.getFloat());
    powerMax = Math.max(powerMax, pane.getFloat());
    smActiveMean += share * (pane.getFloat() - smActiveMean);
    smOccupancyMean += share * (pane.getFloat() - smOccupancyMean);
    memoryUtilMean += share * (pane.getFloat() - memoryUtilMean);
    memoryTempMean += share * (pane.getFloat() - memoryTempMean);
    n = total;
  }

  /** Moves the origin of the hours to that of a later open hour. */
  void shift(int hours) {
    hourMean -= hours;
  }

  /**
   * Takes out a pane that was merged before.
   *
   * @param pane behind its hour
   * @return whether it held an extreme value: those of the others cannot be told from here
   */
  boolean remove(ByteBuffer pane, int offsetHours) {
    int count = pane.getInt();
    int rest = n - count;
    onsets -= pane.getInt();
    eccSbe -= pane.getInt();
    eccDbe -= pane.getInt();
    if (rest == 0) {
      clear();
      return false;
    }
    double share = (double) count / rest;
    double weight = (double) count * n / rest;
    double hour = offsetHours + pane.getFloat() - hourMean;
    double hourPaneM2 = pane.getFloat();
    double hourTempPaneM2 = pane.getFloat();
    double temp = pane.getFloat() - tempMean;
    hourM2 -= hourPaneM2 + weight * hour * hour;
    hourTempM2 -= hourTempPaneM2 + weight * hour * temp;
    hourMean -= share * hour;
    tempM2 -= pane.getFloat() + weight * temp * temp;
    tempMean -= share * temp;
    boolean extreme = pane.getFloat() <= tempMin | pane.getFloat() >= tempMax;
    double power = pane.getFloat() - powerMean;
    powerM2 -= pane.getFloat() + weight * power * power;
    powerMean -= share * power;
    extreme |= pane.getFloat() <= powerMin | pane.getFloat() >= powerMax;
    smActiveMean -= share * (pane.getFloat() - smActiveMean);
    smOccupancyMean -= share * (pane.getFloat() - smOccupancyMean);
    memoryUtilMean -= share * (pane.getFloat() - memoryUtilMean);
    memoryTempMean -= share * (pane.getFloat() - memoryTempMean);
    n = rest;
    return extreme;
  }
}
