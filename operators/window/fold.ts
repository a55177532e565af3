import { MINUTE_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { Op, type PlannedColumn } from './batch-plan.js';
import { C, H, OPEN, PAIR, lastMsOf, type GpuRecord } from './gpu-record.js';
import { O } from './pane-layout.js';

/**
 * Folding one accepted reading of each kind of metric into the open pane of a GPU. Counting it, and remembering its
 * time, is the caller's part. `last` is the event time of the metric's reading before this one, −Infinity for none; a
 * step longer than `gapMs` means that what held before is unknown.
 *
 * Most readings do not come here: what is usual is done by plain-rows.ts in one go, in the same steps, so that the
 * result is the same to the last bit.
 */

/** Bits of throttle_reasons (reference: DCGM's clocks event reasons). */
export const THERMAL_BITS = 0x60;
export const POWER_BRAKE_BITS = 0x80;
export const SW_POWER_CAP_BITS = 0x04;
/** Hardware slowdown, thermal slowdown by software or hardware, power brake: time lost against the user's will. */
export const THROTTLED_BITS = 0xe8;
/** A mask without these is nothing to count, nor is the one after it. */
export const COUNTED_BITS = THERMAL_BITS | POWER_BRAKE_BITS | SW_POWER_CAP_BITS | THROTTLED_BITS;

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
  gpu: GpuRecord,
  ms: number,
  last: number,
  value: number,
  gapMs: number,
  v2: boolean,
): void {
  const { hot, h, cold, c } = gpu;
  switch (op) {
    case Op.GpuTemp:
      return foldGpuTemp(gpu, ms, last, value, gapMs, v2);
    case Op.Power:
      return foldPower(gpu, ms, last, value, gapMs, v2);
    case Op.SmActive:
      return foldSmActive(gpu, ms, value, v2);
    case Op.SmClock:
      return foldSmClock(gpu, ms, value);
    case Op.Mean:
      hot[h + field] += value;
      return;
    case Op.Level:
      return addToLevel(hot, h + field, value);
    case Op.MemoryTemp:
      hot[h + H.memoryTemp] += value;
      if (value > hot[h + H.memoryTempMax]) hot[h + H.memoryTempMax] = value;
      return;
    case Op.Throttle:
      return foldThrottle(gpu, ms, last, value, gapMs);
    case Op.EccVolatile:
      if (series === S.eccSbeVol) return foldEccVolatile(gpu, ms, value, SINGLE);
      return foldEccVolatile(gpu, ms, value, DOUBLE);
    case Op.EccAggregate:
      return foldEccAggregate(gpu, value, series === S.eccSbeAgg ? SINGLE : DOUBLE);
    case Op.Remap:
      if (series === S.remapCorrectable)
        return foldRemap(gpu, ms, value, O.remapCorrectable, C.remapCorrectable, C.remapCorrectableMs);
      return foldRemap(gpu, ms, value, O.remapUncorrectable, C.remapUncorrectable, C.remapUncorrectableMs);
    case Op.RemapFailure:
      if (value > 0) cold[c + C.remapFailureMs] = ms;
      return;
    case Op.PcieReplay:
      return foldPcieReplay(gpu, value);
    case Op.Xid:
      return foldXid(gpu, ms, value);
  }
}

/** Shift, sum and squares of differences from it. */
export function addToLevel(hot: Float64Array, at: number, value: number): void {
  let shift = hot[at];
  if (shift !== shift) hot[at] = shift = value;
  const difference = value - shift;
  hot[at + 1] += difference;
  hot[at + 2] += difference * difference;
}

function foldGpuTemp(gpu: GpuRecord, ms: number, last: number, value: number, gapMs: number, v2: boolean): void {
  const { hot, h } = gpu;
  addToLevel(hot, h + H.gpuTemp, value);
  if (value < hot[h + H.gpuTempMin]) hot[h + H.gpuTempMin] = value;
  if (value > hot[h + H.gpuTempMax]) hot[h + H.gpuTempMax] = value;
  if (value > hot[h + H.tempLimit]) beyondTemp(gpu, ms, last, gapMs);
  else hot[h + H.tempBeyond] = 0;
  if (!v2) return;
  hot[h + H.lastTemp] = value;
  if (lastMsOf(gpu, S.powerUsage) === ms) foldLatePair(gpu, ms, hot[h + H.lastPower], value, gapMs);
}

