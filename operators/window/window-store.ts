import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { ReadingReason, RejectReading } from '../../schema/outcome.js';
import { isoTime } from '../../schema/records.js';
import { foldDay, foldWindow, paneWidth } from './aggregate.js';
import { AssetFacts, toMetadata } from './asset-facts.js';
import { computeBaseline } from './baseline.js';
import { BatchPlan, Op } from './batch-plan.js';
import { Chunk } from './chunk.js';
import { EventTimes } from './event-times.js';
import { FeatureRow } from './feature-row.js';
import { FinalHours } from './final-hours.js';
import { addToLevel, foldReading, recountEarlyXid } from './fold.js';
import { newestInputMs, takeInput, utilisation } from './framebuffer.js';
import { C, CLOSED, H, METADATA, OPEN, PAIR, lastMsOf, settle, GpuCursor } from './gpu-record.js';
import { NvlinkBaselines } from './nvlink.js';
import { clearOpenPane, openPane } from './open-pane.js';
import { O, P, type PaneSet } from './pane-layout.js';
import { paneAggregates } from './pane-record.js';
import { PlainRows } from './plain-rows.js';
import { REMEMBERED_HOURS, Remembered } from './remembered.js';
import { WINDOW_HOURS } from './ring.js';
import type { SlotState, WindowParts } from './snapshot.js';
import { ACCEPTED, LATE, MAX_ROWS, PANE_CLOSED, type RowResults, type WindowOptions, type Windows } from './window.js';

export interface WindowStoreOptions extends WindowOptions {
  /** v1 keeps the 27 features and what health reads; v2, the default, everything. */
  readonly featureSet?: PaneSet;
  /** Hours of a window, 168: for the benchmark that shows what a longer one costs. */
  readonly windowHours?: number;
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
  private readonly hours: number;
  private readonly chunks: Chunk[] = [];
  private readonly chunkSlots: number;
  private readonly shift: number;
  private readonly uuids: (string | undefined)[] = [];
  private readonly slots = new Map<string, number>();
  private readonly freeSlots: number[] = [];
  /** By slot: the one that was asked for after it, and the one asked for last. */
  private readonly next: number[] = [0];
  private lastSlot = 0;
  private readonly nvlink: NvlinkBaselines;
  private readonly facts: AssetFacts;
  private readonly remembered: Remembered;
  /** Newest hour of any GPU: the store's time. When silent GPUs were last looked for. */
  private hour = NEVER;
  private searchedHour = NEVER;
  private readonly eventTimes: EventTimes;
  private readonly final = new FinalHours();
  private readonly row: FeatureRow;
  private readonly plain: PlainRows;
  /** The open pane that closes, as a vector. */
  private readonly pane: Float64Array;

