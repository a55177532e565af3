import { describe, expect, it } from 'vitest';
import { median, quantile, significant, spreadOf } from './statistics.js';

describe('statistics of repeats', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no values');
  });

  it('reports the lowest and highest repeat beside the median', () => {
    expect(spreadOf([10, 30, 20])).toEqual({ median: 20, min: 10, max: 30 });
  });

  it('takes quantiles that were measured, never values between', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(quantile(hundred, 0.5)).toBe(50);
    expect(quantile(hundred, 0.99)).toBe(99);
    expect(quantile(hundred, 0.999)).toBe(100);
    expect(quantile(hundred, 1)).toBe(100);
    expect(quantile([7], 0)).toBe(7);
  });

  it('keeps as many digits as a measurement has', () => {
    expect(significant(123_456)).toBe(123_500);
    expect(significant(0.012_345_6)).toBe(0.01235);
    expect(significant(0)).toBe(0);
  });
});
