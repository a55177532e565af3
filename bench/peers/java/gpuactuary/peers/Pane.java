package gpuactuary.peers;

import java.nio.ByteBuffer;

/**
 * A closed hour of a GPU in 80 bytes: the hour, four counts, fifteen statistics. Means and sums of squared deviations in
 * single precision, for a pane holds some hundreds of readings; every merge is done in double precision.
 */
final class Pane {
  static final int BYTES = 80;

  static void write(Window closing, ByteBuffer pane) {
    double n = closing.n;
    double hour = closing.hourSum / n;
    double temp = closing.tempSum / n;
    double power = closing.powerSum / n;
    pane.putInt(closing.hour).putInt(closing.n);
    pane.putInt(closing.onsets).putInt(closing.eccSbe).putInt(closing.eccDbe);
    pane.putFloat((float) hour)
        .putFloat((float) (closing.hourSquares - n * hour * hour))
        .putFloat((float) (closing.hourTempProducts - n * hour * temp));
    pane.putFloat((float) temp)
        .putFloat((float) (closing.tempSquares - n * temp * temp))
        .putFloat(closing.tempMin)
        .putFloat(closing.tempMax);
    pane.putFloat((float) power)
        .putFloat((float) (closing.powerSquares - n * power * power))
        .putFloat(closing.powerMin)
        .putFloat(closing.powerMax);
    pane.putFloat((float) (closing.smActiveSum / n))
        .putFloat((float) (closing.smOccupancySum / n))
        .putFloat((float) (closing.memoryUtilSum / n))
        .putFloat((float) (closing.memoryTempSum / n));
  }

  private Pane() {}
}
