import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { ReadingReason, RejectReading } from '../../schema/outcome.js';
import { isoTime } from '../../schema/records.js';
import { foldDay, foldWindow } from './aggregate.js';
import { AssetFacts, toMetadata } from './asset-facts.js';
import { computeBaseline } from './baseline.js';
import { BatchPlan, Op, type PlannedColumn } from './batch-plan.js';
import { C } from './carried.js';
import { Chunk } from './chunk.js';
import { EventTimes, RECENT } from './event-times.js';
import { FeatureRow } from './feature-row.js';
import { addToMoments, foldReading, recountEarlyXid } from './fold.js';
import { BASELINE, METADATA, PANE } from './gpu-record.js';
import { takeInput, utilisation } from './framebuffer.js';
import { NvlinkBaselines } from './nvlink.js';
import { P, type PaneSet } from './pane-layout.js';
import { paneAggregates } from './pane-record.js';
import { WINDOW_HOURS } from './ring.js';
import { REMEMBERED_HOURS, Remembered } from './remembered.js';
import { PlainRows } from './plain-rows.js';
import { ACCEPTED, LATE, MAX_ROWS, PANE_CLOSED, type RowResults, type WindowOptions, type Windows } from './window.js';

export interface WindowStoreOptions extends WindowOptions {
  /** v1 keeps the 27 features and what health reads; v2, the default, everything. */
  readonly featureSet?: PaneSet;
  /** GPUs that memory is taken for at a time, a power of two. */
  readonly chunkSlots?: number;
}

