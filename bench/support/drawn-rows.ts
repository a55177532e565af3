import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEATURE_COUNT } from '../../schema/features.js';
import { RowBlock } from '../../topology/score/rows.js';

const ABSENT_SHARE = 0.2;

/**
 * Rows of features to hold a model to: each value from some golden row of the model, a fifth of them absent, so that
 * paths are mixed as no training row mixes them.
 */
export function drawRows(directory: string, count: number, seed: number): RowBlock {
  const { features } = JSON.parse(readFileSync(join(directory, 'golden.json'), 'utf8')) as {
    features: (number | null)[][];
  };
  // xorshift32: the same rows everywhere.
  let state = seed | 1;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const rows = new RowBlock(count);
  rows.values.fill(NaN);
  for (let row = 0; row < count; row++) {
    const offset = rows.add(0, 0, 0, 0) * FEATURE_COUNT;
    for (let column = 0; column < features[0].length; column++) {
      const drawn = features[Math.floor(random() * features.length)][column];
      if (random() >= ABSENT_SHARE) rows.values[offset + column] = drawn ?? NaN;
    }
  }
  return rows;
}
