import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { SurvivalBaseline } from './survival-baseline.js';

const RATES = { yearlyRate: 0.051, yearlyRates: { H100: 0.06 } };
const AS_OF_MS = Date.UTC(2026, 5, 1);
const baseline = SurvivalBaseline.load(RATES);
const old = { gpu_uuid: 'GPU-a', model: 'NVIDIA H100 80GB', deployment_date: '2023-06-01', batch: 'old', cage: 2 };

describe('the survival baseline', () => {
  it('computes what Python computes, whatever is known of a GPU', () => {
    const golden = JSON.parse(
      readFileSync(join(packageRoot(), 'models', 'champion', 'survival-golden.json'), 'utf8'),
    ) as {
      horizons_days: number[];
      rows: { facts: (number | null)[]; age_days: number | null; cumulative_hazard: number[] }[];
    };
    expect(golden.rows.length).toBeGreaterThan(50);
    for (const { facts, age_days: age, cumulative_hazard: expected } of golden.rows) {
      const found = baseline.cumulativeHazard(
        facts.map((value) => value ?? NaN),
        age ?? NaN,
        golden.horizons_days,
      );
      found.forEach((hazard, index) => expect(Math.abs(hazard / expected[index] - 1)).toBeLessThan(1e-9));
    }
  });

  it('says that it rests on the asset register alone', () => {
    const prediction = baseline.predict(old, AS_OF_MS, 'absence');
    expect(prediction).toMatchObject({
      gpu_uuid: 'GPU-a',
      as_of: AS_OF_MS,
      newest_reading_at: null,
      trigger: 'absence',
      model: 'NVIDIA H100 80GB',
      coverage: 0,
      confidence: 0,
      feature_set: 'assets',
      predicted_failure_type: null,
    });
    expect(prediction.model_version).toMatch(/^survival-[0-9a-f]{8}$/);
    expect(prediction.failure_prob_7d).toBeGreaterThan(0);
    expect(prediction.failure_prob_30d).toBeGreaterThan(prediction.failure_prob_7d);
    expect(prediction.failure_prob_90d).toBeGreaterThan(prediction.failure_prob_30d);
    expect(prediction.failure_prob_90d).toBeLessThan(1);
  });

  it('knows age, batch and cage', () => {
    const risk = (changes: object): number =>
      baseline.predict({ ...old, ...changes }, AS_OF_MS, 'schedule').failure_prob_90d;
    expect(risk({ deployment_date: '2026-05-01' })).toBeLessThan(risk({}) / 5);
    expect(risk({ batch: 'new' })).toBeLessThan(risk({}) / 5);
    expect(risk({ cage: 0 })).toBeLessThan(risk({}) * 0.7);
    expect(risk({ batch: 'B7' })).toBe(risk({ batch: undefined }));
    expect(risk({ rack: 'r1' })).toBe(risk({}));
    expect(risk({ deployment_date: null, purchase_date: '2023-06-01' })).toBe(risk({}));
  });

  it('takes its level from the yearly rate of the model', () => {
    const hazard = (rates: typeof RATES, model: string): number =>
      -Math.log1p(-SurvivalBaseline.load(rates).predict({ ...old, model }, AS_OF_MS, 'schedule').failure_prob_90d);
    const h100 = hazard(RATES, 'NVIDIA H100');
    expect(hazard({ ...RATES, yearlyRates: { H100: 0.12 } }, 'NVIDIA H100') / h100).toBeCloseTo(2, 9);
    expect(hazard(RATES, 'something else') / h100).toBeCloseTo(0.051 / 0.06, 9);
  });

  it('is an error where it is not there or not what it should be', () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-survival-'));
    const file = join(directory, 'survival.json');
    expect(() => SurvivalBaseline.load(RATES, file)).toThrow(expect.objectContaining({ code: 'model_missing' }));
    for (const text of ['{', '{"model_version":"survival-1","format":2}']) {
      writeFileSync(file, text);
      expect(() => SurvivalBaseline.load(RATES, file)).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
    }
    rmSync(directory, { recursive: true });
  });
});
