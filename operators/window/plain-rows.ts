import type { SampleBatch } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import type { BatchPlan } from './batch-plan.js';
import type { Chunk } from './chunk.js';
import { RECENT } from './event-times.js';
import {
  COUNTED_BITS,
  DOUBLE,
  LOADED_SM_ACTIVE,
  SINGLE,
  beyondPower,
  beyondResidual,
  beyondTemp,
  foldEccVolatile,
  foldPcieReplay,
  foldThrottle,
} from './fold.js';
import { H, PAIR, lastMsOf, settle, GpuCursor, type GpuRecord } from './gpu-record.js';
import { ACCEPTED, type RowResults } from './window.js';

const [TEMP, POWER, MEMORY_UTIL] = [1 << S.gpuTemp, 1 << S.powerUsage, 1 << S.memoryUtil];
const [SM_ACTIVE, SM_OCCUPANCY, MEMORY_TEMP] = [1 << S.smActive, 1 << S.smOccupancy, 1 << S.memoryTemp];
const [THROTTLE, ECC_SBE, ECC_DBE] = [1 << S.throttleReasons, 1 << S.eccSbeVol, 1 << S.eccDbeVol];
const [GPU_UTIL, SM_CLOCK, PCIE_REPLAY] = [1 << S.gpuUtil, 1 << S.smClock, 1 << S.pcieReplay];
const TEMP_AND_POWER = TEMP | POWER;
const PAIRED = 1 << PAIR;

/**
 * Samples about which nothing is special: newer than all that was heard of their GPU, of its open hour, after no gap.
 * All their readings are accepted, and what each usually does is written out in one function: hardly a branch is
 * taken, nothing is called, and what is touched of a GPU is its hot record (gpu-record.ts). This is what makes the
 * windows fast; whatever is unusual calls what fold.ts does with a single reading.
 */
export class PlainRows {
  /** Rows folded, and rows that were not plain. */
  count = 0;
  readonly rows: Int32Array;
  restCount = 0;
  readonly rest: Int32Array;
  private readonly gpu = new GpuCursor();

  constructor(
    capacity: number,
    private readonly gapMs: number,
    private readonly v2: boolean,
  ) {
    this.rows = new Int32Array(capacity);
    this.rest = new Int32Array(capacity);
  }

