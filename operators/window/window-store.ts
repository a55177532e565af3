import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { RejectReading } from '../../schema/outcome.js';
import { AssetFacts, toMetadata } from './asset-facts.js';
import { AtHand, type SlotState } from './at-hand.js';
import { BatchPlan, Op } from './batch-plan.js';
import { Chunk } from './chunk.js';
import { EventTimes } from './event-times.js';
import { FeatureRow } from './feature-row.js';
import { FinalHours } from './final-hours.js';
import { addToLevel, foldReading, recountEarlyXid } from './fold.js';
import { newestInputMs, takeInput, utilisation } from './framebuffer.js';
import { C, H, METADATA, OPEN, lastMsOf, settle } from './gpu-record.js';
import { GpuSlots } from './gpu-slots.js';
import { HourClosing } from './hour-closing.js';
import { NvlinkBaselines } from './nvlink.js';
import { O, P, type PaneSet } from './pane-layout.js';
import { PlainRows } from './plain-rows.js';
import { Refusals } from './refusals.js';
import { REMEMBERED_HOURS, Remembered } from './remembered.js';
import { WINDOW_HOURS } from './ring.js';
import type { WindowParts } from './snapshot.js';
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

/** Sliding windows of many GPUs in typed arrays; see docs/features.md for what the numbers mean. */
export class WindowStore implements Windows {
  private readonly set: PaneSet;
  private readonly v2: boolean;
  private readonly gapMs: number;
  private readonly hours: number;
  private readonly chunks: Chunk[] = [];
  private readonly chunkSlots: number;
  private readonly shift: number;
  private readonly slots = new GpuSlots();
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
  private readonly closing: HourClosing;

