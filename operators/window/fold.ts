import { MINUTE_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { B } from './baseline.js';
import { C } from './carried.js';
import { P } from './pane-layout.js';

/**
 * Folding one accepted reading of each kind of metric into the open pane. These run for every reading of the fleet, so
 * they take arrays and offsets, and allocate nothing. `last` is the event time of the metric's reading before this
 * one, −Infinity for none; a step longer than `gapMs` means that what held before is unknown.
 */

/** Arrays and offsets of one GPU, set once a sample. */
export interface Target {
  pane: Float64Array;
  paneAt: number;
  carried: Float64Array;
  carriedAt: number;
  baseline: Float64Array;
  baselineAt: number;
}

/** Bits of throttle_reasons (reference: DCGM's clocks event reasons). */
export const THERMAL_BITS = 0x60;
export const POWER_BRAKE_BITS = 0x80;
export const SW_POWER_CAP_BITS = 0x04;
/** Hardware slowdown, thermal slowdown by software or hardware, power brake: time lost against the user's will. */
export const THROTTLED_BITS = 0xe8;

/** Share of SM activity from which a clock is one under load, percent. */
export const LOADED_SM_ACTIVE = 50;

/** The first XID ever counts only if the GPU was heard this long before it: else it is an old one, repeated. */
export const XID_FIRST_AFTER_MS = 5 * MINUTE_MS;
const CLASS_HARDWARE = 1;
const CLASS_PRECURSOR = 2;
const CLASS_APPLICATION = 3;
const XID_CLASSES = new Uint8Array(65_536);
for (const code of [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 158]) XID_CLASSES[code] = CLASS_HARDWARE;
for (const code of [63, 92, 94]) XID_CLASSES[code] = CLASS_PRECURSOR;
for (const code of [13, 31, 32, 43, 69]) XID_CLASSES[code] = CLASS_APPLICATION;

/** Count and mean. */
export function addToMean(vector: Float64Array, at: number, value: number): void {
  const n = vector[at] + 1;
  vector[at] = n;
  vector[at + 1] += (value - vector[at + 1]) / n;
}

/** Count, mean and squared deviations, by Welford's update. */
export function addToMoments(vector: Float64Array, at: number, value: number): void {
  const n = vector[at] + 1;
  const mean = vector[at + 1];
  const deviation = value - mean;
  const moved = mean + deviation / n;
  vector[at] = n;
  vector[at + 1] = moved;
  vector[at + 2] += deviation * (value - moved);
}

function addToPairs(vector: Float64Array, at: number, x: number, y: number): void {
  const n = vector[at] + 1;
  const dx = x - vector[at + 1];
  const dy = y - vector[at + 2];
  vector[at] = n;
  vector[at + 1] += dx / n;
  vector[at + 2] += dy / n;
  const dyAfter = y - vector[at + 2];
  vector[at + 3] += dx * (x - vector[at + 1]);
  vector[at + 4] += dy * dyAfter;
  vector[at + 5] += dx * dyAfter;
}

export function foldGpuTemp(target: Target, ms: number, last: number, value: number, gapMs: number, v2: boolean): void {
  const { pane, paneAt, carried, carriedAt } = target;
  addToMoments(pane, paneAt + P.gpuTemp, value);
  if (value < pane[paneAt + P.gpuTempMin]) pane[paneAt + P.gpuTempMin] = value;
  if (value > pane[paneAt + P.gpuTempMax]) pane[paneAt + P.gpuTempMax] = value;
  const limit = target.baseline[target.baselineAt + B.tempLimit];
  if (limit === limit) {
    const beyond = value > limit ? 1 : 0;
    if (beyond === 1 && (carried[carriedAt + C.tempBeyond] === 0 || ms - last > gapMs)) pane[paneAt + P.tempSpikes]++;
    carried[carriedAt + C.tempBeyond] = beyond;
    carried[carriedAt + C.tempJudgedMs] = ms;
  } else carried[carriedAt + C.tempBeyond] = 0;
  carried[carriedAt + C.gpuTemp] = value;
  if (v2 && carried[carriedAt + C.lastMs + S.powerUsage] === ms)
    foldPair(target, ms, carried[carriedAt + C.powerUsage], value, gapMs);
}

export function foldPower(target: Target, ms: number, last: number, value: number, gapMs: number, v2: boolean): void {
  const { pane, paneAt, carried, carriedAt } = target;
  addToMoments(pane, paneAt + P.powerUsage, value);
  const limit = target.baseline[target.baselineAt + B.powerLimit];
  if (limit === limit) {
    const beyond = value > limit ? 1 : 0;
    if (beyond === 1 && (carried[carriedAt + C.powerBeyond] === 0 || ms - last > gapMs))
      pane[paneAt + P.powerAnomalies]++;
    carried[carriedAt + C.powerBeyond] = beyond;
    carried[carriedAt + C.powerJudgedMs] = ms;
  } else carried[carriedAt + C.powerBeyond] = 0;
  carried[carriedAt + C.powerUsage] = value;
  if (v2 && carried[carriedAt + C.lastMs + S.gpuTemp] === ms)
    foldPair(target, ms, value, carried[carriedAt + C.gpuTemp], gapMs);
}

/** Temperature and power of the same event time. */
function foldPair(target: Target, ms: number, power: number, temp: number, gapMs: number): void {
  const { pane, paneAt, carried, carriedAt, baseline, baselineAt } = target;
  addToPairs(pane, paneAt + P.tempPower, power, temp);
  const limit = baseline[baselineAt + B.residualLimit];
  if (limit === limit) {
    const predicted = baseline[baselineAt + B.intercept] + baseline[baselineAt + B.slope] * power;
    const beyond = temp - predicted > limit ? 1 : 0;
    if (beyond === 1 && (carried[carriedAt + C.residualBeyond] === 0 || ms - carried[carriedAt + C.pairMs] > gapMs))
      pane[paneAt + P.residualSpikes]++;
    carried[carriedAt + C.residualBeyond] = beyond;
    carried[carriedAt + C.residualJudgedMs] = ms;
  } else carried[carriedAt + C.residualBeyond] = 0;
  carried[carriedAt + C.pairMs] = ms;
}

export function foldSmActive(target: Target, ms: number, value: number, v2: boolean): void {
  const { pane, paneAt, carried, carriedAt } = target;
  addToMoments(pane, paneAt + P.smActive, value);
  carried[carriedAt + C.smActive] = value;
  if (v2 && value >= LOADED_SM_ACTIVE && carried[carriedAt + C.lastMs + S.smClock] === ms)
    addToMean(pane, paneAt + P.loadedClock, carried[carriedAt + C.smClock]);
}

export function foldSmClock(target: Target, ms: number, value: number, v2: boolean): void {
  const { pane, paneAt, carried, carriedAt } = target;
  addToMoments(pane, paneAt + P.smClock, value);
  carried[carriedAt + C.smClock] = value;
  if (v2 && carried[carriedAt + C.lastMs + S.smActive] === ms && carried[carriedAt + C.smActive] >= LOADED_SM_ACTIVE)
    addToMean(pane, paneAt + P.loadedClock, value);
}

export function foldThrottle(target: Target, ms: number, last: number, mask: number, gapMs: number): void {
  const { pane, paneAt, carried, carriedAt } = target;
  pane[paneAt + P.throttleReadings]++;
  // Unknown counts as none set: a condition still set after a gap is a new onset.
  const before = ms - last <= gapMs ? carried[carriedAt + C.throttleMask] : 0;
  if ((mask & THERMAL_BITS) !== 0 && (before & THERMAL_BITS) === 0) pane[paneAt + P.thermalOnsets]++;
  if ((mask & POWER_BRAKE_BITS) !== 0 && (before & POWER_BRAKE_BITS) === 0) pane[paneAt + P.brakeOnsets]++;
  if ((mask & SW_POWER_CAP_BITS) !== 0 && (before & SW_POWER_CAP_BITS) === 0) pane[paneAt + P.capOnsets]++;
  if ((before & THROTTLED_BITS) !== 0) pane[paneAt + P.throttleMs] += ms - last;
  carried[carriedAt + C.throttleMask] = mask;
}

export function foldXid(target: Target, ms: number, code: number): void {
  const { carried, carriedAt } = target;
  const before = carried[carriedAt + C.xid];
  carried[carriedAt + C.xid] = code;
  if (code === 0 || code === before) return;
  if (before !== before && !(ms - carried[carriedAt + C.firstMs] > XID_FIRST_AFTER_MS)) {
    carried[carriedAt + C.earlyXid] = code;
    carried[carriedAt + C.earlyXidMs] = ms;
    return;
  }
  countXid(target, ms, code);
}

/** The GPU turns out to have been heard earlier, within its first hour: its first XID may be an onset after all. */
export function recountEarlyXid(target: Target): void {
  const { carried, carriedAt } = target;
  const ms = carried[carriedAt + C.earlyXidMs];
  if (!(ms - carried[carriedAt + C.firstMs] > XID_FIRST_AFTER_MS)) return;
  carried[carriedAt + C.earlyXidMs] = NaN;
  countXid(target, ms, carried[carriedAt + C.earlyXid]);
}

function countXid(target: Target, ms: number, code: number): void {
  const { pane, paneAt, carried, carriedAt } = target;
  switch (XID_CLASSES[code]) {
    case CLASS_HARDWARE:
      pane[paneAt + P.xidHardware]++;
      if (ms > carried[carriedAt + C.hardwareXidMs]) carried[carriedAt + C.hardwareXidMs] = ms;
      return;
    case CLASS_PRECURSOR:
      pane[paneAt + P.xidPrecursor]++;
      return;
    case CLASS_APPLICATION:
      pane[paneAt + P.xidApplication]++;
      return;
  }
}

/**
 * Moves the baseline of a counter. The first reading is the baseline, a 0 after a positive value is a missing counter,
 * and a decrease shows at the next positive value.
 * @param resetCounts whether the value after a reset is what was counted since, or nothing
 * @returns the increment
 */
export function advance(baselines: Float64Array, at: number, value: number, resetCounts: boolean): number {
  const before = baselines[at];
  if (value === 0 && before > 0) return 0;
  baselines[at] = value;
  if (before !== before) return 0;
  if (value >= before) return value - before;
  return resetCounts ? value : 0;
}

/** A volatile ECC counter: from its first reading on, the aggregate one is left out. */
export function foldEccVolatile(
  target: Target,
  ms: number,
  value: number,
  errors: number,
  baseline: number,
  aggregateLast: number,
  aggregateAdded: number,
): void {
  const { pane, paneAt, carried, carriedAt } = target;
  const before = carried[carriedAt + baseline];
  // The aggregate's reading of this very time sees this one, though it was folded before.
  if (before !== before && carried[carriedAt + C.lastMs + aggregateLast] >= ms)
    pane[paneAt + errors] -= carried[carriedAt + aggregateAdded];
  pane[paneAt + errors] += advance(carried, carriedAt + baseline, value, true);
}

/** An aggregate ECC counter: a board swap or a cleared inventory is no error. */
export function foldEccAggregate(
  target: Target,
  value: number,
  errors: number,
  volatileBaseline: number,
  baseline: number,
  added: number,
): void {
  const { pane, paneAt, carried, carriedAt } = target;
  const seen = carried[carriedAt + volatileBaseline];
  if (seen === seen) return;
  const increment = advance(carried, carriedAt + baseline, value, false);
  carried[carriedAt + added] = increment;
  pane[paneAt + errors] += increment;
}

export function foldRemap(
  target: Target,
  ms: number,
  value: number,
  rows: number,
  baseline: number,
  setMs: number,
): void {
  const { pane, paneAt, carried, carriedAt } = target;
  pane[paneAt + rows] += advance(carried, carriedAt + baseline, value, false);
  if (carried[carriedAt + baseline] === value) carried[carriedAt + setMs] = ms;
}
