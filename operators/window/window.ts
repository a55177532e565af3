import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import type { RejectReading } from '../../schema/outcome.js';
import type { AssetRecord } from '../../schema/records.js';

/** Bits of {@link Windows.accept}'s result. */
export const ACCEPTED = 1;
/** The sample's first accepted reading lies in a later hour than the open pane, which was closed. */
export const PANE_CLOSED = 2;
/** Some reading was late: the sample belongs in the dead-letter topic, its refused readings in `lateReadings`. */
export const LATE = 4;

/** Most rows of one {@link Windows.acceptRows}: their GPUs' records stay in a core's cache. */
export const MAX_ROWS = 64;

/** What came of rows that were folded together. */
export class RowResults {
  /** Bits as of {@link Windows.accept}. */
  readonly bits = new Uint8Array(MAX_ROWS);
  /** The GPU's newest event time before; −Infinity if there was none. */
  readonly beforeMs = new Float64Array(MAX_ROWS);
}

/** A closed hour of a GPU, as gpu.panes carries it: aggregates by name, absent ones null. */
export interface ClosedPane {
  readonly slot: number;
  readonly hourStartMs: number;
  /** Event times with an accepted reading. */
  readonly samples: number;
  /** Aggregates by pane field name. */
  readonly aggregates: Readonly<Record<string, number | null>>;
}

export interface WindowOptions {
  /** Longest step over which state is known, ms (windows.gapMs). */
  readonly gapMs: number;
  /** Asset record of a GPU, if there is one; field by field it goes before what samples say. */
  readonly asset: (gpuUuid: string) => AssetRecord | undefined;
  /** Called with each pane that closes, before the next one opens; the object is only valid during the call. */
  readonly onPaneClosed?: (pane: ClosedPane) => void;
  /** Called with each slot that is given up, while it still is its GPU's: what is indexed by slot is to be forgotten. */
  readonly onFreed?: (slot: number) => void;
}

/**
 * Seven-day sliding windows of many GPUs: 168 hourly panes each. A function of the accepted readings alone; knows no
 * wall clock, no broker, no emission. See docs/features.md for what every number means.
 */
export interface Windows {
  /** Slot of a GPU, made on first sight. */
  slotOf(gpuUuid: string): number;
  /** Slot of a GPU already known, or −1. */
  find(gpuUuid: string): number;
  uuidOf(slot: number): string;
  /** GPUs with a slot. As long as none was freed, they have the first ones. */
  readonly size: number;
  /**
   * Folds one sample of a batch into its GPU's window, reading by reading, in event-time order per metric.
   * @returns bits: ACCEPTED if any reading was, PANE_CLOSED, LATE
   */
  accept(batch: SampleBatch, row: number, slot: number, reject: RejectReading): number;
  /**
   * Folds rows of a batch, no GPU twice among them and at most {@link MAX_ROWS}: the same as `accept` for each, and
   * several times as fast where all is in order.
   * @param slots by index into the batch's GPUs
   * @param onLate called for a sample with late readings while `lateReadings` has them
   * @param results receives what came of row `from + i` at index i
   */
  acceptRows(
    batch: SampleBatch,
    from: number,
    until: number,
    slots: Int32Array,
    reject: RejectReading,
    onLate: (row: number) => void,
    results: RowResults,
  ): void;
  /** Readings refused as late by the last `accept`, by series name. */
  readonly lateReadings: Readonly<Record<string, number>>;
  /** Epoch ms of the newest accepted reading of any metric; NaN before the first. */
  newestMs(slot: number): number;
  /** Epoch ms of the first accepted reading ever; NaN before it. */
  firstMs(slot: number): number;
  /** Whether a reading of used framebuffer would give memory_util: the size of the framebuffer is known. */
  hasMemoryTotal(slot: number): boolean;
  /**
   * Computes all features of FEATURES (schema/features.ts) at a time not before the newest reading.
   * @param out receives FEATURE_COUNT values from `offset` on, NaN for absent
   */
  features(slot: number, asOfMs: number, out: Float64Array, offset: number): void;
  /** Metadata in force: the asset's fields, else those of the newest accepted sample that bore them. */
  metadata(slot: number): SampleMetadata;
  /** Closes the open pane of a GPU without a later reading (drain). */
  closeOpenPane(slot: number): void;
  /**
   * Frees the slots of GPUs that have lain silent for the length of a window, by the newest event time of all; the hour
   * they were last heard in is closed if it is not. What outlives a window is remembered for 400 days. To be called
   * between batches: slots that were asked for before may be another's afterwards.
   */
  freeSilent(): void;
  /** Bytes held, all included. */
  readonly bytes: number;
}