  // The batch at hand, and the sample at hand.
  private batch: SampleBatch | undefined;
  private plan: BatchPlan | undefined;
  /** The GPU at hand: its records, settled, and where the rest of it lies. */
  private readonly gpu = new GpuCursor();
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
    this.hours = options.windowHours ?? WINDOW_HOURS;
    this.gapMs = options.gapMs;
    this.chunkSlots = options.chunkSlots ?? DEFAULT_CHUNK_SLOTS;
    this.shift = Math.log2(this.chunkSlots);
    if (!Number.isInteger(this.shift)) throw new Error('chunkSlots must be a power of two');
    this.facts = new AssetFacts(options.asset);
    this.nvlink = new NvlinkBaselines(this.set);
    this.remembered = new Remembered(this.facts, this.nvlink, this.set);
    this.eventTimes = new EventTimes(options.gapMs);
    this.row = new FeatureRow(this.set, this.hours);
    this.plain = new PlainRows(MAX_ROWS, options.gapMs, this.v2);
    this.pane = new Float64Array(paneWidth(this.set));
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
    const ofUuids = this.slots.size * UUID_BYTES + 8 * (2 * this.uuids.length + this.freeSlots.length);
    const aside = ofUuids + this.nvlink.bytes + this.remembered.bytes;
    return this.chunks.reduce((sum, chunk) => sum + chunk.bytes, aside);
  }

  slotOf(gpuUuid: string): number {
    const found = this.find(gpuUuid);
    return found >= 0 ? found : this.follow(this.addSlot(gpuUuid));
  }

  private follow(slot: number): number {
    this.next[this.lastSlot] = slot;
    return (this.lastSlot = slot);
  }

  private addSlot(gpuUuid: string): number {
    const slot = this.newSlot(gpuUuid);
    this.remembered.recall(gpuUuid, slot, this.gpu);
    return slot;
  }

  /** Makes a slot of a GPU of which nothing is known, the one at hand. */
  private newSlot(gpuUuid: string): number {
    const slot = this.freeSlots.pop() ?? this.uuids.length;
    this.uuids[slot] = gpuUuid;
    this.next[slot] = 0;
    this.slots.set(gpuUuid, slot);
    if (slot >>> this.shift === this.chunks.length) this.chunks.push(new Chunk(this.chunkSlots, this.set, this.hours));
    this.select(slot);
    this.chunk!.init(this.local);
    this.chunk!.heardHour[this.local] = this.hour;
    return slot;
  }

  find(gpuUuid: string): number {
    // Collectors send GPUs in the same order again and again: comparing with the one expected spares looking it up.
    const expected = this.next[this.lastSlot];
    if (this.uuids[expected] === gpuUuid) return (this.lastSlot = expected);
    const slot = this.slots.get(gpuUuid);
    return slot === undefined ? -1 : this.follow(slot);
  }

  uuidOf(slot: number): string {
    return this.uuids[slot]!;
  }

  freeSilent(): void {
    if (this.hour === this.searchedHour) return;
    this.searchedHour = this.hour;
    this.remembered.expire(this.hour);
    const silent: { slot: number; gpuUuid: string; heardHour: number }[] = [];
    for (let slot = 0; slot < this.uuids.length; slot++) {
      const gpuUuid = this.uuids[slot];
      if (gpuUuid === undefined) continue;
      const { heardHour } = this.chunks[slot >>> this.shift];
      const local = slot & (this.chunkSlots - 1);
      if (heardHour[local] === NEVER) heardHour[local] = this.hour;
      // Heard until an hour after the one in which its own began; a window later nothing of it is left to be asked for.
      if (this.hour - heardHour[local] > this.hours) silent.push({ slot, gpuUuid, heardHour: heardHour[local] });
    }
    // Not by slots, which are others where the state was put back: what follows is to be what would have followed.
    silent.sort((a, b) => a.heardHour - b.heardHour || (a.gpuUuid < b.gpuUuid ? -1 : 1));
    for (const { slot } of silent) this.free(slot);
  }

  newestMs(slot: number): number {
    const { hot, hotWidth } = this.chunks[slot >>> this.shift];
    const ms = hot[(slot & (this.chunkSlots - 1)) * hotWidth + H.newestMs];
    return ms === -Infinity ? NaN : ms;
  }

  firstMs(slot: number): number {
    const { cold, coldWidth } = this.chunks[slot >>> this.shift];
    return cold[(slot & (this.chunkSlots - 1)) * coldWidth + C.firstMs];
  }

  hasMemoryTotal(slot: number): boolean {
    this.select(slot);
    return this.gpu.cold[this.gpu.c + C.fbTotal] > 0;
  }

  accept(batch: SampleBatch, row: number, slot: number, reject: RejectReading): number {
    if (batch !== this.batch) this.useBatch(batch);
    this.select(slot);
    settle(this.gpu);
    const ms = batch.eventTimeMs[row];
    const { hot, h, cold, c } = this.gpu;
    this.ms = ms;
    this.result = 0;
    this.reject = reject;
    this.refusedMetric = '';
    this.late = undefined;
    if (this.lateReadings !== NO_READINGS) this.lateReadings = NO_READINGS;
    const lastMs = hot[h + H.newestMs] > -Infinity ? hot[h + H.newestMs] : newestInputMs(cold, c);
    if (lastMs > -Infinity && ms - lastMs > REMEMBERED_MS) this.forget();
    const closedHour = ms < hot[h + H.openHour] * HOUR_MS;
    for (const column of this.plan!.columns) {
      const value = column.values[row];
      if (value !== value) continue;
      const { series, op } = column;
      if (op === Op.Input) {
        this.takeInput(series, value, closedHour);
        continue;
      }
      const before = op === Op.Nvlink ? this.nvlink.lastMs(slot, series - S.nvlinkFirst) : cold[c + C.lastMs + series];
      if (!(ms > before) || closedHour) {
        this.refuse(series, value, before);
        continue;
      }
      if ((this.result & ACCEPTED) === 0) this.admit();
      if (op === Op.Nvlink) this.takeNvlink(series, value);
      else {
        cold[c + C.lastMs + series] = ms;
        cold[c + C.count + series]++;
        foldReading(column, this.gpu, ms, before, value, this.gapMs, this.v2);
      }
    }
    if ((this.result & ACCEPTED) !== 0 && batch.metadataIndex[row] >= 0)
      this.facts.take(cold, c + METADATA, batch.metadataIndex[row], ms);
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
    plain.fold(batch, plan, from, until, slots, this.chunks, this.shift, results);
    this.reject = reject;
    if (plan.unusual.length > 0 || batch.metadata.length > 0)
      for (let index = 0; index < plain.count; index++) this.finishPlain(plain.rows[index], slots);
    for (let index = 0; index < plain.restCount; index++) {
      const row = plain.rest[index];
      const bits = this.accept(batch, row, slots[batch.gpuIndex[row]], reject);
      results.bits[row - from] = bits;
      if ((bits & LATE) !== 0) onLate(row);
    }
  }

  features(slot: number, asOfMs: number, out: Float64Array, offset: number): void {
    this.select(slot);
    const facts = this.facts.of(slot, this.uuids[slot]!, this.gpu.cold, this.gpu.c + METADATA);
    this.row.compute(this.chunk!, this.local, this.gpu, facts, asOfMs, out, offset);
  }

  metadata(slot: number): SampleMetadata {
    this.select(slot);
    return toMetadata(this.facts.of(slot, this.uuids[slot]!, this.gpu.cold, this.gpu.c + METADATA));
  }

  closeOpenPane(slot: number): void {
    this.select(slot);
    settle(this.gpu);
    const { hot, h } = this.gpu;
    if (hot[h + H.samples] > 0) this.openHour(hot[h + H.openHour] + 1);
  }

  /** What its state is made of, for whoever writes it down and puts it back (snapshot.ts). */
  get parts(): WindowParts {
    const { set, hours, nvlink, facts, eventTimes, remembered, slots, final } = this;
    return {
      set,
      hours,
      nvlink,
      facts,
      eventTimes,
      remembered,
      slots,
      final,
      time: () => [this.hour, this.searchedHour],
      setTime: (hour, searchedHour) => {
        this.hour = hour;
        this.searchedHour = searchedHour;
      },
      add: (gpuUuid) => this.at(this.newSlot(gpuUuid)),
      at: (slot) => this.at(slot),
      reopen: (slot, hour) => {
        this.select(slot);
        this.foldClosed(hour);
      },
    };
  }

  /** The source was read again as far as it was read before: what is folded from now on is new. */
  endRebuild(): void {
    for (const slot of this.final.slots()) {
      const last = this.final.last(slot);
      const { chunk, local, gpu } = this.at(slot);
      const { hot, h, cold, c } = gpu;
      const openHour = hot[h + H.openHour];
      if (openHour > last) continue;
      if (hot[h + H.samples] === 0) {
        // Nothing of these hours is in the source any more.
        hot[h + H.openHour] = last + 1;
        this.foldClosed(last + 1);
        continue;
      }
      // Written at least once, and not committed: the GPU's own readings close them again.
      for (let hour = Math.max(openHour, last - this.hours + 1); hour <= last; hour++) {
        if (chunk.ring.get(P.samples, local, chunk.ring.positionOf(hour)) > 0) cold[c + C.hoursCounted]--;
        chunk.ring.clear(local, hour, hour + 1);
      }
    }
    this.final.clear();
  }

  private at(slot: number): SlotState {
    this.select(slot);
    settle(this.gpu);
    return { slot, chunk: this.chunk!, local: this.local, gpu: this.gpu };
  }

  private free(slot: number): void {
    this.closeOpenPane(slot);
    this.options.onFreed?.(slot);
    this.select(slot);
    const gpuUuid = this.uuids[slot]!;
    this.remembered.keep(gpuUuid, this.chunk!.heardHour[this.local], slot, this.gpu);
    this.facts.free(slot, this.gpu.cold, this.gpu.c + METADATA, true);
    this.nvlink.free(slot);
    this.eventTimes.closed(slot);
    this.final.forget(slot);
    this.slots.delete(gpuUuid);
    this.uuids[slot] = undefined;
    this.freeSlots.push(slot);
  }

  /** Makes the GPU at hand one that was never heard: it was silent for longer than anything is remembered. */
  private forget(): void {
    const { hot, h, cold, c } = this.gpu;
    if (hot[h + H.samples] > 0) this.result |= PANE_CLOSED;
    this.closeOpenPane(this.slot);
    this.final.forget(this.slot);
    this.facts.free(this.slot, cold, c + METADATA, false);
    this.nvlink.free(this.slot);
    this.chunk!.init(this.local);
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
    const { gpu } = this;
    gpu.hot = chunk.hot;
    gpu.h = local * chunk.hotWidth;
    gpu.cold = chunk.cold;
    gpu.c = local * chunk.coldWidth;
  }

  /** The first accepted reading of a sample: closes the open pane if its hour is over, and counts the event time. */
  private admit(): void {
    const { hot, h, cold, c } = this.gpu;
    this.result |= ACCEPTED;
    const hour = Math.floor(this.ms / HOUR_MS);
    if (hour > hot[h + H.openHour]) {
      if (hot[h + H.samples] > 0) this.result |= PANE_CLOSED;
      this.openHour(hour);
      if (hour > this.hour) this.hour = hour;
      this.chunk!.heardHour[this.local] = this.hour;
    }
    const first = cold[c + C.firstMs];
    this.eventTimes.take(this.slot, this.ms, this.gpu, this.chunk!.hotWords);
    if (cold[c + C.firstMs] < first) recountEarlyXid(this.gpu);
  }

  /** Closes the open pane of the GPU at hand, if there is one, and opens a later hour. */
  private openHour(hour: number): void {
    const { ring } = this.chunk!;
    const { local, set, gpu, pane, final } = this;
    const { hot, h, cold, c } = gpu;
    const before = hot[h + H.openHour];
    const recorded = final.size > 0 ? final.last(this.slot) : -Infinity;
    if (hot[h + H.samples] > 0) {
      this.rememberJudged();
      openPane(gpu, this.v2, pane);
      this.options.onPaneClosed?.({
        slot: this.slot,
        hourStartMs: before * HOUR_MS,
        samples: pane[P.samples],
        aggregates: paneAggregates(set, pane, this.gpu, before * HOUR_MS),
      });
      if (!final.has(this.slot, before)) {
        if (before > recorded - this.hours) ring.write(local, before, pane);
        cold[c + C.hoursCounted]++;
      }
      ring.clear(local, Math.max(before, recorded) + 1, hour);
    } else if (before > -Infinity) ring.clear(local, Math.max(before, recorded + 1), hour);
    hot[h + H.openHour] = hour;
    this.eventTimes.closed(this.slot);
    clearOpenPane(gpu, this.v2);
    this.foldClosed(hour);
  }

  /** What an open hour of the GPU at hand needs of the closed panes before it: aggregates and limits. */
  private foldClosed(hour: number): void {
    const { ring, layout } = this.chunk!;
    const { local, set, hours, final } = this;
    const { hot, h, cold, c } = this.gpu;
    // Recorded panes of later hours lie where those of the oldest ones were.
    const oldest = (final.size > 0 ? Math.max(hour, final.last(this.slot)) : hour) - hours + 1;
    foldWindow(set, ring, local, oldest, hour, hour, cold, c + CLOSED);
    if (this.v2) foldDay(ring, local, Math.max(oldest, hour - 23), hour, cold, c + layout.day);
    computeBaseline(set, cold, c + CLOSED, hot, h);
  }

  /** Whether readings of the hour were judged is the same for all of them, so it is noted once. */
  private rememberJudged(): void {
    const { hot, h, cold, c } = this.gpu;
    const note = (limit: number, series: number, judged: number): void => {
      if (hot[h + limit] === hot[h + limit] && cold[c + C.count + series] > 0)
        cold[c + judged] = cold[c + C.lastMs + series];
    };
    note(H.tempLimit, S.gpuTemp, C.tempJudgedMs);
    note(H.powerLimit, S.powerUsage, C.powerJudgedMs);
    if (this.v2) note(H.residualLimit, PAIR, C.residualJudgedMs);
  }

  /** What a plain row holds beside the usual. */
  private finishPlain(row: number, slots: Int32Array): void {
    const batch = this.batch!;
    this.select(slots[batch.gpuIndex[row]]);
    this.ms = batch.eventTimeMs[row];
    this.result = ACCEPTED;
    this.refusedMetric = '';
    for (const column of this.plan!.unusual) {
      const value = column.values[row];
      if (value !== value) continue;
      if (column.op === Op.Nvlink) this.takeNvlink(column.series, value);
      else if (column.op === Op.Input) this.takeInput(column.series, value, false);
      else foldReading(column, this.gpu, this.ms, NaN, value, this.gapMs, this.v2);
    }
    const metadata = batch.metadataIndex[row];
    if (metadata >= 0) this.facts.take(this.gpu.cold, this.gpu.c + METADATA, metadata, this.ms);
  }

  private takeNvlink(series: number, value: number): void {
    const { cold, c } = this.gpu;
    const increment = this.nvlink.take(this.slot, series - S.nvlinkFirst, this.ms, value);
    if (this.v2) cold[c + OPEN + O.nvlinkErrors] += increment;
    if (this.ms > cold[c + C.nvlinkMs] && this.nvlink.counts(this.slot, series - S.nvlinkFirst))
      cold[c + C.nvlinkMs] = this.ms;
  }

  /** A framebuffer input: no reading by itself, but memory_util of its event time follows from it. */
  private takeInput(series: number, value: number, closedHour: boolean): void {
    const { ms, gpu } = this;
    const { hot, h, cold, c } = gpu;
    const utilLast = lastMsOf(gpu, S.memoryUtil);
    const isNew = !closedHour && takeInput(cold, c, series, ms, value);
    if (hot[h + H.newestMs] === -Infinity)
      this.chunk!.heardHour[this.local] = Math.max(this.hour, Math.floor(ms / HOUR_MS));
    if (!isNew) {
      const isReading = series === S.fbUsed && cold[c + C.fbTotalFirstMs] <= ms;
      if (isReading && (closedHour || ms <= utilLast)) this.refuse(series, value, utilLast);
      return;
    }
    if (cold[c + C.lastMs + S.fbUsed] !== ms) return;
    const used = cold[c + C.fbUsed];
    const util = utilisation(cold, c, used, ms);
    if (util !== util) return;
    const derivedAgain = cold[c + C.memoryUtilDerivedMs] === ms;
    // Given by itself at this time: not derived as well.
    if (utilLast === ms && !derivedAgain) return;
    if (utilLast > ms) return this.refuse(series, value, utilLast);
    if (util > SERIES[S.memoryUtil].max) {
      this.reject('range', this.uuids[this.slot]!, 'memory_util', `${used} MiB used of ${cold[c + C.fbTotal]}`);
      return;
    }
    if (derivedAgain)
      for (let index = 0; index < 3; index++) hot[h + H.memoryUtil + index] = cold[c + C.memoryUtilBefore + index];
    else {
      if ((this.result & ACCEPTED) === 0) this.admit();
      for (let index = 0; index < 3; index++) cold[c + C.memoryUtilBefore + index] = hot[h + H.memoryUtil + index];
      cold[c + C.memoryUtilDerivedMs] = ms;
      cold[c + C.lastMs + S.memoryUtil] = ms;
      cold[c + C.count + S.memoryUtil]++;
    }
    addToLevel(hot, h + H.memoryUtil, util);
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
    return `${time} is in a closed hour; the newest accepted reading is of ${isoTime(this.newestMs(this.slot))}`;
  }
}