const DEFAULT_CHUNK_SLOTS = 256;
/** Hours fit in 32 bits; this one is before all. */
const NEVER = -(2 ** 31);
const REMEMBERED_MS = REMEMBERED_HOURS * HOUR_MS;
/** A UUID as a string, and its entry in the map: as V8 lays them out, about. */
const UUID_BYTES = 16 + 40 + 40;
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
  private readonly uuids: (string | undefined)[] = [];
  private readonly slots = new Map<string, number>();
  private readonly freeSlots: number[] = [];
  private readonly nvlink: NvlinkBaselines;
  private readonly facts: AssetFacts;
  private readonly remembered: Remembered;
  /** Newest hour of any GPU: the store's time. When silent GPUs were last looked for. */
  private hour = NEVER;
  private searchedHour = NEVER;
  private readonly eventTimes: EventTimes;
  private readonly row: FeatureRow;
  private readonly plain = new PlainRows(MAX_ROWS);

  // The batch at hand, and the sample at hand.
  private batch: SampleBatch | undefined;
  private plan: BatchPlan | undefined;
  private chunk: Chunk | undefined;
  /** The GPU's record (gpu-record.ts) and where it begins. */
  private state: Float64Array = new Float64Array(0);
  private at = 0;
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
    this.nvlink = new NvlinkBaselines(this.set);
    this.remembered = new Remembered(this.facts, this.nvlink);
    this.eventTimes = new EventTimes(options.gapMs);
    this.row = new FeatureRow(this.set);
  }

  get size(): number {
    return this.slots.size;
  }

  /** How many of what grows and shrinks as GPUs come and go: for tests and measurements. */
  get counts(): Readonly<Record<'slots' | 'remembered' | 'rememberedBytes' | 'texts', number>> {
    return {
      slots: this.uuids.length,
      remembered: this.remembered.size,
      rememberedBytes: this.remembered.bytes,
      texts: this.facts.texts,
    };
  }

  get bytes(): number {
    const ofUuids = this.slots.size * UUID_BYTES + 8 * (this.uuids.length + this.freeSlots.length);
    const aside = ofUuids + this.nvlink.bytes + this.remembered.bytes;
    return this.chunks.reduce((sum, chunk) => sum + chunk.bytes, aside);
  }

  slotOf(gpuUuid: string): number {
    const known = this.slots.get(gpuUuid);
    if (known !== undefined) return known;
    const slot = this.freeSlots.pop() ?? this.uuids.length;
    this.uuids[slot] = gpuUuid;
    this.slots.set(gpuUuid, slot);
    if (slot >>> this.shift === this.chunks.length) this.chunks.push(new Chunk(this.chunkSlots, this.set));
    this.select(slot);
    this.chunk!.init(this.local);
    this.chunk!.heardHour[this.local] = this.hour;
    this.remembered.recall(gpuUuid, slot, this.state, this.at);
    return slot;
  }

  find(gpuUuid: string): number {
    return this.slots.get(gpuUuid) ?? -1;
  }

  uuidOf(slot: number): string {
    return this.uuids[slot]!;
  }

  freeSilent(): void {
    if (this.hour === this.searchedHour) return;
    this.searchedHour = this.hour;
    this.remembered.expire(this.hour);
    for (let slot = 0; slot < this.uuids.length; slot++) {
      if (this.uuids[slot] === undefined) continue;
      const { heardHour } = this.chunks[slot >>> this.shift];
      const local = slot & (this.chunkSlots - 1);
      if (heardHour[local] === NEVER) heardHour[local] = this.hour;
      // Heard until an hour after the one in which its own began; a window later nothing of it is left to be asked for.
      if (this.hour - heardHour[local] > WINDOW_HOURS) this.free(slot);
    }
  }

  newestMs(slot: number): number {
    const ms = this.carried(slot, C.newestMs);
    return ms === -Infinity ? NaN : ms;
  }

  firstMs(slot: number): number {
    return this.carried(slot, C.firstMs);
  }

  hasMemoryTotal(slot: number): boolean {
    return this.carried(slot, C.fbTotal) > 0;
  }

  accept(batch: SampleBatch, row: number, slot: number, reject: RejectReading): number {
    if (batch !== this.batch) this.useBatch(batch);
    this.select(slot);
    const ms = batch.eventTimeMs[row];
    const { state, at } = this;
    this.ms = ms;
    this.result = 0;
    this.reject = reject;
    this.refusedMetric = '';
    this.late = undefined;
    if (this.lateReadings !== NO_READINGS) this.lateReadings = NO_READINGS;
    if (ms - state[at + C.newestMs] > REMEMBERED_MS && state[at + C.newestMs] > -Infinity) this.forget();
    const closedHour = ms < state[at + C.openHour] * HOUR_MS;
    for (const column of this.plan!.columns) {
      const value = column.values[row];
      if (value !== value) continue;
      const { series, op } = column;
      if (op === Op.Input) {
        this.takeInput(series, value, closedHour);
        continue;
      }
      const last = at + C.lastMs + series;
      const before = op === Op.Nvlink ? this.nvlink.lastMs(slot, series - S.nvlinkFirst) : state[last];
      if (!(ms > before) || closedHour) {
        this.refuse(series, value, before);
        continue;
      }
      if ((this.result & ACCEPTED) === 0) this.admit();
      if (op === Op.Nvlink) this.takeNvlink(series, value);
      else {
        state[last] = ms;
        foldReading(column, state, at, ms, before, value, this.gapMs, this.v2);
      }
    }
    if ((this.result & ACCEPTED) !== 0 && batch.metadataIndex[row] >= 0)
      this.facts.take(state, at + METADATA, batch.metadataIndex[row], ms);
    if (this.late !== undefined) {
      this.lateReadings = this.late;
      this.result |= LATE;
    }
    return this.result;
  }

  acceptRows(
    batch: SampleBatch,
    from: number,
    until: number,
    slots: Int32Array,
    reject: RejectReading,
    onLate: (row: number) => void,
    results: RowResults,
  ): void {
    if (batch !== this.batch) this.useBatch(batch);
    const { plain } = this;
    const plan = this.plan!;
    plain.count = 0;
    for (let row = from; row < until; row++) {
      const slot = slots[batch.gpuIndex[row]];
      const ms = batch.eventTimeMs[row];
      const chunk = this.chunks[slot >>> this.shift];
      const local = slot & (this.chunkSlots - 1);
      const { state } = chunk;
      const at = local * chunk.layout.width;
      const newest = state[at + C.newestMs];
      results.beforeMs[row - from] = newest;
      const isPlain =
        ms > newest && ms < (state[at + C.openHour] + 1) * HOUR_MS && (!plan.hasInputs || plan.hasReading(row));
      if (!isPlain) {
        results.bits[row - from] = this.accept(batch, row, slot, reject);
        if ((results.bits[row - from] & LATE) !== 0) onLate(row);
        continue;
      }
      this.eventTimes.take(slot, ms, state, at + PANE, state, at, chunk.recent, local * RECENT);
      plain.add(row, slot, ms, state, at);
      results.bits[row - from] = ACCEPTED;
    }
    if (plain.count === 0) return;
    this.reject = reject;
    for (const column of plan.columns)
      if (column.op === Op.Input || column.op === Op.Nvlink) this.foldByGpu(column);
      else plain.fold(column, this.gapMs, this.v2);
    for (let index = 0; index < plain.count; index++) {
      const metadata = batch.metadataIndex[plain.rows[index]];
      if (metadata >= 0) this.facts.take(plain.states[index], plain.at[index] + METADATA, metadata, plain.ms[index]);
    }
  }

  features(slot: number, asOfMs: number, out: Float64Array, offset: number): void {
    this.select(slot);
    const chunk = this.chunk!;
    const facts = this.facts.of(slot, this.uuids[slot]!, this.state, this.at + METADATA);
    this.row.compute(chunk, this.local, facts, asOfMs, out, offset);
  }

  metadata(slot: number): SampleMetadata {
    this.select(slot);
    return toMetadata(this.facts.of(slot, this.uuids[slot]!, this.state, this.at + METADATA));
  }

  closeOpenPane(slot: number): void {
    this.select(slot);
    const { state, at } = this;
    if (state[at + PANE + P.samples] > 0) this.openHour(state[at + C.openHour] + 1);
  }

  private free(slot: number): void {
    this.closeOpenPane(slot);
    this.options.onFreed?.(slot);
    const { state, at } = this;
    const gpuUuid = this.uuids[slot]!;
    this.remembered.keep(gpuUuid, this.chunk!.heardHour[this.local], slot, state, at);
    this.facts.free(slot, state, at + METADATA, true);
    this.nvlink.free(slot);
    this.eventTimes.closed(slot);
    this.slots.delete(gpuUuid);
    this.uuids[slot] = undefined;
    this.freeSlots.push(slot);
  }

  /** Makes the GPU at hand one that was never heard: it was silent for longer than anything is remembered. */
  private forget(): void {
    const { slot, state, at } = this;
    if (state[at + PANE + P.samples] > 0) this.result |= PANE_CLOSED;
    this.closeOpenPane(slot);
    this.facts.free(slot, state, at + METADATA, false);
    this.nvlink.free(slot);
    this.chunk!.init(this.local);
  }

  private carried(slot: number, index: number): number {
    const { state, layout } = this.chunks[slot >>> this.shift];
    return state[(slot & (this.chunkSlots - 1)) * layout.width + index];
  }

  private useBatch(batch: SampleBatch): void {
    this.batch = batch;
    this.plan = new BatchPlan(batch, this.set);
    this.facts.useBatch(batch);
  }

  private select(slot: number): void {
    const chunk = this.chunks[slot >>> this.shift];
    const local = slot & (this.chunkSlots - 1);
    this.chunk = chunk;
    this.slot = slot;
    this.local = local;
    this.state = chunk.state;
    this.at = local * chunk.layout.width;
  }

  /** The first accepted reading of a sample: closes the open pane if its hour is over, and counts the event time. */
  private admit(): void {
    const { state, at } = this;
    this.result |= ACCEPTED;
    const hour = Math.floor(this.ms / HOUR_MS);
    if (hour > state[at + C.openHour]) {
      if (state[at + PANE + P.samples] > 0) this.result |= PANE_CLOSED;
      this.openHour(hour);
      if (hour > this.hour) this.hour = hour;
      this.chunk!.heardHour[this.local] = this.hour;
    }
    const first = state[at + C.firstMs];
    this.eventTimes.take(this.slot, this.ms, state, at + PANE, state, at, this.chunk!.recent, this.local * RECENT);
    if (state[at + C.firstMs] < first) recountEarlyXid(state, at);
  }

  /** Closes the open pane, if there is one, and opens a later hour. */
  private openHour(hour: number): void {
    const { ring, layout } = this.chunk!;
    const { local, set, state, at } = this;
    const before = state[at + C.openHour];
    if (state[at + PANE + P.samples] > 0) {
      this.options.onPaneClosed?.({
        slot: this.slot,
        hourStartMs: before * HOUR_MS,
        samples: state[at + PANE + P.samples],
        aggregates: paneAggregates(set, state, at + PANE, state, at, before * HOUR_MS),
      });
      ring.write(local, before, state, at + PANE);
      state[at + C.hoursCounted]++;
      ring.clear(local, before + 1, hour);
    } else if (before > -Infinity) ring.clear(local, before, hour);
    state[at + C.openHour] = hour;
    this.eventTimes.closed(this.slot);
    this.chunk!.clearPane(at);
    foldWindow(set, ring, local, hour - WINDOW_HOURS + 1, hour, hour, state, at + layout.closed);
    if (this.v2) foldDay(ring, local, hour - 23, hour, state, at + layout.day);
    computeBaseline(set, state, at + layout.closed, state, at + BASELINE);
  }

  /** Folds a column of plain rows whose readings need more than their GPU's record. */
  private foldByGpu({ op, series, values }: PlannedColumn): void {
    const { plain } = this;
    for (let index = 0; index < plain.count; index++) {
      const value = values[plain.rows[index]];
      if (value !== value) continue;
      this.select(plain.slots[index]);
      this.ms = plain.ms[index];
      this.result = ACCEPTED;
      this.refusedMetric = '';
      if (op === Op.Nvlink) this.takeNvlink(series, value);
      else this.takeInput(series, value, false);
    }
  }

  private takeNvlink(series: number, value: number): void {
    const { state, at, ms } = this;
    const increment = this.nvlink.take(this.slot, series - S.nvlinkFirst, ms, value);
    if (this.v2) state[at + PANE + P.nvlinkErrors] += increment;
    if (ms > state[at + C.nvlinkMs]) state[at + C.nvlinkMs] = ms;
  }

  /** A framebuffer input: no reading by itself, but memory_util of its event time follows from it. */
  private takeInput(series: number, value: number, closedHour: boolean): void {
    const { ms, state, at } = this;
    const utilLast = at + C.lastMs + S.memoryUtil;
    const isNew = !closedHour && takeInput(state, at, series, ms, value);
    if (!isNew) {
      const isReading = series === S.fbUsed && state[at + C.fbTotalFirstMs] <= ms;
      if (isReading && (closedHour || ms <= state[utilLast])) this.refuse(series, value, state[utilLast]);
      return;
    }
    if (state[at + C.lastMs + S.fbUsed] !== ms) return;
    const used = state[at + C.fbUsed];
    const util = utilisation(state, at, used, ms);
    if (util !== util) return;
    const derivedAgain = state[at + C.memoryUtilDerivedMs] === ms;
    // Given by itself at this time: not derived as well.
    if (state[utilLast] === ms && !derivedAgain) return;
    if (state[utilLast] > ms) return this.refuse(series, value, state[utilLast]);
    if (util > SERIES[S.memoryUtil].max) {
      this.reject('range', this.uuids[this.slot]!, 'memory_util', `${used} MiB used of ${state[at + C.fbTotal]}`);
      return;
    }
    if (derivedAgain) {
      state[at + PANE + P.memoryUtil] = state[at + C.memoryUtilN];
      state[at + PANE + P.memoryUtil + 1] = state[at + C.memoryUtilMean];
      state[at + PANE + P.memoryUtil + 2] = state[at + C.memoryUtilM2];
    } else {
      if ((this.result & ACCEPTED) === 0) this.admit();
      state[at + C.memoryUtilN] = state[at + PANE + P.memoryUtil];
      state[at + C.memoryUtilMean] = state[at + PANE + P.memoryUtil + 1];
      state[at + C.memoryUtilM2] = state[at + PANE + P.memoryUtil + 2];
      state[at + C.memoryUtilDerivedMs] = ms;
      state[utilLast] = ms;
    }
    addToMoments(state, at + PANE + P.memoryUtil, util);
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
    this.reject(reason, this.uuids[this.slot]!, reported, this.why(reason, lastMs));
  }

  private why(reason: ReadingReason, lastMs: number): string {
    const time = isoTime(this.ms);
    if (reason === 'duplicate') return `a second reading at ${time}`;
    if (lastMs > this.ms) return `${time} is before the last accepted reading at ${isoTime(lastMs)}`;
    const { state, at } = this;
    return `${time} is in a closed hour; the newest accepted reading is of ${isoTime(state[at + C.newestMs])}`;
  }
}
