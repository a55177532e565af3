/** A bucket of a GPU's history; null where it holds no reading of the metric. */
export interface HistoryPoint {
  /** Epoch ms at which the bucket starts. */
  readonly atMs: number;
  /** Mean, °C. */
  readonly gpuTemp: number | null;
  /** Mean, W. */
  readonly powerUsage: number | null;
}

/** Where more history is than the view holds: the database. */
export interface History {
  /**
   * Means of a GPU's readings in buckets of `bucketMs` that start at multiples of it since 1970, oldest first;
   * buckets without a reading may be left out. Rejects if the database cannot answer, within a time of its own.
   * @param fromMs epoch ms, inclusive
   * @param toMs epoch ms, exclusive
   */
  read(gpuUuid: string, fromMs: number, toMs: number, bucketMs: number): Promise<readonly HistoryPoint[]>;
}
