import { FEATURE_COUNT, type FeatureRows } from '../../schema/features.js';
import { Turn } from '../../schema/turn.js';
import type { Explainer } from './explainer.js';

/** What naming the factors of a row may take, ms. Beyond it the reasons of a fleet are felt by all else in the process. */
export const EXPLAINED_WITHIN_MS = 1;
const ROWS = 64;
/** A model so dear is known for it after fewer rows. */
const ENOUGH_MS = 200;

/**
 * What naming the factors of a row takes: the median over rows, ms. Others have their turn between them.
 * @param nowMs a clock that never goes back
 */
export async function explanationMs(
  explainer: Explainer,
  rows: FeatureRows,
  nowMs: () => number = () => performance.now(),
): Promise<number> {
  const turn = new Turn();
  const took: number[] = [];
  let total = 0;
  // A model's golden batch may be short, and the first rows are slow: the code is still being compiled.
  while (took.length < ROWS && total < ENOUGH_MS) {
    const offset = (took.length % rows.count) * FEATURE_COUNT;
    const from = nowMs();
    explainer.topFactors(rows.values, offset, 0.01, 0.02);
    took.push(nowMs() - from);
    total += took.at(-1)!;
    if (turn.isOver()) await turn.next();
  }
  return took.sort((a, b) => a - b)[took.length >> 1];
}