  // The batch at hand, and the sample at hand.
  private batch: SampleBatch | undefined;
  private plan: BatchPlan | undefined;
  /** The GPU at hand, and its records, which are settled where they are asked for. */
  private readonly hand = new AtHand();
  private readonly gpu = this.hand.gpu;
  private ms = 0;
  private result = 0;
  private readonly refusals = new Refusals();
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
    this.closing = new HourClosing(this.set, this.hours, this.final, this.eventTimes, options.onPaneClosed);
  }

  get size(): number {
    return this.slots.size;
  }

  /** How many of what grows and shrinks as GPUs come and go: for tests and measurements. */
  get counts(): Readonly<Record<'slots' | 'remembered' | 'rememberedBytes' | 'texts', number>> {
    return {
      slots: this.slots.length,
      remembered: this.remembered.size,
      rememberedBytes: this.remembered.bytes,
      texts: this.facts.texts,
    };
  }

  get bytes(): number {
    const aside = this.slots.bytes + this.nvlink.bytes + this.remembered.bytes;
    return this.chunks.reduce((sum, chunk) => sum + chunk.bytes, aside);
  }

  slotOf(gpuUuid: string): number {
    const found = this.find(gpuUuid);
    return found >= 0 ? found : this.slots.follow(this.addSlot(gpuUuid));
  }

  private addSlot(gpuUuid: string): number {
    const slot = this.newSlot(gpuUuid);
    this.remembered.recall(gpuUuid, slot, this.gpu);
    return slot;
  }

  /** Makes a slot of a GPU of which nothing is known, the one at hand. */
  private newSlot(gpuUuid: string): number {
    const slot = this.slots.add(gpuUuid);
    if (slot >>> this.shift === this.chunks.length) this.chunks.push(new Chunk(this.chunkSlots, this.set, this.hours));
    this.select(slot);
    this.hand.chunk.init(this.hand.local);
    this.hand.chunk.heardHour[this.hand.local] = this.hour;
    return slot;
  }

  find(gpuUuid: string): number {
    return this.slots.find(gpuUuid);
  }

  uuidOf(slot: number): string {
    return this.slots.uuidOf(slot);
  }

  get lateReadings(): Readonly<Record<string, number>> {
    return this.refusals.lateReadings;
  }

  freeSilent(): void {
    if (this.hour === this.searchedHour) return;
    this.searchedHour = this.hour;
    this.remembered.expire(this.hour);
    const silent: { slot: number; gpuUuid: string; heardHour: number }[] = [];
    for (const [gpuUuid, slot] of this.slots.all) {
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
    this.refusals.begin();
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
    if (this.refusals.anyLate) this.result |= LATE;
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
    const facts = this.facts.of(slot, this.slots.uuidOf(slot), this.gpu.cold, this.gpu.c + METADATA);
    this.row.compute(this.hand.chunk, this.hand.local, this.gpu, facts, asOfMs, out, offset);
  }

  metadata(slot: number): SampleMetadata {
    this.select(slot);
    return toMetadata(this.facts.of(slot, this.slots.uuidOf(slot), this.gpu.cold, this.gpu.c + METADATA));
  }

  closeOpenPane(slot: number): void {
    this.select(slot);
    settle(this.gpu);
    const { hot, h } = this.gpu;
    if (hot[h + H.samples] > 0) this.closing.open(this.hand, hot[h + H.openHour] + 1);
  }

  /** What its state is made of, for whoever writes it down and puts it back (snapshot.ts). */
  get parts(): WindowParts {
    const { set, hours, nvlink, facts, eventTimes, remembered, final } = this;
    return {
      set,
      hours,
      nvlink,
      facts,
      eventTimes,
      remembered,
      slots: this.slots.all,
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
        this.closing.fold(this.hand, hour);
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
        this.closing.fold(this.hand, last + 1);
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
    return this.hand;
  }

  private free(slot: number): void {
    this.closeOpenPane(slot);
    this.options.onFreed?.(slot);
    this.select(slot);
    this.remembered.keep(this.slots.uuidOf(slot), this.hand.chunk.heardHour[this.hand.local], slot, this.gpu);
    this.facts.free(slot, this.gpu.cold, this.gpu.c + METADATA, true);
    this.nvlink.free(slot);
    this.eventTimes.closed(slot);
    this.final.forget(slot);
    this.slots.free(slot);
  }

  /** Makes the GPU at hand one that was never heard: it was silent for longer than anything is remembered. */
  private forget(): void {
    const { hot, h, cold, c } = this.gpu;
    if (hot[h + H.samples] > 0) this.result |= PANE_CLOSED;
    this.closeOpenPane(this.hand.slot);
    this.final.forget(this.hand.slot);
    this.facts.free(this.hand.slot, cold, c + METADATA, false);
    this.nvlink.free(this.hand.slot);
    this.hand.chunk.init(this.hand.local);
  }

  private useBatch(batch: SampleBatch): void {
    this.batch = batch;
    this.plan = new BatchPlan(batch, this.set);
    this.facts.useBatch(batch);
  }

  private select(slot: number): void {
    this.hand.take(slot, this.chunks[slot >>> this.shift], slot & (this.chunkSlots - 1));
  }

  /** The first accepted reading of a sample: closes the open pane if its hour is over, and counts the event time. */
  private admit(): void {
    const { hot, h, cold, c } = this.gpu;
    this.result |= ACCEPTED;
    const hour = Math.floor(this.ms / HOUR_MS);
    if (hour > hot[h + H.openHour]) {
      if (hot[h + H.samples] > 0) this.result |= PANE_CLOSED;
      this.closing.open(this.hand, hour);
      if (hour > this.hour) this.hour = hour;
      this.hand.chunk.heardHour[this.hand.local] = this.hour;
    }
    const first = cold[c + C.firstMs];
    this.eventTimes.take(this.hand.slot, this.ms, this.gpu, this.hand.chunk.hotWords);
    if (cold[c + C.firstMs] < first) recountEarlyXid(this.gpu);
  }

  /** What a plain row holds beside the usual. */
  private finishPlain(row: number, slots: Int32Array): void {
    const batch = this.batch!;
    this.select(slots[batch.gpuIndex[row]]);
    this.ms = batch.eventTimeMs[row];
    this.result = ACCEPTED;
    this.refusals.begin();
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
    const increment = this.nvlink.take(this.hand.slot, series - S.nvlinkFirst, this.ms, value);
    if (this.v2) cold[c + OPEN + O.nvlinkErrors] += increment;
    if (this.ms > cold[c + C.nvlinkMs] && this.nvlink.counts(this.hand.slot, series - S.nvlinkFirst))
      cold[c + C.nvlinkMs] = this.ms;
  }

  /** A framebuffer input: no reading by itself, but memory_util of its event time follows from it. */
  private takeInput(series: number, value: number, closedHour: boolean): void {
    const { ms, gpu } = this;
    const { hot, h, cold, c } = gpu;
    const utilLast = lastMsOf(gpu, S.memoryUtil);
    const isNew = !closedHour && takeInput(cold, c, series, ms, value);
    if (hot[h + H.newestMs] === -Infinity)
      this.hand.chunk.heardHour[this.hand.local] = Math.max(this.hour, Math.floor(ms / HOUR_MS));
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
      this.reject(
        'range',
        this.slots.uuidOf(this.hand.slot),
        'memory_util',
        `${used} MiB used of ${cold[c + C.fbTotal]}`,
      );
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

  private refuse(series: number, value: number, lastMs: number): void {
    const { ms } = this;
    const { slot } = this.hand;
    this.refusals.refuse(this.slots.uuidOf(slot), series, value, ms, lastMs, this.newestMs(slot), this.reject);
  }
}
