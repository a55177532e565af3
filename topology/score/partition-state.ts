import { DUE_FEATURES, DUE_PANE, NEEDS_SCORE, dueBits, heartbeatOffsetMs, type Schedule } from '../../operators/due.js';
import { Emission } from '../../operators/emission.js';
import { Runs } from '../../operators/window/runs.js';
import {
  ACCEPTED,
  PANE_CLOSED,
  RowResults,
  type ClosedPane,
  type WindowOptions,
  type Windows,
} from '../../operators/window/window.js';
import type { SampleBatch } from '../../schema/batch.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import type { RejectReading } from '../../schema/outcome.js';
import { RowBlock } from './rows.js';

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
  /** Only the newest due point of a GPU is worth the model's time. */
  readonly skipStale: boolean;
}

/**
 * The state of one partition of gpu.samples: its windows, a function of the log alone, and its emission state, which
 * remembers what was last said. Built on assignment, dropped on revocation.
 */
export class PartitionState {
  readonly windows: Windows;
  readonly emission: Emission;
  /** What the model has to look at since the last {@link settle}. */
  readonly rows = new RowBlock();
  private readonly heartbeatOffsets: number[] = [];
  /** Per slot: its row in the block being filled, −1 for none. */
  private rowOfSlot = new Int32Array(64).fill(-1);
  private readonly scratch = new Float64Array(FEATURE_COUNT);
  private sink: FoldSink | undefined;
  private muted = false;
  private readonly results = new RowResults();

  constructor(
    makeWindows: (listeners: Pick<WindowOptions, 'onPaneClosed' | 'onFreed'>) => Windows,
    private readonly schedule: Schedule,
    emission: Emission,
    private readonly reject: RejectReading,
  ) {
    this.windows = makeWindows({
      onPaneClosed: (pane) => {
        if (!this.muted) this.sink?.pane(this.windows, pane);
      },
      onFreed: (slot) => {
        this.emission.forget(slot);
        this.heartbeatOffsets[slot] = NaN;
      },
    });
    this.emission = emission;
  }

  /**
   * Folds a batch into the windows, sample by sample, and collects in `rows` what the model has to look at.
   * @returns due points that were skipped for newer ones of the same GPU in this block
   */
  fold(batch: SampleBatch, sink: FoldSink, options: FoldOptions): number {
    const { windows } = this;
    this.sink = sink;
    this.muted = options.muted;
    // Rows that wait for the model name their slots.
    if (this.rows.count === 0) windows.freeSilent();
    const slots = Int32Array.from(batch.gpus, (uuid) => this.slotOf(uuid));
    const reject = options.muted ? ignoreReading : this.reject;
    const onLate = (row: number): void => {
      if (!options.muted) sink.late(windows, batch, row);
    };
    const { results } = this;
    const runs = new Runs(batch);
    let skipped = 0;
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      windows.acceptRows(batch, from, until, slots, reject, onLate, results);
      if (!options.muted)
        for (let row = from; row < until; row++) {
          const bits = results.bits[row - from];
          if ((bits & ACCEPTED) !== 0)
            skipped += this.accepted(slots[batch.gpuIndex[row]], bits, results.beforeMs[row - from], options.skipStale);
        }
      from = until;
    }
    return skipped;
  }

  /** Works out what a sample with accepted readings makes due. @returns due points it makes stale */
  private accepted(slot: number, bits: number, beforeMs: number, skipStale: boolean): number {
    const { windows } = this;
    const now = windows.newestMs(slot);
    if (now === beforeMs) return 0;
    const due =
      dueBits(beforeMs, now, this.schedule, this.heartbeatOffsets[slot]) | ((bits & PANE_CLOSED) !== 0 ? DUE_PANE : 0);
    if (due === 0) return 0;
    windows.features(slot, now, this.scratch, 0);
    if ((due & (DUE_FEATURES | DUE_PANE)) !== 0)
      this.sink!.features(windows, slot, now, now, (due & DUE_PANE) !== 0, this.scratch);
    return (due & NEEDS_SCORE) !== 0 ? this.queue(slot, now, due, skipStale) : 0;
  }

  /** The rows were scored and assessed: forgets them. */
  settle(): void {
    for (let row = 0; row < this.rows.count; row++) this.rowOfSlot[this.rows.slot[row]] = -1;
    this.rows.clear();
  }

  private queue(slot: number, nowMs: number, due: number, skipStale: boolean): number {
    const { rows } = this;
    const stale = this.rowOfSlot[slot];
    let row: number;
    if (skipStale && stale >= 0) {
      // What the stale point was due for is still due: the newest one answers for it.
      rows.set(stale, slot, nowMs, nowMs, due | rows.due[stale]);
      row = stale;
    } else {
      row = rows.add(slot, nowMs, nowMs, due);
      this.rowOfSlot[slot] = row;
    }
    rows.values.set(this.scratch, row * FEATURE_COUNT);
    return row === stale ? 1 : 0;
  }

  private slotOf(gpuUuid: string): number {
    const slot = this.windows.slotOf(gpuUuid);
    if (!(this.heartbeatOffsets[slot] >= 0))
      this.heartbeatOffsets[slot] = heartbeatOffsetMs(gpuUuid, this.schedule.heartbeatMs);
    if (slot >= this.rowOfSlot.length) {
      const larger = new Int32Array(Math.max(slot + 1, this.rowOfSlot.length * 2)).fill(-1);
      larger.set(this.rowOfSlot);
      this.rowOfSlot = larger;
    }
    return slot;
  }
}

/** What is read again to rebuild state was counted when it was read first. */
const ignoreReading: RejectReading = () => undefined;