  /** Folds the plain ones of some rows of a batch, no GPU twice among them, and tells which they were. */
  fold(
    batch: SampleBatch,
    plan: BatchPlan,
    from: number,
    until: number,
    slots: Int32Array,
    chunks: readonly Chunk[],
    shift: number,
    results: RowResults,
  ): void {
    const { gapMs, v2, rows, rest } = this;
    const { gpuIndex, eventTimeMs } = batch;
    const { bits, beforeMs } = results;
    const { hasInputs, baseMask, extraMask } = plan;
    const local = (1 << shift) - 1;
    const temps = plan.values(S.gpuTemp);
    const powers = plan.values(S.powerUsage);
    const memoryUtils = plan.values(S.memoryUtil);
    const smActives = plan.values(S.smActive);
    const smOccupancies = plan.values(S.smOccupancy);
    const memoryTemps = plan.values(S.memoryTemp);
    const throttles = plan.values(S.throttleReasons);
    const sbes = plan.values(S.eccSbeVol);
    const dbes = plan.values(S.eccDbeVol);
    let plain = 0;
    let special = 0;
    for (let row = from; row < until; row++) {
      const slot = slots[gpuIndex[row]];
      const ms = eventTimeMs[row];
      const chunk = chunks[slot >>> shift];
      const { hot } = chunk;
      const h = (slot & local) * chunk.hotWidth;
      const newest = hot[h + H.newestMs];
      const ofHour = ms - hot[h + H.openHour] * HOUR_MS;
      beforeMs[row - from] = newest;
      if (
        !(ms > newest && ofHour >= 0 && ofHour < HOUR_MS && ms - newest <= gapMs) ||
        (hasInputs && !plan.hasReading(row))
      ) {
        rest[special++] = row;
        continue;
      }
      bits[row - from] = ACCEPTED;
      rows[plain++] = row;

      let mask = extraMask === null ? baseMask : baseMask | extraMask[row];
      const temp = temps[row];
      if (temp === temp) {
        mask |= TEMP;
        let base = hot[h + H.gpuTemp];
        if (base !== base) hot[h + H.gpuTemp] = base = temp;
        const difference = temp - base;
        hot[h + H.gpuTemp + 1] += difference;
        hot[h + H.gpuTemp + 2] += difference * difference;
        if (temp < hot[h + H.gpuTempMin]) hot[h + H.gpuTempMin] = temp;
        if (temp > hot[h + H.gpuTempMax]) hot[h + H.gpuTempMax] = temp;
        if (temp > hot[h + H.tempLimit])
          beyondTemp(this.at(chunk, slot & local), ms, lastMsOf(this.gpu, S.gpuTemp), gapMs);
        else if (hot[h + H.tempBeyond] !== 0) hot[h + H.tempBeyond] = 0;
      }
      const power = powers[row];
      if (power === power) {
        mask |= POWER;
        let base = hot[h + H.powerUsage];
        if (base !== base) hot[h + H.powerUsage] = base = power;
        const difference = power - base;
        hot[h + H.powerUsage + 1] += difference;
        hot[h + H.powerUsage + 2] += difference * difference;
        if (power > hot[h + H.powerLimit])
          beyondPower(this.at(chunk, slot & local), ms, lastMsOf(this.gpu, S.powerUsage), gapMs);
        else if (hot[h + H.powerBeyond] !== 0) hot[h + H.powerBeyond] = 0;
      }
      const memoryUtil = memoryUtils[row];
      if (memoryUtil === memoryUtil) {
        mask |= MEMORY_UTIL;
        let base = hot[h + H.memoryUtil];
        if (base !== base) hot[h + H.memoryUtil] = base = memoryUtil;
        const difference = memoryUtil - base;
        hot[h + H.memoryUtil + 1] += difference;
        hot[h + H.memoryUtil + 2] += difference * difference;
      }
      const smActive = smActives[row];
      if (smActive === smActive) {
        mask |= SM_ACTIVE;
        let base = hot[h + H.smActive];
        if (base !== base) hot[h + H.smActive] = base = smActive;
        const difference = smActive - base;
        hot[h + H.smActive + 1] += difference;
        hot[h + H.smActive + 2] += difference * difference;
      }
      const smOccupancy = smOccupancies[row];
      if (smOccupancy === smOccupancy) {
        mask |= SM_OCCUPANCY;
        hot[h + H.smOccupancy] += smOccupancy;
      }
      const memoryTemp = memoryTemps[row];
      if (memoryTemp === memoryTemp) {
        mask |= MEMORY_TEMP;
        hot[h + H.memoryTemp] += memoryTemp;
        if (memoryTemp > hot[h + H.memoryTempMax]) hot[h + H.memoryTempMax] = memoryTemp;
      }
      const throttle = throttles[row];
      if (throttle === throttle) {
        mask |= THROTTLE;
        const before = hot[h + H.throttleMask];
        if (((throttle | before) & COUNTED_BITS) !== 0)
          foldThrottle(this.at(chunk, slot & local), ms, lastMsOf(this.gpu, S.throttleReasons), throttle, gapMs);
        else if (throttle !== before) hot[h + H.throttleMask] = throttle;
      }
      const sbe = sbes[row];
      if (sbe === sbe) {
        mask |= ECC_SBE;
        if (sbe !== hot[h + H.eccSbeVol]) foldEccVolatile(this.at(chunk, slot & local), ms, sbe, SINGLE);
      }
      const dbe = dbes[row];
      if (dbe === dbe) {
        mask |= ECC_DBE;
        if (dbe !== hot[h + H.eccDbeVol]) foldEccVolatile(this.at(chunk, slot & local), ms, dbe, DOUBLE);
      }

      if (v2) mask |= this.foldV2(plan, row, chunk, slot & local, mask, eventTimeMs, temps, powers, smActives);

      if (mask !== hot[h + H.mask]) {
        settle(this.at(chunk, slot & local));
        hot[h + H.mask] = mask;
      }
      const run = hot[h + H.run];
      chunk.hotWords[2 * (h + H.recent) + ((hot[h + H.samples] + run) & (RECENT - 1))] = ofHour;
      hot[h + H.run] = run + 1;
      hot[h + H.newestMs] = ms;
    }
    this.count = plain;
    this.restCount = special;
  }

