import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { share } from '../test/support/share.js';
import { FEATURE_COUNT, featureIndex, V1_FEATURES } from '../schema/features.js';
import { coverageClass, coverageOf } from './coverage.js';

function row(hours: number, names: readonly string[]): Float64Array {
  const values = new Float64Array(FEATURE_COUNT).fill(NaN);
  for (const name of names) values[featureIndex(name)] = 1;
  values[featureIndex('hours_with_readings')] = hours;
  return values;
}

describe('coverageOf', () => {
  it('is 1 for a full week of every telemetry feature, whether or not the asset is registered', () => {
    expect(coverageOf(row(168, V1_FEATURES), 0)).toBe(1);
    const telemetry = V1_FEATURES.filter((name) => !/gpu_age|warranty|operating|model_/.test(name));
    expect(telemetry).toHaveLength(22);
    expect(coverageOf(row(168, telemetry), 0)).toBe(1);
  });

  it('is the product of the share of hours and the share of features', () => {
    const eleven = V1_FEATURES.slice(0, 11);
    expect(coverageOf(row(84, eleven), 0)).toBeCloseTo(0.25, 12);
  });

  it('is 0 without readings', () => {
    expect(coverageOf(row(NaN, V1_FEATURES), 0)).toBe(0);
    expect(coverageOf(row(0, V1_FEATURES), 0)).toBe(0);
  });

  it('reads the row at its offset', () => {
    const block = new Float64Array(2 * FEATURE_COUNT).fill(NaN);
    block.set(row(84, V1_FEATURES), FEATURE_COUNT);
    expect(coverageOf(block, FEATURE_COUNT)).toBe(0.5);
    expect(coverageOf(block, 0)).toBe(0);
  });
});

describe('coverageClass', () => {
  it.each([
    [0, 0],
    [0.142, 0],
    [1 / 7, 1],
    [2 / 7, 2],
    [0.5, 2],
    [4 / 7, 3],
    [1, 3],
  ])('puts %d into class %d', (coverage, expected) => {
    expect(coverageClass(coverage)).toBe(expected);
  });

  it('never falls with more coverage', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        expect(coverageClass(Math.max(a, b))).toBeGreaterThanOrEqual(coverageClass(Math.min(a, b)));
      }),
    );
  });
});
