import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../schema/package-root.js';
import { byFallingScore, METRICS, metricsOf, type JudgedRows, type Metric } from './weighted.js';

interface Case {
  readonly failed: readonly number[];
  readonly score: readonly number[];
  readonly weight: readonly number[];
  readonly summary: Readonly<Record<Metric, number | null>>;
}

const golden = JSON.parse(readFileSync(join(packageRoot(), 'models', 'evaluation', 'golden.json'), 'utf8')) as Readonly<
  Record<string, Case>
>;

const rowsOf = ({ failed, score, weight }: Case): JudgedRows => ({
  count: failed.length,
  failed: Float64Array.from(failed),
  score: Float64Array.from(score),
  weight: Float64Array.from(weight),
});

describe('metrics of weighted rows', () => {
  it.each(Object.entries(golden))('are those that training computes, to 1e-9: %s', (_name, found) => {
    const rows = rowsOf(found);
    const metrics = metricsOf(rows, byFallingScore(rows))!;
    for (const metric of METRICS) {
      const expected = found.summary[metric];
      if (expected === null) expect(metrics[metric], metric).toBeNaN();
      else expect(Math.abs(metrics[metric] - expected) / Math.max(1, Math.abs(expected)), metric).toBeLessThan(1e-9);
    }
  });

  it('count a row twice as they count it at twice its weight, and leave out one that counts no times', () => {
    const rows = rowsOf(golden.weighted);
    const order = byFallingScore(rows);
    const times = Uint32Array.from({ length: rows.count }, (_, row) => row % 3);
    const heavier = { ...rows, weight: rows.weight.map((weight, row) => weight * (row % 3)) };
    const [one, other] = [metricsOf(rows, order, times)!, metricsOf(heavier, order)!];
    for (const metric of METRICS) expect(one[metric], metric).toBeCloseTo(other[metric], 12);
  });

  it('are none where no row fails, or all do', () => {
    const rows = rowsOf(golden.weighted);
    for (const outcome of [0, 1]) {
      const alike = { ...rows, failed: rows.failed.map(() => outcome) };
      expect(metricsOf(alike, byFallingScore(alike))).toBeNull();
    }
  });
});
