import type { Predictions } from './scorer.js';

/** Code of "no type" in {@link Predictions.type}. */
export const NO_TYPE = 255;

/** Arrays of predictions that are reused from call to call and grow with the largest. */
export class PredictionArrays implements Predictions {
  count = 0;
  prob7d = new Float64Array(0);
  prob30d = new Float64Array(0);
  prob90d = new Float64Array(0);
  type = new Uint8Array(0);
  typeProb = new Float64Array(0);

  /** Makes room for `count` predictions; what was there before is void. */
  reset(count: number): void {
    this.count = count;
    if (count <= this.type.length) return;
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(count)));
    this.prob7d = new Float64Array(capacity);
    this.prob30d = new Float64Array(capacity);
    this.prob90d = new Float64Array(capacity);
    this.type = new Uint8Array(capacity);
    this.typeProb = new Float64Array(capacity);
  }
}
