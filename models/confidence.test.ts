import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { share } from '../test/support/share.js';
import type { CalibrationBin } from './card.js';
import { calibratedConfidence } from './confidence.js';

const bin = (from: number, to: number, predicted: number, low: number, high: number): CalibrationBin => ({
  from,
  to,
  rows: 1000,
  failures: 10,
  predicted,
  low,
  high,
});
const BINS = [bin(0, 0.01, 0.004, 0.003, 0.005), bin(0.01, 0.1, 0.03, 0, 0.04), bin(0.1, 1, 0.4, 0.1, 0.3)];

describe('calibratedConfidence', () => {
  it('is coverage times what the interval of the bin leaves of certainty', () => {
    expect(calibratedConfidence(BINS, 0.005, 1)).toBeCloseTo(1 - 0.002 / 0.008, 12);
    expect(calibratedConfidence(BINS, 0.005, 0.5)).toBeCloseTo(0.375, 12);
  });

  it('is 0 where the rate may as well be 0', () => {
    expect(calibratedConfidence(BINS, 0.05, 1)).toBe(0);
  });

  it('counts a prediction outside the interval as doubt', () => {
    expect(calibratedConfidence(BINS, 0.5, 1)).toBeCloseTo(1 - 0.3 / 0.5, 12);
  });

  it('takes the last bin for a certain failure', () => {
    expect(calibratedConfidence(BINS, 1, 1)).toBeCloseTo(0.4, 12);
  });

  it('stays within 0 and 1 and never falls with coverage', () => {
    fc.assert(
      fc.property(share, share, share, (probability, a, b) => {
        const less = calibratedConfidence(BINS, probability, Math.min(a, b));
        const more = calibratedConfidence(BINS, probability, Math.max(a, b));
        expect(less).toBeGreaterThanOrEqual(0);
        expect(more).toBeLessThanOrEqual(1);
        expect(more).toBeGreaterThanOrEqual(less);
      }),
    );
  });
});
