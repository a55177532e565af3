import type { SampleBatch } from '../../schema/batch.js';
import { MAX_ROWS } from './window.js';

/** Cuts a batch into runs of rows in which no GPU occurs twice, as {@link Windows.acceptRows} wants them. */
export class Runs {
  /** By index into the batch's GPUs: the last row it was seen at in this batch. */
  private readonly lastRow: Int32Array;

  constructor(private readonly batch: SampleBatch) {
    this.lastRow = new Int32Array(batch.gpus.length).fill(-1);
  }

  /** Row after the last of the run that begins at a row; to be called from run to run. */
  end(from: number): number {
    const { batch, lastRow } = this;
    const most = Math.min(batch.count, from + MAX_ROWS);
    for (let row = from; row < most; row++) {
      const gpu = batch.gpuIndex[row];
      if (lastRow[gpu] >= from) return row;
      lastRow[gpu] = row;
    }
    return most;
  }
}
