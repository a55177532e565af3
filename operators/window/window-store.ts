import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { ReadingReason, RejectReading } from '../../schema/outcome.js';
import { isoTime } from '../../schema/records.js';
import { foldDay, foldWindow } from './aggregate.js';
import { AssetFacts, METADATA_WIDTH, toMetadata } from './asset-facts.js';
import { BASELINE_WIDTH, computeBaseline } from './baseline.js';
import { BatchPlan, Op } from './batch-plan.js';
import { C, CARRIED_WIDTH } from './carried.js';
import { Chunk } from './chunk.js';
import { EventTimes, RECENT } from './event-times.js';
import { FeatureRow } from './feature-row.js';
import {
  addToMean,
  addToMoments,
  advance,
  foldEccAggregate,
  foldEccVolatile,
  foldGpuTemp,
  foldPower,
  foldRemap,
  foldSmActive,
  foldSmClock,
  foldThrottle,
  foldXid,
  recountEarlyXid,
  type Target,
} from './fold.js';
import { takeInput, utilisation } from './framebuffer.js';
import { NvlinkBaselines } from './nvlink.js';
import { DAY_WIDTH, P, type PaneSet } from './pane-layout.js';
import { paneAggregates } from './pane-record.js';
import { WINDOW_HOURS } from './ring.js';
import { ACCEPTED, LATE, PANE_CLOSED, type WindowOptions, type Windows } from './window.js';

export interface WindowStoreOptions extends WindowOptions {
  /** v1 keeps the 27 features and what health reads; v2, the default, everything. */
  readonly featureSet?: PaneSet;
  /** GPUs that memory is taken for at a time, a power of two. */
  readonly chunkSlots?: number;
}

const DEFAULT_CHUNK_SLOTS = 256;
const NO_READINGS: Readonly<Record<string, number>> = Object.freeze({});

/** Sliding windows of many GPUs in typed arrays; see docs/features.md for what the numbers mean. */
export class WindowStore implements Windows {
  lateReadings: Readonly<Record<string, number>> = NO_READINGS;

  private readonly set: PaneSet;
  private readonly v2: boolean;
  private readonly gapMs: number;
  private readonly chunks: Chunk[] = [];
  private readonly chunkSlots: number;
  private readonly shift: number;
  private readonly uuids: string[] = [];
  private readonly slots = new Map<string, number>();
  private readonly nvlink = new NvlinkBaselines();
  private readonly facts: AssetFacts;
  private readonly eventTimes: EventTimes;
  private readonly row: FeatureRow;

  // The batch at hand, and the sample at hand.
  private batch: SampleBatch | undefined;
  private plan: BatchPlan | undefined;
  private readonly target: Target;
  private chunk: Chunk | undefined;
  private slot = 0;
  private local = 0;
  private ms = 0;
  private result = 0;
  private late: Record<string, number> | undefined;
  private refusedMetric = '';
  private reject: RejectReading = () => {};

  constructor(private readonly options: WindowStoreOptions) {
    this.set = options.featureSet ?? 'v2';
    this.v2 = this.set === 'v2';
    this.gapMs = options.gapMs;
    this.chunkSlots = options.chunkSlots ?? DEFAULT_CHUNK_SLOTS;
    this.shift = Math.log2(this.chunkSlots);
    if (!Number.isInteger(this.shift)) throw new Error('chunkSlots must be a power of two');
    this.facts = new AssetFacts(options.asset);
    this.eventTimes = new EventTimes(options.gapMs);
    this.row = new FeatureRow(this.set);
    const none = new Float64Array(0);
    this.target = { pane: none, paneAt: 0, carried: none, carriedAt: 0, baseline: none, baselineAt: 0 };
  }

