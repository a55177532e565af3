import { describe, expect, it } from 'vitest';
import { FEATURE_COUNT, featureIndex, type FeatureRows } from '../schema/features.js';
import { heuristicProb30d, HeuristicScorer } from './heuristic.js';

function rowsOf(...features: Record<string, number>[]): FeatureRows {
  const values = new Float64Array(features.length * FEATURE_COUNT).fill(NaN);
  features.forEach((row, index) => {
    for (const [name, value] of Object.entries(row)) values[index * FEATURE_COUNT + featureIndex(name)] = value;
  });
  const zeros = new Float64Array(features.length);
  return { count: features.length, slot: new Int32Array(features.length), asOfMs: zeros, newestMs: zeros, values };
}

describe('the heuristic', () => {
  it.each<[Record<string, number>, number]>([
    [{}, 0.01],
    [{ gpu_temp_mean: 85, thermal_throttle_count: 20, ecc_dbe_event_count: 0, gpu_age_days: 1095.75 }, 0.01],
    [{ gpu_temp_mean: 85.1 }, 0.41],
    [{ thermal_throttle_count: 21 }, 0.31],
    [{ ecc_dbe_event_count: 1 }, 0.51],
    [{ gpu_age_days: 1096 }, 0.21],
    [{ gpu_temp_mean: 86, thermal_throttle_count: 21 }, 0.71],
    [{ gpu_temp_mean: 90, thermal_throttle_count: 30, ecc_dbe_event_count: 2, gpu_age_days: 2000 }, 0.95],
  ])('gives %o a 30-day probability of %d', (features, expected) => {
    expect(heuristicProb30d(rowsOf(features).values, 0)).toBeCloseTo(expected, 12);
  });

  it('fills 7 and 90 days by constant hazard, row by row, and names no type', async () => {
    const scorer = new HeuristicScorer();
    const predictions = await scorer.score(rowsOf({}, { ecc_dbe_event_count: 1 }));
    expect(predictions.count).toBe(2);
    expect(predictions.prob7d[1]).toBeCloseTo(1 - 0.49 ** (7 / 30), 12);
    expect(predictions.prob30d[1]).toBeCloseTo(0.51, 12);
    expect(predictions.prob90d[1]).toBeCloseTo(1 - 0.49 ** 3, 12);
    expect(predictions.prob30d[0]).toBeCloseTo(0.01, 12);
    expect([...predictions.type.subarray(0, 2)]).toEqual([255, 255]);
    expect(predictions.typeProb[0]).toBeNaN();
    expect(scorer.modelVersion).toBe('heuristic');
    expect(scorer.confidence()).toBe(0);
  });
});