function foldPower(gpu: GpuRecord, ms: number, last: number, value: number, gapMs: number, v2: boolean): void {
  const { hot, h } = gpu;
  addToLevel(hot, h + H.powerUsage, value);
  if (value > hot[h + H.powerLimit]) beyondPower(gpu, ms, last, gapMs);
  else hot[h + H.powerBeyond] = 0;
  if (!v2) return;
  hot[h + H.lastPower] = value;
  if (lastMsOf(gpu, S.gpuTemp) === ms) foldLatePair(gpu, ms, value, hot[h + H.lastTemp], gapMs);
}

export function beyondTemp({ hot, h, cold, c }: GpuRecord, ms: number, last: number, gapMs: number): void {
  if (hot[h + H.tempBeyond] === 0 || ms - last > gapMs) cold[c + OPEN + O.tempSpikes]++;
  hot[h + H.tempBeyond] = 1;
}

export function beyondPower({ hot, h, cold, c }: GpuRecord, ms: number, last: number, gapMs: number): void {
  if (hot[h + H.powerBeyond] === 0 || ms - last > gapMs) cold[c + OPEN + O.powerAnomalies]++;
  hot[h + H.powerBeyond] = 1;
}

/** Temperature and power of the same event time. */
export function foldPair(gpu: GpuRecord, ms: number, last: number, power: number, temp: number, gapMs: number): void {
  const { hot, h } = gpu;
  const x = power - hot[h + H.powerUsage];
  const y = temp - hot[h + H.gpuTemp];
  hot[h + H.pairX] += x;
  hot[h + H.pairY] += y;
  hot[h + H.pairXX] += x * x;
  hot[h + H.pairYY] += y * y;
  hot[h + H.pairXY] += x * y;
  const predicted = hot[h + H.intercept] + hot[h + H.slope] * power;
  if (temp - predicted > hot[h + H.residualLimit]) beyondResidual(gpu, ms, last, gapMs);
  else hot[h + H.residualBeyond] = 0;
}

export function beyondResidual({ hot, h, cold, c }: GpuRecord, ms: number, last: number, gapMs: number): void {
  if (hot[h + H.residualBeyond] === 0 || ms - last > gapMs) cold[c + OPEN + O.residualSpikes]++;
  hot[h + H.residualBeyond] = 1;
}

/** A pair whose parts may have come apart: it is counted as if it were a series. */
function foldLatePair(gpu: GpuRecord, ms: number, power: number, temp: number, gapMs: number): void {
  const { cold, c } = gpu;
  foldPair(gpu, ms, cold[c + C.lastMs + PAIR], power, temp, gapMs);
  cold[c + C.lastMs + PAIR] = ms;
  cold[c + C.count + PAIR]++;
}

function foldSmActive(gpu: GpuRecord, ms: number, value: number, v2: boolean): void {
  const { hot, h } = gpu;
  addToLevel(hot, h + H.smActive, value);
  if (!v2) return;
  hot[h + H.lastSmActive] = value;
  if (value >= LOADED_SM_ACTIVE && lastMsOf(gpu, S.smClock) === ms) addLoaded(hot, h, hot[h + H.lastSmClock]);
}

/** Feature set v2 only. */
function foldSmClock(gpu: GpuRecord, ms: number, value: number): void {
  const { hot, h } = gpu;
  addToLevel(hot, h + H.smClock, value);
  hot[h + H.lastSmClock] = value;
  if (lastMsOf(gpu, S.smActive) === ms && hot[h + H.lastSmActive] >= LOADED_SM_ACTIVE) addLoaded(hot, h, value);
}

function addLoaded(hot: Float64Array, h: number, clock: number): void {
  hot[h + H.loadedClock]++;
  hot[h + H.loadedClock + 1] += clock;
}

export function foldThrottle(gpu: GpuRecord, ms: number, last: number, mask: number, gapMs: number): void {
  const { hot, h, cold, c } = gpu;
  // Unknown counts as none set: a condition still set after a gap is a new onset.
  const before = ms - last <= gapMs ? hot[h + H.throttleMask] : 0;
  if ((mask & THERMAL_BITS) !== 0 && (before & THERMAL_BITS) === 0) cold[c + OPEN + O.thermalOnsets]++;
  if ((mask & POWER_BRAKE_BITS) !== 0 && (before & POWER_BRAKE_BITS) === 0) cold[c + OPEN + O.brakeOnsets]++;
  if ((mask & SW_POWER_CAP_BITS) !== 0 && (before & SW_POWER_CAP_BITS) === 0) cold[c + OPEN + O.capOnsets]++;
  if ((before & THROTTLED_BITS) !== 0) cold[c + OPEN + O.throttleMs] += ms - last;
  hot[h + H.throttleMask] = mask;
}

