import { MINUTE_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { B } from './baseline.js';
import { Op, type PlannedColumn } from './batch-plan.js';
import { C } from './carried.js';
import { BASELINE, PANE } from './gpu-record.js';
import { P } from './pane-layout.js';

/**
 * Folding one accepted reading of each kind of metric into the open pane. These run for every reading of the fleet, so
 * they take the GPU's record (gpu-record.ts) as an array and an offset, and allocate nothing. `last` is the event time of the metric's reading before this
 * one, −Infinity for none; a step longer than `gapMs` means that what held before is unknown.
 */

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

/** Folds an accepted reading, whatever it is of; framebuffer inputs and NVLink counters excepted (window-store.ts). */
export function foldReading(
  { op, series, field }: PlannedColumn,
  state: Float64Array,
  at: number,
  ms: number,
  last: number,
  value: number,
  gapMs: number,
  v2: boolean,
): void {
  switch (op) {
    case Op.GpuTemp:
      return foldGpuTemp(state, at, ms, last, value, gapMs, v2);
    case Op.Power:
      return foldPower(state, at, ms, last, value, gapMs, v2);
    case Op.SmActive:
      return foldSmActive(state, at, ms, value, v2);
    case Op.SmClock:
      return foldSmClock(state, at, ms, value);
    case Op.Mean:
      return addToMean(state, at + PANE + field, value);
    case Op.Moments:
      return addToMoments(state, at + PANE + field, value);
    case Op.MemoryTemp:
      return foldMemoryTemp(state, at, value);
    case Op.Throttle:
      return foldThrottle(state, at, ms, last, value, gapMs);
    case Op.EccVolatile:
      if (series === S.eccSbeVol)
        return foldEccVolatile(state, at, ms, value, P.eccSbe, C.eccSbeVol, S.eccSbeAgg, C.eccSbeAggAdded);
      return foldEccVolatile(state, at, ms, value, P.eccDbe, C.eccDbeVol, S.eccDbeAgg, C.eccDbeAggAdded);
    case Op.EccAggregate:
      if (series === S.eccSbeAgg)
        return foldEccAggregate(state, at, value, P.eccSbe, C.eccSbeVol, C.eccSbeAgg, C.eccSbeAggAdded);
      return foldEccAggregate(state, at, value, P.eccDbe, C.eccDbeVol, C.eccDbeAgg, C.eccDbeAggAdded);
    case Op.Remap:
      if (series === S.remapCorrectable)
        return foldRemap(state, at, ms, value, P.remapCorrectable, C.remapCorrectable, C.remapCorrectableMs);
      return foldRemap(state, at, ms, value, P.remapUncorrectable, C.remapUncorrectable, C.remapUncorrectableMs);
    case Op.RemapFailure:
      if (value > 0) state[at + C.remapFailureMs] = ms;
      return;
    case Op.PcieReplay:
      state[at + PANE + P.pcieReplays] += advance(state, at + C.pcieReplay, value, true);
      return;
    case Op.Xid:
      return foldXid(state, at, ms, value);
  }
}

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

export function foldGpuTemp(
  state: Float64Array,
  at: number,
  ms: number,
  last: number,
  value: number,
  gapMs: number,
  v2: boolean,
): void {
  addToMoments(state, at + PANE + P.gpuTemp, value);
  if (value < state[at + PANE + P.gpuTempMin]) state[at + PANE + P.gpuTempMin] = value;
  if (value > state[at + PANE + P.gpuTempMax]) state[at + PANE + P.gpuTempMax] = value;
  const limit = state[at + BASELINE + B.tempLimit];
  if (limit === limit) {
    const beyond = value > limit ? 1 : 0;
    if (beyond === 1 && (state[at + C.tempBeyond] === 0 || ms - last > gapMs)) state[at + PANE + P.tempSpikes]++;
    state[at + C.tempBeyond] = beyond;
    state[at + C.tempJudgedMs] = ms;
  } else state[at + C.tempBeyond] = 0;
  state[at + C.gpuTemp] = value;
  if (v2 && state[at + C.lastMs + S.powerUsage] === ms) foldPair(state, at, ms, state[at + C.powerUsage], value, gapMs);
}

export function foldPower(
  state: Float64Array,
  at: number,
  ms: number,
  last: number,
  value: number,
  gapMs: number,
  v2: boolean,
): void {
  addToMoments(state, at + PANE + P.powerUsage, value);
  const limit = state[at + BASELINE + B.powerLimit];
  if (limit === limit) {
    const beyond = value > limit ? 1 : 0;
    if (beyond === 1 && (state[at + C.powerBeyond] === 0 || ms - last > gapMs)) state[at + PANE + P.powerAnomalies]++;
    state[at + C.powerBeyond] = beyond;
    state[at + C.powerJudgedMs] = ms;
  } else state[at + C.powerBeyond] = 0;
  state[at + C.powerUsage] = value;
  if (v2 && state[at + C.lastMs + S.gpuTemp] === ms) foldPair(state, at, ms, value, state[at + C.gpuTemp], gapMs);
}

/** Temperature and power of the same event time. */
function foldPair(state: Float64Array, at: number, ms: number, power: number, temp: number, gapMs: number): void {
  addToPairs(state, at + PANE + P.tempPower, power, temp);
  const limit = state[at + BASELINE + B.residualLimit];
  if (limit === limit) {
    const predicted = state[at + BASELINE + B.intercept] + state[at + BASELINE + B.slope] * power;
    const beyond = temp - predicted > limit ? 1 : 0;
    if (beyond === 1 && (state[at + C.residualBeyond] === 0 || ms - state[at + C.pairMs] > gapMs))
      state[at + PANE + P.residualSpikes]++;
    state[at + C.residualBeyond] = beyond;
    state[at + C.residualJudgedMs] = ms;
  } else state[at + C.residualBeyond] = 0;
  state[at + C.pairMs] = ms;
}

export function foldMemoryTemp(state: Float64Array, at: number, value: number): void {
  addToMean(state, at + PANE + P.memoryTemp, value);
  if (value > state[at + PANE + P.memoryTempMax]) state[at + PANE + P.memoryTempMax] = value;
}

export function foldSmActive(state: Float64Array, at: number, ms: number, value: number, v2: boolean): void {
  addToMoments(state, at + PANE + P.smActive, value);
  state[at + C.smActive] = value;
  if (v2 && value >= LOADED_SM_ACTIVE && state[at + C.lastMs + S.smClock] === ms)
    addToMean(state, at + PANE + P.loadedClock, state[at + C.smClock]);
}

/** Feature set v2 only. */
export function foldSmClock(state: Float64Array, at: number, ms: number, value: number): void {
  addToMoments(state, at + PANE + P.smClock, value);
  state[at + C.smClock] = value;
  if (state[at + C.lastMs + S.smActive] === ms && state[at + C.smActive] >= LOADED_SM_ACTIVE)
    addToMean(state, at + PANE + P.loadedClock, value);
}

export function foldThrottle(
  state: Float64Array,
  at: number,
  ms: number,
  last: number,
  mask: number,
  gapMs: number,
): void {
  state[at + PANE + P.throttleReadings]++;
  // Unknown counts as none set: a condition still set after a gap is a new onset.
  const before = ms - last <= gapMs ? state[at + C.throttleMask] : 0;
  if ((mask & THERMAL_BITS) !== 0 && (before & THERMAL_BITS) === 0) state[at + PANE + P.thermalOnsets]++;
  if ((mask & POWER_BRAKE_BITS) !== 0 && (before & POWER_BRAKE_BITS) === 0) state[at + PANE + P.brakeOnsets]++;
  if ((mask & SW_POWER_CAP_BITS) !== 0 && (before & SW_POWER_CAP_BITS) === 0) state[at + PANE + P.capOnsets]++;
  if ((before & THROTTLED_BITS) !== 0) state[at + PANE + P.throttleMs] += ms - last;
  state[at + C.throttleMask] = mask;
}

export function foldXid(state: Float64Array, at: number, ms: number, code: number): void {
  const before = state[at + C.xid];
  state[at + C.xid] = code;
  if (code === 0 || code === before) return;
  if (before !== before && !(ms - state[at + C.firstMs] > XID_FIRST_AFTER_MS)) {
    state[at + C.earlyXid] = code;
    state[at + C.earlyXidMs] = ms;
    return;
  }
  countXid(state, at, ms, code);
}

/** The GPU turns out to have been heard earlier, within its first hour: its first XID may be an onset after all. */
export function recountEarlyXid(state: Float64Array, at: number): void {
  const ms = state[at + C.earlyXidMs];
  if (!(ms - state[at + C.firstMs] > XID_FIRST_AFTER_MS)) return;
  state[at + C.earlyXidMs] = NaN;
  countXid(state, at, ms, state[at + C.earlyXid]);
}

function countXid(state: Float64Array, at: number, ms: number, code: number): void {
  switch (XID_CLASSES[code]) {
    case CLASS_HARDWARE:
      state[at + PANE + P.xidHardware]++;
      if (ms > state[at + C.hardwareXidMs]) state[at + C.hardwareXidMs] = ms;
      return;
    case CLASS_PRECURSOR:
      state[at + PANE + P.xidPrecursor]++;
      return;
    case CLASS_APPLICATION:
      state[at + PANE + P.xidApplication]++;
      return;
  }
}

/**
 * Moves the baseline of a counter. The first reading is the baseline, a 0 after a positive value is a missing counter,
 * and a decrease shows at the next positive value.
 * @param resetCounts whether the value after a reset is what was counted since, or nothing
 * @returns the increment
 */
export function advance(
  baselines: { [index: number]: number },
  at: number,
  value: number,
  resetCounts: boolean,
): number {
  const before = baselines[at];
  if (value === 0 && before > 0) return 0;
  baselines[at] = value;
  if (before !== before) return 0;
  if (value >= before) return value - before;
  return resetCounts ? value : 0;
}

/** A volatile ECC counter: from its first reading on, the aggregate one is left out. */
export function foldEccVolatile(
  state: Float64Array,
  at: number,
  ms: number,
  value: number,
  errors: number,
  baseline: number,
  aggregateLast: number,
  aggregateAdded: number,
): void {
  const before = state[at + baseline];
  // The aggregate's reading of this very time sees this one, though it was folded before.
  if (before !== before && state[at + C.lastMs + aggregateLast] >= ms)
    state[at + PANE + errors] -= state[at + aggregateAdded];
  state[at + PANE + errors] += advance(state, at + baseline, value, true);
}

/** An aggregate ECC counter: a board swap or a cleared inventory is no error. */
export function foldEccAggregate(
  state: Float64Array,
  at: number,
  value: number,
  errors: number,
  volatileBaseline: number,
  baseline: number,
  added: number,
): void {
  const seen = state[at + volatileBaseline];
  if (seen === seen) return;
  const increment = advance(state, at + baseline, value, false);
  state[at + added] = increment;
  state[at + PANE + errors] += increment;
}

export function foldRemap(
  state: Float64Array,
  at: number,
  ms: number,
  value: number,
  rows: number,
  baseline: number,
  setMs: number,
): void {
  state[at + PANE + rows] += advance(state, at + baseline, value, false);
  if (state[at + baseline] === value) state[at + setMs] = ms;
}
