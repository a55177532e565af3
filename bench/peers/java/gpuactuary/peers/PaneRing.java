package gpuactuary.peers;

import java.nio.ByteBuffer;

/**
 * The closed hours of a GPU in one array: nothing for the garbage collector to follow, and a checkpoint writes it in one
 * go.
 */
final class PaneRing {
  static byte[] empty() {
    return new byte[Window.HOURS * Pane.BYTES];
  }

  /** Keeps an hour that is over in the place of the one that it pushes out. */
  static void put(byte[] ring, Window closing) {
    Pane.write(closing, pane(ring, Math.floorMod(closing.hour, Window.HOURS)));
  }

  /** Merges all panes that a window with this open hour still holds. */
  static void mergeInto(byte[] ring, int openHour, Closed into) {
    into.clear();
    for (int slot = 0; slot < Window.HOURS; slot++) {
      ByteBuffer pane = pane(ring, slot);
      // An empty place says hour 0, which is the year 1970 and in no window.
      int hour = pane.getInt();
      if (hour > openHour - Window.HOURS && hour < openHour) into.merge(pane, hour - openHour);
    }
  }

  private static ByteBuffer pane(byte[] ring, int slot) {
    return ByteBuffer.wrap(ring, slot * Pane.BYTES, Pane.BYTES);
  }

  private PaneRing() {}
}
