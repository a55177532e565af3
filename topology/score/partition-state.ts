import { DUE_FEATURES, DUE_PANE, DueTimes, NEEDS_SCORE, type Schedule } from '../../operators/due.js';
import { SAID_BYTES, type Emission } from '../../operators/emission.js';
import { Runs } from '../../operators/window/runs.js';
import {
  ACCEPTED,
  PANE_CLOSED,
  RowResults,
  type ClosedPane,
  type WindowOptions,
  type Windows,
} from '../../operators/window/window.js';
import { WindowSnapshot } from '../../operators/window/snapshot.js';
import type { WindowStore } from '../../operators/window/window-store.js';
import type { SampleBatch } from '../../schema/batch.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import type { RejectReading } from '../../schema/outcome.js';
import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { DueQueue, turnsOf } from './due-queue.js';
import { RowBlock } from './rows.js';

/** Bytes of what is written of a GPU's wait: what it waits for, since when, and its place. */
const WAIT_BYTES = 1 + 2 * 8;

/** Receives what folding a batch brings to light, in the order of the samples. */
export interface FoldSink {
  /** An hour of a GPU was closed. Only valid during the call. */
  pane(windows: Windows, pane: ClosedPane): void;
  /** Features are due for emission; `values` is only valid during the call. */
  features(
    windows: Windows,
    slot: number,
    asOfMs: number,
    newestMs: number,
    paneClosed: boolean,
    values: Float64Array,
  ): void;
  /** A sample had late readings: `windows.lateReadings`. */
  late(windows: Windows, batch: SampleBatch, row: number): void;
}

export interface FoldOptions {
  /** Rebuild state without a word: this was emitted before. */
  readonly muted: boolean;
  /** What is due for the model waits for its turn, and the newest due point stands for those before it. */
  readonly defer: boolean;
  /** So does what is due of a GPU that had its turn less than so long ago by the wall clock; 0: nothing does. */
  readonly restMs: number;
  /** Wall clock, epoch ms. */
  readonly nowMs: number;
}

/**
 * The state of one partition of gpu.samples: its windows, a function of the log alone, and its emission state, which
 * remembers what was last said. Built on assignment, dropped on revocation.
 */
export class PartitionState {
  readonly windows: WindowStore;
  readonly snapshot: WindowSnapshot;
  readonly emission: Emission;
  /** What the model has to look at since the last {@link settle}. */
  readonly rows = new RowBlock();
  private readonly dueTimes: DueTimes;
  private readonly queue = new DueQueue();
  private isQueueSorted = true;
  /** Slots of GPUs that began to wait, wait for more, or had their turn since {@link takeChanged}. */
  private readonly waitChanged = new Set<number>();
  private slots = new Int32Array(1024);
  private readonly scratch = new Float64Array(FEATURE_COUNT);
  private sink: FoldSink | undefined;
  private muted = false;
  private readonly results = new RowResults();
  private readonly runs = new Runs();

  constructor(
    makeWindows: (listeners: Pick<WindowOptions, 'onPaneClosed' | 'onFreed'>) => WindowStore,
    schedule: Schedule,
    emission: Emission,
    private readonly reject: RejectReading,
  ) {
    this.windows = makeWindows({
      onPaneClosed: (pane) => {
        if (!this.muted) this.sink?.pane(this.windows, pane);
      },
      onFreed: (slot) => {
        this.emission.forget(slot);
        this.queue.forget(slot);
        this.waitChanged.delete(slot);
      },
    });
    this.snapshot = new WindowSnapshot(this.windows);
    this.emission = emission;
    this.dueTimes = new DueTimes(schedule);
  }

  /** GPUs that are due for the model and wait for their turn. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Since when the longest of them waits, wall clock (epoch ms); NaN if none does. */
  get waitingSinceMs(): number {
    this.sortQueue();
    return this.queue.oldestMs();
  }

