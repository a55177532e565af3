import { S } from '../../schema/metrics.js';

/**
 * What a window remembers of a GPU beyond its panes, one float64 each: last values, latches, counts since the first
 * reading. It outlives the window: a GPU that was silent for weeks goes on where it was. Times are epoch ms,
 * −Infinity for never; values are NaN before the first.
 */
export const C = {
  /** Newest and first event time of an accepted reading. */
  newestMs: 0,
  firstMs: 1,
  /** The open pane's hour since 1970; readings before it are late. */
  openHour: 2,
  /** Closed hours with readings, ever. */
  hoursCounted: 3,
  /** Values at the last accepted reading, for pairs of the same event time. */
  gpuTemp: 4,
  powerUsage: 5,
  smActive: 6,
  smClock: 7,
  /** Newest pair of temperature and power. */
  pairMs: 8,
  throttleMask: 9,
  /** Whether the last reading was judged and beyond its baseline: 1 or 0; and when one was last judged. */
  tempBeyond: 10,
  tempJudgedMs: 11,
  powerBeyond: 12,
  powerJudgedMs: 13,
  residualBeyond: 14,
  residualJudgedMs: 15,
  /** Code of the last XID reading, 0 included. */
  xid: 16,
  hardwareXidMs: 17,
  /** Baselines of counters: the last value that was not a 0 after a positive one. */
  eccSbeVol: 18,
  eccSbeAgg: 19,
  eccDbeVol: 20,
  eccDbeAgg: 21,
  remapCorrectable: 22,
  remapUncorrectable: 23,
  pcieReplay: 24,
  /** Increment that the newest AGG reading brought: taken back if VOL turns up at the same event time. */
  eccSbeAggAdded: 25,
  eccDbeAggAdded: 26,
  /** Newest readings that set the remap baselines, newest reading of a failed remap. */
  remapCorrectableMs: 27,
  remapUncorrectableMs: 28,
  remapFailureMs: 29,
  /** Framebuffer, MiB: newest inputs, the total that follows, when a total was first known, 1 if it was given. */
  fbUsed: 30,
  fbFree: 31,
  fbReserved: 32,
  fbTotal: 33,
  fbTotalFirstMs: 34,
  fbTotalGiven: 35,
  /** memory_util's pane moments before its newest reading: that one is taken again if its total turns up late. */
  memoryUtilN: 36,
  memoryUtilMean: 37,
  memoryUtilM2: 38,
  /** Event time of the used framebuffer that memory_util's newest reading was derived from. */
  memoryUtilDerivedMs: 39,
  /** Newest reading of any NVLink counter. */
  nvlinkMs: 40,
  /** The first XID ever, where it was too early to count: it counts if an earlier reading still turns up. */
  earlyXid: 41,
  earlyXidMs: 42,
  /** Last accepted reading of each series, by its id; NVLink's lie in nvlink.ts. */
  lastMs: 43,
} as const;

/** Series with a place in {@link C.lastMs}: all but NVLink's. */
export const PLAIN_SERIES = S.nvlinkFirst;
export const CARRIED_WIDTH = C.lastMs + PLAIN_SERIES;

const NEVER = [
  C.newestMs,
  C.pairMs,
  C.tempJudgedMs,
  C.powerJudgedMs,
  C.residualJudgedMs,
  C.hardwareXidMs,
  C.remapCorrectableMs,
  C.remapUncorrectableMs,
  C.remapFailureMs,
  C.memoryUtilDerivedMs,
  C.nvlinkMs,
];

/** State of a GPU that was never heard. */
export const UNHEARD: Float64Array = (() => {
  const state = new Float64Array(CARRIED_WIDTH).fill(NaN);
  for (const index of NEVER) state[index] = -Infinity;
  state.fill(-Infinity, C.lastMs);
  state[C.openHour] = -Infinity;
  state[C.hoursCounted] = 0;
  state[C.fbReserved] = 0;
  state[C.fbTotalGiven] = 0;
  for (const index of [C.tempBeyond, C.powerBeyond, C.residualBeyond, C.eccSbeAggAdded, C.eccDbeAggAdded])
    state[index] = 0;
  return state;
})();
