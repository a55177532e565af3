import { S } from '../../schema/metrics.js';
import { EXTRA_WIDTH, paneWidth } from './aggregate.js';
import { METADATA_WIDTH } from './asset-facts.js';
import { DAY_WIDTH, OPEN_WIDTH, type PaneSet } from './pane-layout.js';

/**
 * Everything of a GPU but its closed panes, as two runs of float64s. What every sample touches lies together in the
 * *hot* record, a few cache lines; all else in the *cold* one. Times are epoch ms, −Infinity for never; values are NaN
 * before the first.
 *
 * Levels are kept as sums of differences from the hour's first reading (`shift`): their squares do not cancel, and no
 * reading costs a division.
 *
 * Event times and counts of series are kept once for all series that come together: each sample of the series in
 * `mask` moves `newestMs` and adds one to `run`. Only when another set of series comes are they written out, to
 * {@link C.lastMs} and {@link C.count} ({@link settle}).
 */
export const H = {
  /** Newest event time of an accepted reading. */
  newestMs: 0,
  /** The open pane's hour since 1970; readings before it are late. */
  openHour: 1,
  /** Event times of the open hour, those of `run` excepted. */
  samples: 2,
  /** Samples since the record was settled, and the series that each of them had, as bits. */
  run: 3,
  mask: 4,
  // shift, sum, squares; then what readings are compared with
  gpuTemp: 5,
  gpuTempMin: 8,
  gpuTempMax: 9,
  /** A reading above this is beyond; NaN where nothing is judged. Then 1 if the last reading was, else 0. */
  tempLimit: 10,
  tempBeyond: 11,
  powerUsage: 12,
  powerLimit: 15,
  powerBeyond: 16,
  memoryUtil: 17,
  smActive: 20,
  /** Sums. */
  smOccupancy: 23,
  memoryTemp: 24,
  memoryTempMax: 25,
  throttleMask: 26,
  /** Baselines of counters: the last value that was not a 0 after a positive one. */
  eccSbeVol: 27,
  eccDbeVol: 28,
  /** Last event times of the open hour, ms of the hour: two a place, as 32-bit numbers. */
  recent: 29,

  // From here on feature set v2 only.
  gpuUtil: 37,
  smClock: 38,
  /** Sums over pairs of power (x) and temperature (y) of one event time, from the shifts of both. */
  pairX: 41,
  pairY: 42,
  pairXX: 43,
  pairYY: 44,
  pairXY: 45,
  /** Temperature that power predicts; beyond if it exceeds that by more than the limit. */
  intercept: 46,
  slope: 47,
  residualLimit: 48,
  residualBeyond: 49,
  /** Clocks under load: how many, and their sum. */
  loadedClock: 50,
  pcieReplay: 52,
  /** Values at the last accepted reading, for pairs of the same event time. */
  lastTemp: 53,
  lastPower: 54,
  lastSmActive: 55,
  lastSmClock: 56,
} as const;
const HOT_V1 = H.gpuUtil;
const HOT_V2 = H.lastSmClock + 1;

/** Series with a place in {@link C.lastMs}: all but NVLink's, and pairs of temperature and power. */
export const PAIR = S.nvlinkFirst;
export const PLAIN_SERIES = S.nvlinkFirst + 1;
if (PLAIN_SERIES > 31) throw new Error('more series than bits of a mask');

export const C = {
  /** First event time of an accepted reading. */
  firstMs: 0,
  /** Closed hours with readings, ever. */
  hoursCounted: 1,
  /** When a reading was last judged, in closed hours. */
  tempJudgedMs: 2,
  powerJudgedMs: 3,
  residualJudgedMs: 4,
  /** Code of the last XID reading, 0 included. */
  xid: 5,
  hardwareXidMs: 6,
  /** The first XID ever, where it was too early to count: it counts if an earlier reading still turns up. */
  earlyXid: 7,
  earlyXidMs: 8,
  /** Baselines of counters, as above. */
  eccSbeAgg: 9,
  eccDbeAgg: 10,
  remapCorrectable: 11,
  remapUncorrectable: 12,
  /** Increment that the newest AGG reading brought: taken back if VOL turns up at the same event time. */
  eccSbeAggAdded: 13,
  eccDbeAggAdded: 14,
  /** Newest readings that set the remap baselines, newest reading of a failed remap. */
  remapCorrectableMs: 15,
  remapUncorrectableMs: 16,
  remapFailureMs: 17,
  /** Framebuffer, MiB: newest inputs, the total that follows, when a total was first known, 1 if it was given. */
  fbUsed: 18,
  fbFree: 19,
  fbReserved: 20,
  fbTotal: 21,
  fbTotalFirstMs: 22,
  fbTotalGiven: 23,
  /** memory_util's shift, sum and squares before its newest reading: that one is taken again if its total turns up late. */
  memoryUtilBefore: 24,
  /** Event time of the used framebuffer that memory_util's newest reading was derived from. */
  memoryUtilDerivedMs: 27,
  /** Newest reading of any NVLink counter. */
  nvlinkMs: 28,
  /** Last accepted reading of each series by its id, and its readings in the open hour; those of `mask` lag behind. */
  lastMs: 29,
  count: 29 + PLAIN_SERIES,
} as const;
const CARRIED_WIDTH = C.count + PLAIN_SERIES;