  /**
   * Folds a batch into the windows, sample by sample, and collects in `rows` what the model has to look at.
   * @returns due points that were skipped for newer ones of the same GPU
   */
  fold(batch: SampleBatch, sink: FoldSink, options: FoldOptions): number {
    const { windows, results } = this;
    this.sink = sink;
    this.muted = options.muted;
    if (!options.muted) {
      windows.endRebuild();
      this.sortQueue();
    }
    // Rows that wait for the model name their slots.
    if (this.rows.count === 0) windows.freeSilent();
    const slots = this.slotsOf(batch.gpus);
    const reject = options.muted ? ignoreReading : this.reject;
    const onLate = (row: number): void => {
      if (!options.muted) sink.late(windows, batch, row);
    };
    const runs = this.runs.begin(batch);
    let skipped = 0;
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      windows.acceptRows(batch, from, until, slots, reject, onLate, results);
      for (let row = from; row < until; row++) {
        const bits = results.bits[row - from];
        const nowMs = batch.eventTimeMs[row];
        // Only a GPU's newest sample makes it due: a metric that comes after others of a later time does not.
        if ((bits & ACCEPTED) === 0 || nowMs <= results.beforeMs[row - from]) continue;
        const slot = slots[batch.gpuIndex[row]];
        let due = this.dueTimes.take(slot, results.beforeMs, row - from, batch.eventTimeMs, row);
        if ((bits & PANE_CLOSED) !== 0) due |= DUE_PANE;
        if (due !== 0 && !options.muted) skipped += this.answer(slot, batch.eventTimeMs, row, due, options);
      }
      from = until;
    }
    return skipped;
  }

  /**
   * Gives waiting GPUs their turn, those that waited longest first: their features, as of now, become rows.
   * @param elapsedMs wall-clock time since this was last called; Infinity for all of them
   * @param nowMs wall clock, epoch ms
   * @param most rows that there is room for; whoever has no turn waits on
   */
  serveWaiting(elapsedMs: number, maxStalenessMs: number, nowMs: number, most = Infinity): void {
    const { windows, queue, rows } = this;
    this.sortQueue();
    for (let turns = Math.min(most, turnsOf(queue.length, elapsedMs, maxStalenessMs)); turns > 0; turns--) {
      const slot = queue.head();
      const newestMs = windows.newestMs(slot);
      const row = rows.add(slot, newestMs, newestMs, this.turn(slot, nowMs));
      windows.features(slot, newestMs, rows.values, row * FEATURE_COUNT);
      rows.metadata[row] = windows.metadata(slot);
    }
  }

  /** Closes the open pane of every GPU: readings of its hour that come later are late. */
  closeOpenPanes(sink: FoldSink): void {
    this.sink = sink;
    this.muted = false;
    this.windows.endRebuild();
    for (const [, slot] of this.snapshot.slots) this.windows.closeOpenPane(slot);
  }

  /** The rows were scored and assessed: forgets them. */
  settle(): void {
    this.rows.clear();
  }

  /** Slots of GPUs of which something was said, or whose wait has changed, since this was last asked. */
  takeChanged(): number[] {
    for (const slot of this.emission.takeChanged()) this.waitChanged.add(slot);
    const slots = [...this.waitChanged];
    this.waitChanged.clear();
    return slots;
  }

  /** Writes what was last said of a GPU, and what it waits for. */
  encodeSaid(slot: number, writer: ByteWriter): void {
    this.emission.encode(slot, writer);
    const due = this.queue.dueOf(slot);
    writer.whole8(due);
    writer.float64(due === 0 ? 0 : this.queue.sinceOf(slot));
    writer.float64(due === 0 ? 0 : this.queue.orderOf(slot));
  }

  /** Writes down all of a GPU but its closed panes. */
  encode(slot: number, writer: ByteWriter): void {
    this.encodeSaid(slot, writer);
    this.snapshot.encodeRecord(slot, writer);
  }

  /** Makes a GPU's slot from what {@link encode} wrote. */
  decode(gpuUuid: string, reader: ByteReader): number {
    this.decodeSaid(this.snapshot.slots.size, reader);
    const slot = this.snapshot.decodeRecord(gpuUuid, reader);
    const newestMs = this.windows.newestMs(slot);
    this.dueTimes.restore(slot, gpuUuid, Number.isNaN(newestMs) ? -Infinity : newestMs);
    return slot;
  }

  /** Slot of a GPU, made where there is none. */
  slotOf(gpuUuid: string): number {
    const { windows } = this;
    const found = windows.find(gpuUuid);
    if (found >= 0) return found;
    const slot = windows.slotOf(gpuUuid);
    this.dueTimes.init(slot, gpuUuid);
    return slot;
  }

  /** Takes what was said of a GPU, as a delta has it; nothing where it has no window. */
  applySaid(reader: ByteReader): void {
    const slot = this.windows.find(reader.text());
    if (slot < 0) reader.bytes(SAID_BYTES + WAIT_BYTES);
    else this.decodeSaid(slot, reader);
  }

  /** Writes a GPU's state, the same bytes whatever its slot and however it came there. */
  encodeCanonical(slot: number, writer: ByteWriter): void {
    this.dueTimes.encode(slot, writer);
    this.emission.encode(slot, writer);
    writer.whole8(this.queue.dueOf(slot));
    this.snapshot.encodeCanonical(slot, writer);
  }

  private decodeSaid(slot: number, reader: ByteReader): void {
    this.emission.decode(slot, reader);
    const [due, sinceMs, order] = [reader.whole8(), reader.float64(), reader.float64()];
    this.queue.pull(slot);
    if (due === 0) return;
    this.queue.add(slot, due, sinceMs, order);
    this.isQueueSorted = false;
  }

  /** Those who wait were decoded by their slots, and in the order in which their wait has changed. */
  private sortQueue(): void {
    if (!this.isQueueSorted) this.queue.sort();
    this.isQueueSorted = true;
  }

  /** @returns due points that are passed over */
  private wait(slot: number, due: number, nowMs: number): number {
    const before = this.queue.dueOf(slot);
    const isPassedOver = this.queue.add(slot, due, nowMs);
    if (this.queue.dueOf(slot) !== before) this.waitChanged.add(slot);
    return isPassedOver ? 1 : 0;
  }

  /** @returns what a GPU waited for that has its turn */
  private turn(slot: number, nowMs: number): number {
    const due = this.queue.turn(slot, nowMs);
    if (due !== 0) this.waitChanged.add(slot);
    return due;
  }

  /** Works out what a sample made due. @returns due points it makes stale */
  private answer(slot: number, eventTimeMs: Float64Array, at: number, due: number, options: FoldOptions): number {
    const { windows, rows, scratch } = this;
    const nowMs = eventTimeMs[at];
    const needsScore = (due & NEEDS_SCORE) !== 0;
    const needsFeatures = (due & (DUE_FEATURES | DUE_PANE)) !== 0;
    const defer = options.defer || options.nowMs - this.queue.turnOf(slot) < options.restMs;
    if (needsFeatures || !defer) windows.features(slot, nowMs, scratch, 0);
    if (needsFeatures) this.sink!.features(windows, slot, nowMs, nowMs, (due & DUE_PANE) !== 0, scratch);
    if (!needsScore) return 0;
    if (defer) return this.wait(slot, due, options.nowMs);
    const row = rows.add(slot, nowMs, nowMs, due | this.turn(slot, options.nowMs));
    rows.values.set(scratch, row * FEATURE_COUNT);
    rows.metadata[row] = windows.metadata(slot);
    return 0;
  }

  /** Slots of a batch's GPUs; valid until the next call. */
  private slotsOf(gpus: readonly string[]): Int32Array {
    if (this.slots.length < gpus.length) this.slots = new Int32Array(2 * gpus.length);
    for (let gpu = 0; gpu < gpus.length; gpu++) this.slots[gpu] = this.slotOf(gpus[gpu]);
    return this.slots;
  }
}

/** What is read again to rebuild state was counted when it was read first. */
const ignoreReading: RejectReading = () => undefined;
