import type { SampleBatch } from '../../schema/batch.js';
import { MAX_ROWS } from './window.js';

/**
 * Cuts batches into runs of rows in which no GPU occurs twice, as {@link Windows.acceptRows} wants them. Its memory is
 * kept from batch to batch: to take it anew costs more than the cutting.
 */
export class Runs {
  private batch!: SampleBatch;
  /** By index into the batch's GPUs: the last row it was seen at in this batch. */
  private lastRow = new Int32Array(1024);

  /** The next batch; runs are asked for afterwards. */
  begin(batch: SampleBatch): this {
    const gpus = batch.gpus.length;
    if (gpus > this.lastRow.length) this.lastRow = new Int32Array(2 * gpus);
    this.lastRow.fill(-1, 0, gpus);
    this.batch = batch;
    return this;
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
