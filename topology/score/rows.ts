import type { SampleMetadata } from '../../schema/batch.js';
import { FEATURE_COUNT, type FeatureRows } from '../../schema/features.js';

/** What a row takes until the model has seen it, and what may be said of it then. */
export const ROW_BYTES = 8 * FEATURE_COUNT + 1_024;

/**
 * Rows of features on their way to the model, with what made each of them due. Reused from block to block: nothing
 * is allocated for a row.
 */
export class RowBlock implements FeatureRows {
  count = 0;
  slot: Int32Array;
  asOfMs: Float64Array;
  newestMs: Float64Array;
  values: Float64Array;
  /** Per row: bits of operators/due.ts. */
  due: Uint8Array;
  /** Per row: metadata at the row's time, for the caller to set; the GPU's may change before the row is judged. */
  readonly metadata: SampleMetadata[] = [];

  constructor(private capacity = 1024) {
    this.slot = new Int32Array(capacity);
    this.asOfMs = new Float64Array(capacity);
    this.newestMs = new Float64Array(capacity);
    this.due = new Uint8Array(capacity);
    this.values = new Float64Array(capacity * FEATURE_COUNT);
  }

  /** Appends a row; its values are the caller's to fill in, from the returned row × FEATURE_COUNT on. */
  add(slot: number, asOfMs: number, newestMs: number, due: number): number {
    if (this.count === this.capacity) this.grow();
    this.set(this.count, slot, asOfMs, newestMs, due);
    return this.count++;
  }

  set(row: number, slot: number, asOfMs: number, newestMs: number, due: number): void {
    this.slot[row] = slot;
    this.asOfMs[row] = asOfMs;
    this.newestMs[row] = newestMs;
    this.due[row] = due;
  }

  clear(): void {
    this.count = 0;
  }

  private grow(): void {
    const larger = new RowBlock(this.capacity * 2);
    larger.slot.set(this.slot);
    larger.asOfMs.set(this.asOfMs);
    larger.newestMs.set(this.newestMs);
    larger.due.set(this.due);
    larger.values.set(this.values);
    this.slot = larger.slot;
    this.asOfMs = larger.asOfMs;
    this.newestMs = larger.newestMs;
    this.due = larger.due;
    this.values = larger.values;
    this.capacity *= 2;
  }
}
