package gpuactuary.peers;

import java.nio.ByteBuffer;

/** A window as bytes, all fields in the order of their declaration: for checkpoints, and for stores that keep bytes. */
final class WindowBytes {
  static final int SIZE = 264;

  static byte[] encode(Window window) {
    ByteBuffer to = ByteBuffer.allocate(SIZE);
    to.putLong(window.newestMs).putInt(window.newestThrottle).putInt(window.newestSbe).putInt(window.newestDbe);
    to.putInt(window.hour).putInt(window.n);
    to.putInt(window.onsets).putInt(window.eccSbe).putInt(window.eccDbe);
    to.putDouble(window.hourSum).putDouble(window.hourSquares).putDouble(window.hourTempProducts);
    to.putDouble(window.tempSum).putDouble(window.tempSquares).putFloat(window.tempMin).putFloat(window.tempMax);
    to.putDouble(window.powerSum).putDouble(window.powerSquares).putFloat(window.powerMin).putFloat(window.powerMax);
    to.putDouble(window.smActiveSum).putDouble(window.smOccupancySum);
    to.putDouble(window.memoryUtilSum).putDouble(window.memoryTempSum);
    Closed closed = window.closed;
    to.putInt(closed.n).putInt(closed.onsets).putInt(closed.eccSbe).putInt(closed.eccDbe);
    to.putDouble(closed.hourMean).putDouble(closed.hourM2).putDouble(closed.hourTempM2);
    to.putDouble(closed.tempMean).putDouble(closed.tempM2).putFloat(closed.tempMin).putFloat(closed.tempMax);
    to.putDouble(closed.powerMean).putDouble(closed.powerM2).putFloat(closed.powerMin).putFloat(closed.powerMax);
    to.putDouble(closed.smActiveMean).putDouble(closed.smOccupancyMean);
    to.putDouble(closed.memoryUtilMean).putDouble(closed.memoryTempMean);
    return to.array();
  }

  static Window decode(byte[] bytes) {
    ByteBuffer from = ByteBuffer.wrap(bytes);
    Window window = new Window();
    window.newestMs = from.getLong();
    window.newestThrottle = from.getInt();
    window.newestSbe = from.getInt();
    window.newestDbe = from.getInt();
    window.hour = from.getInt();
    window.n = from.getInt();
    window.onsets = from.getInt();
    window.eccSbe = from.getInt();
    window.eccDbe = from.getInt();
    window.hourSum = from.getDouble();
    window.hourSquares = from.getDouble();
    window.hourTempProducts = from.getDouble();
    window.tempSum = from.getDouble();
    window.tempSquares = from.getDouble();
    window.tempMin = from.getFloat();
    window.tempMax = from.getFloat();
    window.powerSum = from.getDouble();
    window.powerSquares = from.getDouble();
    window.powerMin = from.getFloat();
    window.powerMax = from.getFloat();
    window.smActiveSum = from.getDouble();
    window.smOccupancySum = from.getDouble();
    window.memoryUtilSum = from.getDouble();
    window.memoryTempSum = from.getDouble();
    Closed closed = window.closed;
    closed.n = from.getInt();
    closed.onsets = from.getInt();
    closed.eccSbe = from.getInt();
    closed.eccDbe = from.getInt();
    closed.hourMean = from.getDouble();
    closed.hourM2 = from.getDouble();
    closed.hourTempM2 = from.getDouble();
    closed.tempMean = from.getDouble();
    closed.tempM2 = from.getDouble();
    closed.tempMin = from.getFloat();
    closed.tempMax = from.getFloat();
    closed.powerMean = from.getDouble();
    closed.powerM2 = from.getDouble();
    closed.powerMin = from.getFloat();
    closed.powerMax = from.getFloat();
    closed.smActiveMean = from.getDouble();
    closed.smOccupancyMean = from.getDouble();
    closed.memoryUtilMean = from.getDouble();
    closed.memoryTempMean = from.getDouble();
    return window;
  }

  static Window copy(Window window) {
    return decode(encode(window));
  }

  private WindowBytes() {}
}
