import { describe, expect, it } from 'vitest';
import { Censoring } from './censoring.js';
import { evaluate, type ScoredRows } from './evaluate.js';

/** Uniform in [0, 1), the same each time. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The low bits of such a generator repeat soon.
    let mixed = state ^ (state >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    return ((mixed ^ (mixed >>> 12)) >>> 0) / 2 ** 32;
  };
}

/** A GPU a row, of known hazard, watched for a random time up to 120 days; predicted is the truth. */
function fleet(count: number): { rows: ScoredRows; within30: number; trueRate: number } {
  const random = seeded(7);
  const rows = {
    ...{ count, gpu: new Uint32Array(count), followedDays: new Float64Array(count), failed: new Uint8Array(count) },
    probabilities: [new Float64Array(count)],
  };
  let [within30, expected] = [0, 0];
  for (let row = 0; row < count; row++) {
    const perDay = 0.001 + 0.02 * random() ** 3;
    const failsAt = -Math.log(1 - random()) / perDay;
    const watched = 120 * random();
    rows.gpu[row] = row;
    rows.failed[row] = failsAt <= watched ? 1 : 0;
    rows.followedDays[row] = Math.min(failsAt, watched);
    rows.probabilities[0][row] = 1 - Math.exp(-30 * perDay);
    if (failsAt <= 30) within30++;
    expected += rows.probabilities[0][row];
  }
  return { rows, within30: within30 / count, trueRate: expected / count };
}

describe('predictions against what happened', () => {
  it('have the failure rate that watching all to the end would have shown, though a quarter went out of sight', () => {
    const { rows, within30 } = fleet(20_000);
    const [report] = evaluate(rows, [30], 20, seeded(1));
    expect(report.censored_rows / rows.count).toBeGreaterThan(0.15);
    const { base_rate: rate, mean_over_base_rate: level, calibration_slope: slope } = report.metrics!;
    expect(Math.abs(rate.value! / within30 - 1)).toBeLessThan(0.03);
    expect(level.low).toBeLessThan(1);
    expect(level.high).toBeGreaterThan(1);
    expect(Math.abs(slope.value! - 1)).toBeLessThan(0.1);
    // Leaving out what is not known would call the same predictions far too careful.
    const naive = report.failing_rows / report.known_rows;
    expect(naive / within30).toBeGreaterThan(1.1);
  });

  it('are the same each time, intervals too, and those hold the value', () => {
    const { rows } = fleet(2_000);
    const [one] = evaluate(rows, [30], 50, seeded(3));
    expect(evaluate(rows, [30], 50, seeded(3))).toEqual([one]);
    const { auc } = one.metrics!;
    expect(auc.low).toBeLessThan(auc.value!);
    expect(auc.high).toBeGreaterThan(auc.value!);
  });

  it('are not judged where nobody was watched for the horizon, or nobody failed', () => {
    const { rows } = fleet(200);
    expect(evaluate(rows, [365], 5, seeded(1))).toMatchObject([{ metrics: null, reason: 'not_followed' }]);
    const calm = { ...rows, failed: new Uint8Array(rows.count) };
    expect(evaluate(calm, [30], 5, seeded(1))).toMatchObject([
      { metrics: null, reason: 'no_failure', failing_rows: 0 },
    ]);
  });

  it('weight rows by how many were watched as long, failures before losses of the same time', () => {
    // Of five: one is lost after 1 day, one fails after 2, one is lost after 2, two are watched on.
    const censoring = new Censoring(Float64Array.of(1, 2, 2, 5, 5), Uint8Array.of(0, 1, 0, 0, 0));
    expect([0.5, 1, 1.5, 2].map((days) => censoring.watchedFor(days))).toEqual([1, 1, 0.8, 0.8]);
    expect(censoring.watchedFor(3)).toBeCloseTo(0.8 * (2 / 3), 12);
  });
});
