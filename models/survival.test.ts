import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { share } from '../test/support/share.js';
import { atConstantHazard, estimatedTtfDays } from './survival.js';

describe('estimatedTtfDays', () => {
  it('is null where half are still alive after a year', () => {
    expect(estimatedTtfDays(0, 0, 0)).toBeNull();
    expect(estimatedTtfDays(0.001, 0.004, 0.012)).toBeNull();
  });

  it('is that of the exponential where the hazard is constant', () => {
    const [prob7d, prob30d, prob90d] = atConstantHazard(0.2);
    expect(estimatedTtfDays(prob7d, prob30d, prob90d)).toBeCloseTo((30 * Math.LN2) / -Math.log(0.8), 9);
  });

  it('lies within the piece in which the curve passes a half', () => {
    expect(estimatedTtfDays(0.5, 0.6, 0.7)).toBeCloseTo(7, 9);
    expect(estimatedTtfDays(0.1, 0.5, 0.7)).toBeCloseTo(30, 9);
    expect(estimatedTtfDays(0.1, 0.2, 0.5)).toBeCloseTo(90, 9);
    expect(estimatedTtfDays(0.75, 0.8, 0.9)).toBeCloseTo(3.5, 9);
  });

  it('goes on beyond 90 days with the hazard of 30 to 90', () => {
    // Nobody fails before day 30, then a hazard of 0.004 a day.
    const prob90d = 1 - Math.exp(-60 * 0.004);
    expect(estimatedTtfDays(0, 0, prob90d)).toBeCloseTo(30 + Math.LN2 / 0.004, 6);
  });

  it('takes certain failure', () => {
    expect(estimatedTtfDays(1, 1, 1)).toBe(0);
    expect(estimatedTtfDays(0, 1, 1)).toBe(7);
  });

  it('never rises with a risk and never leaves 0 to 365', () => {
    const probability = share;
    fc.assert(
      fc.property(fc.array(probability, { minLength: 3, maxLength: 3 }), (drawn) => {
        const [prob7d, prob30d, prob90d] = [...drawn].sort((a, b) => a - b);
        const days = estimatedTtfDays(prob7d, prob30d, prob90d);
        if (days === null) expect(prob90d).toBeLessThan(0.5);
        else {
          expect(days).toBeGreaterThanOrEqual(0);
          expect(days).toBeLessThanOrEqual(365);
          // On the seventh day itself lies also the median of those of whom none fails before and all do right after.
          if (days !== 7) expect(prob7d >= 0.5).toBe(days < 7);
        }
      }),
    );
  });
});

describe('atConstantHazard', () => {
  it('keeps order and leaves the 30 days as they are', () => {
    expect(atConstantHazard(0)).toEqual([0, 0, 0]);
    const [prob7d, prob30d, prob90d] = atConstantHazard(0.51);
    expect(prob30d).toBe(0.51);
    expect(prob7d).toBeCloseTo(1 - 0.49 ** (7 / 30), 12);
    expect(prob90d).toBeCloseTo(1 - 0.49 ** 3, 12);
  });
});