/** What samples said of the GPU (asset-facts.ts). */
export const METADATA = CARRIED_WIDTH;
/** Fields of the open pane that only add up or grow (pane-layout.ts). */
export const OPEN = METADATA + METADATA_WIDTH;
/** Aggregate of the 167 closed hours before the open one, with extras. */
export const CLOSED = OPEN + OPEN_WIDTH;

export interface RecordLayout {
  /** Float64s of a hot and of a cold record. */
  readonly hot: number;
  readonly cold: number;
  /** Aggregate of the 23 closed hours before the open one, in the cold record; feature set v2 only. */
  readonly day: number;
}

const layoutOf = (set: PaneSet): RecordLayout => {
  const day = CLOSED + paneWidth(set) + EXTRA_WIDTH;
  return { hot: set === 'v2' ? HOT_V2 : HOT_V1, cold: day + (set === 'v2' ? DAY_WIDTH : 0), day };
};

export const LAYOUTS: Readonly<Record<PaneSet, RecordLayout>> = { v1: layoutOf('v1'), v2: layoutOf('v2') };

/** Records of a GPU that was never heard, the open pane and aggregates excepted. */
export const UNHEARD_HOT: Float64Array = (() => {
  const hot = new Float64Array(HOT_V2).fill(NaN);
  hot[H.newestMs] = -Infinity;
  hot[H.openHour] = -Infinity;
  for (const index of [H.samples, H.run, H.mask, H.tempBeyond, H.powerBeyond, H.residualBeyond]) hot[index] = 0;
  return hot;
})();

export const UNHEARD_COLD: Float64Array = (() => {
  const cold = new Float64Array(CARRIED_WIDTH).fill(NaN);
  for (const index of [
    C.tempJudgedMs,
    C.powerJudgedMs,
    C.residualJudgedMs,
    C.hardwareXidMs,
    C.remapCorrectableMs,
    C.remapUncorrectableMs,
    C.remapFailureMs,
    C.memoryUtilDerivedMs,
    C.nvlinkMs,
  ])
    cold[index] = -Infinity;
  for (const index of [C.hoursCounted, C.fbReserved, C.fbTotalGiven, C.eccSbeAggAdded, C.eccDbeAggAdded])
    cold[index] = 0;
  cold.fill(-Infinity, C.lastMs, C.count);
  cold.fill(0, C.count);
  return cold;
})();

/** A GPU's two records, and where they begin. */
export interface GpuRecord {
  readonly hot: Float64Array;
  readonly h: number;
  readonly cold: Float64Array;
  readonly c: number;
}

/** The records of whichever GPU is at hand. */
export class GpuCursor implements GpuRecord {
  hot = new Float64Array() as Float64Array;
  h = 0;
  cold = new Float64Array() as Float64Array;
  c = 0;
}

/** Writes out what is kept once for all series that came together. */
export function settle({ hot, h, cold, c }: GpuRecord): void {
  const newestMs = hot[h + H.newestMs];
  const run = hot[h + H.run];
  for (let mask = hot[h + H.mask]; mask !== 0; mask &= mask - 1) {
    const series = 31 - Math.clz32(mask & -mask);
    cold[c + C.lastMs + series] = newestMs;
    cold[c + C.count + series] += run;
  }
  hot[h + H.samples] += run;
  hot[h + H.run] = 0;
  hot[h + H.mask] = 0;
}

/** Event time of the last accepted reading of a series. */
export function lastMsOf({ hot, h, cold, c }: GpuRecord, series: number): number {
  return (hot[h + H.mask] & (1 << series)) === 0 ? cold[c + C.lastMs + series] : hot[h + H.newestMs];
}
