package gpuactuary.peers;

import java.nio.charset.StandardCharsets;

/** A GPU as a key of state: the 128 bits of its UUID, a fraction of the text's size and cheaper to hash. */
public final class GpuKey {
  private static final int PREFIX = "GPU-".length();
  private static final int HEX_DIGITS = 32;

  public final long high;
  public final long low;

  public GpuKey(long high, long low) {
    this.high = high;
    this.low = low;
  }

  /** @param key of a record: "GPU-" and a UUID as text */
  public static void read(byte[] key, Reading into) {
    long high = 0;
    long low = 0;
    int digits = 0;
    for (int at = PREFIX; at < key.length; at++) {
      int character = key[at];
      if (character == '-') continue;
      int digit = character <= '9' ? character - '0' : (character | 0x20) - 'a' + 10;
      if (digit < 0 || digit > 15) throw new IllegalArgumentException(notAGpu(key));
      if (digits++ < HEX_DIGITS / 2) high = high << 4 | digit;
      else low = low << 4 | digit;
    }
    if (digits != HEX_DIGITS) throw new IllegalArgumentException(notAGpu(key));
    into.gpuHigh = high;
    into.gpuLow = low;
  }

  /** The key of output records: as it came in. */
  public byte[] text() {
    String hex = String.format("%016x%016x", high, low);
    return ("GPU-" + hex.substring(0, 8) + '-' + hex.substring(8, 12) + '-' + hex.substring(12, 16) + '-'
        + hex.substring(16, 20) + '-' + hex.substring(20)).getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String notAGpu(byte[] key) {
    return "not the UUID of a GPU: " + new String(key, StandardCharsets.ISO_8859_1);
  }

  @Override
  public int hashCode() {
    long mixed = (high ^ Long.rotateLeft(low, 32)) * 0x9e3779b97f4a7c15L;
    return (int) (mixed >>> 32);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof GpuKey key && key.high == high && key.low == low;
  }
}