  get size(): number {
    return this.uuids.length;
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.bytes, this.nvlink.bytes);
  }

  slotOf(gpuUuid: string): number {
    const known = this.slots.get(gpuUuid);
    if (known !== undefined) return known;
    const slot = this.uuids.push(gpuUuid) - 1;
    this.slots.set(gpuUuid, slot);
    if (slot >>> this.shift === this.chunks.length) this.chunks.push(new Chunk(this.chunkSlots, this.set));
    const chunk = this.chunks[slot >>> this.shift];
    const local = slot & (this.chunkSlots - 1);
    chunk.init(local);
    this.facts.clear(chunk.metadata, local * METADATA_WIDTH);
    return slot;
  }

  find(gpuUuid: string): number {
    return this.slots.get(gpuUuid) ?? -1;
  }

  uuidOf(slot: number): string {
    return this.uuids[slot];
  }

  newestMs(slot: number): number {
    const ms = this.carried(slot, C.newestMs);
    return ms === -Infinity ? NaN : ms;
  }

  firstMs(slot: number): number {
    return this.carried(slot, C.firstMs);
  }

  accept(batch: SampleBatch, row: number, slot: number, reject: RejectReading): number {
    if (batch !== this.batch) this.useBatch(batch);
    this.select(slot);
    const ms = batch.eventTimeMs[row];
    const { target } = this;
    const { carried, carriedAt } = target;
    const last = carriedAt + C.lastMs;
    this.ms = ms;
    this.result = 0;
    this.reject = reject;
    this.refusedMetric = '';
    this.late = undefined;
    if (this.lateReadings !== NO_READINGS) this.lateReadings = NO_READINGS;
    const closedHour = ms < carried[carriedAt + C.openHour] * HOUR_MS;
    const plan = this.plan!;
    for (let column = 0; column < plan.length; column++) {
      const value = plan.columns[column][row];
      if (value !== value) continue;
      const series = plan.series[column];
      const op = plan.ops[column];
      if (op === Op.Input) {
        this.takeInput(series, value, closedHour);
        continue;
      }
      const before = op === Op.Nvlink ? this.nvlink.lastMs(slot, series - S.nvlinkFirst) : carried[last + series];
      if (!(ms > before) || closedHour) {
        this.refuse(series, value, before);
        continue;
      }
      if (this.result === 0) this.admit();
      if (op !== Op.Nvlink) carried[last + series] = ms;
      this.fold(op, series, before, value);
    }
    if ((this.result & ACCEPTED) !== 0 && batch.metadataIndex[row] >= 0)
      this.facts.take(this.chunk!.metadata, this.local * METADATA_WIDTH, batch.metadataIndex[row], ms);
    if (this.late !== undefined) {
      this.lateReadings = this.late;
      this.result |= LATE;
    }
    return this.result;
  }

  features(slot: number, asOfMs: number, out: Float64Array, offset: number): void {
    this.select(slot);
    const chunk = this.chunk!;
    const facts = this.facts.of(slot, this.uuids[slot], chunk.metadata, this.local * METADATA_WIDTH);
    this.row.compute(chunk, this.local, facts, asOfMs, out, offset);
  }

  metadata(slot: number): SampleMetadata {
    this.select(slot);
    return toMetadata(this.facts.of(slot, this.uuids[slot], this.chunk!.metadata, this.local * METADATA_WIDTH));
  }

  closeOpenPane(slot: number): void {
    this.select(slot);
    const { pane, paneAt, carried, carriedAt } = this.target;
    if (pane[paneAt + P.samples] > 0) this.openHour(carried[carriedAt + C.openHour] + 1);
  }

  private carried(slot: number, index: number): number {
    return this.chunks[slot >>> this.shift].carried[(slot & (this.chunkSlots - 1)) * CARRIED_WIDTH + index];
  }

  private useBatch(batch: SampleBatch): void {
    this.batch = batch;
    this.plan = new BatchPlan(batch);
    this.facts.useBatch(batch);
  }

  private select(slot: number): void {
    const chunk = this.chunks[slot >>> this.shift];
    const local = slot & (this.chunkSlots - 1);
    const { target } = this;
    this.chunk = chunk;
    this.slot = slot;
    this.local = local;
    target.pane = chunk.pane;
    target.paneAt = local * chunk.paneWidth;
    target.carried = chunk.carried;
    target.carriedAt = local * CARRIED_WIDTH;
    target.baseline = chunk.baseline;
    target.baselineAt = local * BASELINE_WIDTH;
  }

  /** The first accepted reading of a sample: closes the open pane if its hour is over, and counts the event time. */
  private admit(): void {
    const { pane, paneAt, carried, carriedAt } = this.target;
    this.result |= ACCEPTED;
    const hour = Math.floor(this.ms / HOUR_MS);
    if (hour > carried[carriedAt + C.openHour]) {
      if (pane[paneAt + P.samples] > 0) this.result |= PANE_CLOSED;
      this.openHour(hour);
    }
    const first = carried[carriedAt + C.firstMs];
    this.eventTimes.take(this.slot, this.ms, pane, paneAt, carried, carriedAt, this.chunk!.recent, this.local * RECENT);
    if (carried[carriedAt + C.firstMs] < first) recountEarlyXid(this.target);
  }

  /** Closes the open pane, if there is one, and opens a later hour. */
  private openHour(hour: number): void {
    const chunk = this.chunk!;
    const { pane, paneAt, carried, carriedAt, baseline, baselineAt } = this.target;
    const { local, set } = this;
    const { ring } = chunk;
    const before = carried[carriedAt + C.openHour];
    if (pane[paneAt + P.samples] > 0) {
      this.options.onPaneClosed?.({
        slot: this.slot,
        hourStartMs: before * HOUR_MS,
        samples: pane[paneAt + P.samples],
        aggregates: paneAggregates(set, pane, paneAt, carried, carriedAt, before * HOUR_MS),
      });
      ring.write(local, before, pane, paneAt);
      carried[carriedAt + C.hoursCounted]++;
      ring.clear(local, before + 1, hour);
    } else if (before > -Infinity) ring.clear(local, before, hour);
    carried[carriedAt + C.openHour] = hour;
    this.eventTimes.closed(this.slot);
    chunk.clearPane(local);
    const closedAt = local * chunk.closedWidth;
    foldWindow(set, ring, local, hour - WINDOW_HOURS + 1, hour, hour, chunk.closed, closedAt);
    if (this.v2) foldDay(ring, local, hour - 23, hour, chunk.day, local * DAY_WIDTH);
    computeBaseline(set, chunk.closed, closedAt, baseline, baselineAt);
  }

  private fold(op: Op, series: number, before: number, value: number): void {
    const { target, ms, gapMs, v2 } = this;
    const { pane, paneAt, carried, carriedAt } = target;
    switch (op) {
      case Op.GpuTemp:
        return foldGpuTemp(target, ms, before, value, gapMs, v2);
      case Op.Power:
        return foldPower(target, ms, before, value, gapMs, v2);
      case Op.SmActive:
        return foldSmActive(target, ms, value, v2);
      case Op.SmClock:
        return foldSmClock(target, ms, value, v2);
      case Op.Mean:
        return addToMean(pane, paneAt + (series === S.gpuUtil ? P.gpuUtil : P.smOccupancy), value);
      case Op.MemoryUtil:
        return addToMoments(pane, paneAt + P.memoryUtil, value);
      case Op.MemoryTemp:
        addToMean(pane, paneAt + P.memoryTemp, value);
        if (value > pane[paneAt + P.memoryTempMax]) pane[paneAt + P.memoryTempMax] = value;
        return;
      case Op.Throttle:
        return foldThrottle(target, ms, before, value, gapMs);
      case Op.EccVolatile:
        if (series === S.eccSbeVol)
          return foldEccVolatile(target, ms, value, P.eccSbe, C.eccSbeVol, S.eccSbeAgg, C.eccSbeAggAdded);
        return foldEccVolatile(target, ms, value, P.eccDbe, C.eccDbeVol, S.eccDbeAgg, C.eccDbeAggAdded);
      case Op.EccAggregate:
        if (series === S.eccSbeAgg)
          return foldEccAggregate(target, value, P.eccSbe, C.eccSbeVol, C.eccSbeAgg, C.eccSbeAggAdded);
        return foldEccAggregate(target, value, P.eccDbe, C.eccDbeVol, C.eccDbeAgg, C.eccDbeAggAdded);
      case Op.Remap:
        if (series === S.remapCorrectable)
          return foldRemap(target, ms, value, P.remapCorrectable, C.remapCorrectable, C.remapCorrectableMs);
        return foldRemap(target, ms, value, P.remapUncorrectable, C.remapUncorrectable, C.remapUncorrectableMs);
      case Op.RemapFailure:
        if (value > 0) carried[carriedAt + C.remapFailureMs] = ms;
        return;
      case Op.PcieReplay: {
        const increment = advance(carried, carriedAt + C.pcieReplay, value, true);
        if (v2) pane[paneAt + P.pcieReplays] += increment;
        return;
      }
      case Op.Xid:
        return foldXid(target, ms, value);
      case Op.Nvlink: {
        const increment = this.nvlink.take(this.slot, series - S.nvlinkFirst, ms, value);
        if (v2) pane[paneAt + P.nvlinkErrors] += increment;
        if (ms > carried[carriedAt + C.nvlinkMs]) carried[carriedAt + C.nvlinkMs] = ms;
        return;
      }
    }
  }

  /** A framebuffer input: no reading by itself, but memory_util of its event time follows from it. */
  private takeInput(series: number, value: number, closedHour: boolean): void {
    const { ms } = this;
    const { pane, paneAt, carried, carriedAt } = this.target;
    const utilLast = carriedAt + C.lastMs + S.memoryUtil;
    const isNew = !closedHour && takeInput(carried, carriedAt, series, ms, value);
    if (!isNew) {
      const isReading = series === S.fbUsed && carried[carriedAt + C.fbTotalFirstMs] <= ms;
      if (isReading && (closedHour || ms <= carried[utilLast])) this.refuse(series, value, carried[utilLast]);
      return;
    }
    if (carried[carriedAt + C.lastMs + S.fbUsed] !== ms) return;
    const used = carried[carriedAt + C.fbUsed];
    const util = utilisation(carried, carriedAt, used, ms);
    if (util !== util) return;
    const derivedAgain = carried[carriedAt + C.memoryUtilDerivedMs] === ms;
    // Given by itself at this time: not derived as well.
    if (carried[utilLast] === ms && !derivedAgain) return;
    if (carried[utilLast] > ms) return this.refuse(series, value, carried[utilLast]);
    if (util > SERIES[S.memoryUtil].max) {
      this.reject(
        'range',
        this.uuids[this.slot],
        'memory_util',
        `${used} MiB used of ${carried[carriedAt + C.fbTotal]}`,
      );
      return;
    }
    if (derivedAgain) {
      pane[paneAt + P.memoryUtil] = carried[carriedAt + C.memoryUtilN];
      pane[paneAt + P.memoryUtil + 1] = carried[carriedAt + C.memoryUtilMean];
      pane[paneAt + P.memoryUtil + 2] = carried[carriedAt + C.memoryUtilM2];
    } else {
      if (this.result === 0) this.admit();
      carried[carriedAt + C.memoryUtilN] = pane[paneAt + P.memoryUtil];
      carried[carriedAt + C.memoryUtilMean] = pane[paneAt + P.memoryUtil + 1];
      carried[carriedAt + C.memoryUtilM2] = pane[paneAt + P.memoryUtil + 2];
      carried[carriedAt + C.memoryUtilDerivedMs] = ms;
      carried[utilLast] = ms;
    }
    addToMoments(pane, paneAt + P.memoryUtil, util);
  }

  /** A reading that order refuses: counted once a metric and sample. */
  private refuse(series: number, value: number, lastMs: number): void {
    const { metric, name } = SERIES[series];
    const reason: ReadingReason = this.ms === lastMs ? 'duplicate' : 'late';
    if (reason === 'late') (this.late ??= {})[name] = value;
    const reported = series === S.fbUsed ? 'memory_util' : metric;
    const key = reason + reported;
    if (key === this.refusedMetric) return;
    this.refusedMetric = key;
    this.reject(reason, this.uuids[this.slot], reported, this.why(reason, lastMs));
  }

  private why(reason: ReadingReason, lastMs: number): string {
    const at = isoTime(this.ms);
    if (reason === 'duplicate') return `a second reading at ${at}`;
    if (lastMs > this.ms) return `${at} is before the last accepted reading at ${isoTime(lastMs)}`;
    const { carried, carriedAt } = this.target;
    return `${at} is in a closed hour; the newest accepted reading is of ${isoTime(carried[carriedAt + C.newestMs])}`;
  }
}