  /**
   * What only feature set v2 keeps. Takes columns and a row: numbers would be allocated for the call.
   * @returns bits of its series
   */
  private foldV2(
    plan: BatchPlan,
    row: number,
    chunk: Chunk,
    local: number,
    mask: number,
    eventTimeMs: Float64Array,
    temps: Float64Array,
    powers: Float64Array,
    smActives: Float64Array,
  ): number {
    const { hot } = chunk;
    const h = local * chunk.hotWidth;
    const temp = temps[row];
    const power = powers[row];
    const smActive = smActives[row];
    let more = 0;
    if ((mask & TEMP_AND_POWER) === TEMP_AND_POWER) {
      more |= PAIRED;
      const x = power - hot[h + H.powerUsage];
      const y = temp - hot[h + H.gpuTemp];
      hot[h + H.pairX] += x;
      hot[h + H.pairY] += y;
      hot[h + H.pairXX] += x * x;
      hot[h + H.pairYY] += y * y;
      hot[h + H.pairXY] += x * y;
      const predicted = hot[h + H.intercept] + hot[h + H.slope] * power;
      if (temp - predicted > hot[h + H.residualLimit])
        beyondResidual(this.at(chunk, local), eventTimeMs[row], lastMsOf(this.gpu, PAIR), this.gapMs);
      else if (hot[h + H.residualBeyond] !== 0) hot[h + H.residualBeyond] = 0;
    }
    if ((mask & TEMP) !== 0) hot[h + H.lastTemp] = temp;
    if ((mask & POWER) !== 0) hot[h + H.lastPower] = power;
    if ((mask & SM_ACTIVE) !== 0) hot[h + H.lastSmActive] = smActive;
    const gpuUtil = plan.values(S.gpuUtil)[row];
    if (gpuUtil === gpuUtil) {
      more |= GPU_UTIL;
      hot[h + H.gpuUtil] += gpuUtil;
    }
    const smClock = plan.values(S.smClock)[row];
    if (smClock === smClock) {
      more |= SM_CLOCK;
      let base = hot[h + H.smClock];
      if (base !== base) hot[h + H.smClock] = base = smClock;
      const difference = smClock - base;
      hot[h + H.smClock + 1] += difference;
      hot[h + H.smClock + 2] += difference * difference;
      hot[h + H.lastSmClock] = smClock;
      if (smActive >= LOADED_SM_ACTIVE) {
        hot[h + H.loadedClock]++;
        hot[h + H.loadedClock + 1] += smClock;
      }
    }
    const replays = plan.values(S.pcieReplay)[row];
    if (replays === replays) {
      more |= PCIE_REPLAY;
      if (replays !== hot[h + H.pcieReplay]) foldPcieReplay(this.at(chunk, local), replays);
    }
    return more;
  }

  private at(chunk: Chunk, local: number): GpuRecord {
    const { gpu } = this;
    gpu.hot = chunk.hot;
    gpu.cold = chunk.cold;
    gpu.h = local * chunk.hotWidth;
    gpu.c = local * chunk.coldWidth;
    return gpu;
  }
}
