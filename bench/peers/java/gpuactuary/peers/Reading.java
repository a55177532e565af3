package gpuactuary.peers;

/** What one record says of one GPU at one event time. The GPU is in the record's key. */
public final class Reading {
  /** The 128 bits of the GPU's UUID. */
  public long gpuHigh;
  public long gpuLow;

  public long timeMs;
  public float gpuTemp;
  public float memoryTemp;
  public float powerWatts;
  public float smActive;
  public float smOccupancy;
  public float memoryUtil;
  public int throttleReasons;
  public int eccSbe;
  public int eccDbe;
}
