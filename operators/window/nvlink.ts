import { NVLINK_COUNTERS, NVLINK_SERIES_PER_COUNTER } from '../../schema/metrics.js';
import { advance } from './fold.js';

/**
 * Baselines of NVLink error counters: four counters, each a total and one a link. Kept only for GPUs that report any,
 * because they are many and rare. From a counter's first link on its total is left out: it would count twice.
 */
const SERIES_COUNT = NVLINK_COUNTERS.length * NVLINK_SERIES_PER_COUNTER;
const LAST_MS = 0;
const BASELINE = SERIES_COUNT;
const LINKS_SEEN = 2 * SERIES_COUNT;
const TOTAL_ADDED = LINKS_SEEN + NVLINK_COUNTERS.length;
const WIDTH = TOTAL_ADDED + NVLINK_COUNTERS.length;

export class NvlinkBaselines {
  private readonly rows: (Float64Array | undefined)[] = [];
  bytes = 0;

  /** Event time of the last accepted reading of a series, −Infinity for none. @param series from nvlinkFirst on */
  lastMs(slot: number, series: number): number {
    return this.rows[slot]?.[LAST_MS + series] ?? -Infinity;
  }

  /** @returns what a reading adds to the errors; negative where it takes back what the total had added at its time */
  take(slot: number, series: number, ms: number, value: number): number {
    const row = (this.rows[slot] ??= this.allocate());
    row[LAST_MS + series] = ms;
    const counter = Math.floor(series / NVLINK_SERIES_PER_COUNTER);
    const total = counter * NVLINK_SERIES_PER_COUNTER;
    if (series === total) {
      if (row[LINKS_SEEN + counter] === 1) return 0;
      return (row[TOTAL_ADDED + counter] = advance(row, BASELINE + series, value, true));
    }
    let added = advance(row, BASELINE + series, value, true);
    if (row[LINKS_SEEN + counter] === 0) {
      row[LINKS_SEEN + counter] = 1;
      if (row[LAST_MS + total] >= ms) added -= row[TOTAL_ADDED + counter];
    }
    return added;
  }

  private allocate(): Float64Array {
    const row = new Float64Array(WIDTH);
    row.fill(-Infinity, LAST_MS, BASELINE);
    row.fill(NaN, BASELINE, LINKS_SEEN);
    this.bytes += row.byteLength;
    return row;
  }
}