function foldXid(gpu: GpuRecord, ms: number, code: number): void {
  const { cold, c } = gpu;
  const before = cold[c + C.xid];
  cold[c + C.xid] = code;
  if (code === 0 || code === before) return;
  if (before !== before && !(ms - cold[c + C.firstMs] > XID_FIRST_AFTER_MS)) {
    cold[c + C.earlyXid] = code;
    cold[c + C.earlyXidMs] = ms;
    return;
  }
  countXid(gpu, ms, code);
}

/** The GPU turns out to have been heard earlier, within its first hour: its first XID may be an onset after all. */
export function recountEarlyXid(gpu: GpuRecord): void {
  const { cold, c } = gpu;
  const ms = cold[c + C.earlyXidMs];
  if (!(ms - cold[c + C.firstMs] > XID_FIRST_AFTER_MS)) return;
  cold[c + C.earlyXidMs] = NaN;
  countXid(gpu, ms, cold[c + C.earlyXid]);
}

function countXid({ cold, c }: GpuRecord, ms: number, code: number): void {
  switch (XID_CLASSES[code]) {
    case CLASS_HARDWARE:
      cold[c + OPEN + O.xidHardware]++;
      if (ms > cold[c + C.hardwareXidMs]) cold[c + C.hardwareXidMs] = ms;
      return;
    case CLASS_PRECURSOR:
      cold[c + OPEN + O.xidPrecursor]++;
      return;
    case CLASS_APPLICATION:
      cold[c + OPEN + O.xidApplication]++;
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

/** Where what is kept of an ECC counter lies. */
interface EccPlaces {
  readonly errors: number;
  readonly volatile: number;
  readonly aggregate: number;
  readonly aggregateAdded: number;
  readonly aggregateSeries: number;
}
export const SINGLE: EccPlaces = {
  errors: O.eccSbe,
  volatile: H.eccSbeVol,
  aggregate: C.eccSbeAgg,
  aggregateAdded: C.eccSbeAggAdded,
  aggregateSeries: S.eccSbeAgg,
};
export const DOUBLE: EccPlaces = {
  errors: O.eccDbe,
  volatile: H.eccDbeVol,
  aggregate: C.eccDbeAgg,
  aggregateAdded: C.eccDbeAggAdded,
  aggregateSeries: S.eccDbeAgg,
};

/** A volatile ECC counter: from its first reading on, the aggregate one is left out. */
export function foldEccVolatile(gpu: GpuRecord, ms: number, value: number, places: EccPlaces): void {
  const { hot, h, cold, c } = gpu;
  const before = hot[h + places.volatile];
  // The aggregate's reading of this very time sees this one, though it was folded before.
  if (before !== before && lastMsOf(gpu, places.aggregateSeries) >= ms)
    cold[c + OPEN + places.errors] -= cold[c + places.aggregateAdded];
  cold[c + OPEN + places.errors] += advance(hot, h + places.volatile, value, true);
}

/** An aggregate ECC counter: a board swap or a cleared inventory is no error. */
function foldEccAggregate({ hot, h, cold, c }: GpuRecord, value: number, places: EccPlaces): void {
  const seen = hot[h + places.volatile];
  if (seen === seen) return;
  const increment = advance(cold, c + places.aggregate, value, false);
  cold[c + places.aggregateAdded] = increment;
  cold[c + OPEN + places.errors] += increment;
}

function foldRemap(
  { cold, c }: GpuRecord,
  ms: number,
  value: number,
  rows: number,
  baseline: number,
  setMs: number,
): void {
  cold[c + OPEN + rows] += advance(cold, c + baseline, value, false);
  if (cold[c + baseline] === value) cold[c + setMs] = ms;
}

/** Feature set v2 only. */
export function foldPcieReplay({ hot, h, cold, c }: GpuRecord, value: number): void {
  cold[c + OPEN + O.pcieReplays] += advance(hot, h + H.pcieReplay, value, true);
}
