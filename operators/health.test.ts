import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEATURE_COUNT, FEATURES, featureIndex, isFeature } from '../schema/features.js';
import { packageRoot } from '../schema/package-root.js';
import { DIMENSIONS, GRADES, type Grade } from '../schema/records.js';
import { DIMENSION_WEIGHTS, HEALTH_RULES, MODEL_LIMITS } from './health-rules.js';
import { EVIDENCE, gradeOf, HealthGrader, MAX_DEDUCTIONS, nextGrade } from './health.js';

const H100 = 'NVIDIA H100 80GB HBM3';

function row(features: Record<string, number>): Float64Array {
  const values = new Float64Array(FEATURE_COUNT).fill(NaN);
  for (const [name, value] of Object.entries(features)) values[featureIndex(name)] = value;
  return values;
}

const QUIET = {
  gpu_temp_min: 30,
  gpu_temp_trend: 0.5,
  thermal_throttle_count: 0,
  power_brake_count: 0,
  throttle_duration_hours: 0,
  throttle_readings: 20_000,
  hours_with_readings: 168,
  reporting_ratio: 1,
  gap_count: 0,
  longest_gap_hours: 0,
  silent_minutes: 0,
  ecc_sbe_event_count: 2,
  ecc_dbe_event_count: 0,
  remap_correctable_total: 1,
  remap_correctable_count: 0,
  remap_uncorrectable_count: 0,
  remap_uncorrectable_total: 0,
  remap_failure: 0,
  xid_hardware_count: 0,
  xid_precursor_count: 0,
  xid_application_count: 2,
  pcie_replay_count: 1,
  nvlink_error_count: 3,
};
const IDLE = {
  ...QUIET,
  gpu_temp_mean: 32,
  gpu_temp_max: 38,
  memory_temp_mean: 40,
  power_usage_mean: 72,
  sm_active_mean: 0,
  sm_clock_mean: 345,
};
const BUSY = {
  ...QUIET,
  gpu_temp_mean: 66,
  gpu_temp_max: 74,
  memory_temp_mean: 78,
  memory_temp_max: 88,
  power_usage_mean: 655,
  power_usage_std: 60,
  sm_active_mean: 92,
  sm_clock_mean: 1755,
  sw_power_cap_count: 400,
  temp_spike_count: 4,
  thermal_resistance: 0.055,
  thermal_resistance_24h_delta: 0.004,
  thermal_residual_spike_count: 1,
  sm_clock_under_load_24h_delta: -40,
};

describe('HealthGrader', () => {
  const grader = new HealthGrader();

  it('calls a healthy GPU excellent, idle or busy, H100 or A100', () => {
    for (const features of [IDLE, BUSY]) expect(grader.assess(row(features), 0, H100).score).toBeGreaterThanOrEqual(98);
    const a100 = { ...BUSY, power_usage_mean: 380, gpu_temp_mean: 68 };
    expect(grader.score(row(a100), 0, 'NVIDIA A100-SXM4-80GB')).toBeGreaterThanOrEqual(98);
  });

  it('grades what a default exporter gives: no profiling, no ECC, no throttle reasons', () => {
    const assessment = grader.assess(
      row({
        gpu_temp_mean: 61,
        power_usage_mean: 300,
        performance_heard: 1,
        remap_failure: 0,
        hours_with_readings: 24,
      }),
      0,
      H100,
    );
    expect(assessment).toEqual({
      score: 100,
      coverage: 1,
      dimensions: { memory: 100, thermal: 100, performance: 100, power: 100, reliability: 100 },
      deductions: [],
    });
  });

  it('leaves a dimension without evidence out and shares its weight among the others', () => {
    const assessment = grader.assess(
      row({ gpu_temp_mean: 87, power_usage_mean: 300, hours_with_readings: 5 }),
      0,
      H100,
    );
    expect(assessment.dimensions).toEqual({
      memory: null,
      thermal: 40,
      performance: null,
      power: 100,
      reliability: 100,
    });
    expect(assessment.coverage).toBe(0.5);
    expect(assessment.score).toBeCloseTo((0.25 * 40 + 0.15 * 100 + 0.1 * 100) / 0.5, 10);
  });

  it('gives no score below half of the weights', () => {
    const assessment = grader.assess(row({ gpu_temp_mean: 60, hours_with_readings: 5 }), 0, H100);
    expect(assessment.score).toBeNull();
    expect(assessment.coverage).toBe(0.35);
    expect(assessment.dimensions.thermal).toBe(100);
    expect(grader.assess(row({}), 0, H100)).toMatchObject({ score: null, coverage: 0, deductions: [] });
  });

  it('takes no silence for evidence: no readings of throttle reasons, no thermal dimension', () => {
    const features = { throttle_readings: 0, hours_with_readings: 0 };
    expect(grader.assess(row(features), 0, H100).coverage).toBe(0);
  });

  it('names the deductions with the greatest effect on the score, with their evidence', () => {
    const assessment = grader.assess(
      row({ ...BUSY, gpu_temp_mean: 82, ecc_dbe_event_count: 1, silent_minutes: 45 }),
      0,
      H100,
    );
    expect(assessment.deductions.map(({ factor }) => factor)).toEqual([
      'double_bit_errors',
      'running_hot',
      'silent_now',
    ]);
    expect(assessment.deductions[0].points).toBeCloseTo(48, 10);
    expect(assessment.deductions[1]).toEqual({
      factor: 'running_hot',
      points: 40,
      evidence: 'gpu_temp_mean 82 °C, above 72',
    });
    // "1490 count" would say it twice.
    const replays = grader.assess(row({ ...BUSY, pcie_replay_count: 1490 }), 0, H100);
    expect(replays.deductions[0].evidence).toBe('pcie_replay_count 1490, above 10');
  });

  it('judges temperature by the limits of the model', () => {
    const hot = row({ ...BUSY, gpu_temp_mean: 77 });
    expect(grader.assess(hot, 0, H100).dimensions.thermal).toBe(80);
    expect(grader.assess(hot, 0, 'NVIDIA A100-SXM4-80GB').dimensions.thermal).toBe(100);
    expect(grader.assess(hot, 0, null).dimensions.thermal).toBe(80);
  });

  it('takes a board whose row remap failed down two grades at least', () => {
    expect(grader.score(row({ ...BUSY, remap_failure: 1 }), 0, H100)).toBeLessThanOrEqual(60);
  });

  it('reads a row in the middle of a block', () => {
    const block = new Float64Array(3 * FEATURE_COUNT).fill(NaN);
    block.set(row({ ...BUSY, gpu_temp_mean: 87 }), FEATURE_COUNT);
    expect(grader.score(block, FEATURE_COUNT, H100)).toBe(grader.score(row({ ...BUSY, gpu_temp_mean: 87 }), 0, H100));
    expect(grader.score(block, 0, H100)).toBeNaN();
  });

  it('takes limits and thresholds from its options, and refuses a factor it does not know', () => {
    const strict = new HealthGrader({
      limits: { H100: { slowdownCelsius: 77 } },
      rules: { double_bit_errors: { pointsAtFrom: 90, pointsAtTo: 90 } },
    });
    const features = row({ ...BUSY, gpu_temp_max: 72, ecc_dbe_event_count: 1 });
    expect(strict.assess(features, 0, H100).dimensions).toMatchObject({ memory: 10, thermal: 84 });
    expect(grader.assess(features, 0, H100).dimensions).toMatchObject({ memory: 52, thermal: 100 });
    expect(() => new HealthGrader({ rules: { hot: { from: 1 } } })).toThrow('unknown health factor hot');
  });

  it('gives no more than 100, by rounding neither', () => {
    const evident = { memory_temp_mean: 50, power_usage_mean: 300, hours_with_readings: 1 };
    expect(grader.score(row({ ...evident, hours_since_hardware_xid: 719.9999999999986 }), 0, H100)).toBe(100);
  });

  it('stays within 0 and 100 whatever the features are, and its fast path agrees with the full form', () => {
    const value = fc.oneof(
      fc.constant(NaN),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: -10, max: 2000 }),
    );
    fc.assert(
      fc.property(
        fc.array(value, { minLength: FEATURE_COUNT, maxLength: FEATURE_COUNT }),
        fc.constantFrom(H100, null),
        (features, model) => {
          const values = Float64Array.from(features);
          const score = grader.score(values, 0, model);
          const full = grader.assess(values, 0, model);
          expect(full.score).toBe(Number.isNaN(score) ? null : score);
          if (full.score !== null) {
            expect(full.score).toBeGreaterThanOrEqual(0);
            expect(full.score).toBeLessThanOrEqual(100);
          }
          expect(full.score === null).toBe(full.coverage < 0.5);
          expect(full.deductions.length).toBeLessThanOrEqual(MAX_DEDUCTIONS);
          for (const dimension of DIMENSIONS) {
            const got = full.dimensions[dimension];
            if (got !== null) expect(got >= 0 && got <= 100).toBe(true);
          }
        },
      ),
    );
  });
});

describe('grades', () => {
  it.each([
    [100, 'excellent'],
    [90, 'excellent'],
    [89.9, 'good'],
    [71.6, 'fair'],
    [60, 'degraded'],
    [59.9, 'poor'],
    [49.9, 'critical'],
    [0, 'critical'],
  ])('a score of %d is %s', (score, grade) => {
    expect(gradeOf(score)).toBe(grade);
  });

  it.each<[Grade | null, number | null, Grade | null]>([
    [null, 71.6, 'fair'],
    ['good', 79.5, 'good'],
    ['good', 79, 'fair'],
    ['good', 90.9, 'good'],
    ['good', 91, 'excellent'],
    ['good', 69.5, 'fair'],
    ['excellent', 12, 'critical'],
    ['critical', 100, 'excellent'],
    ['critical', 50.5, 'critical'],
    ['good', null, null],
  ])('after %s a score of %s gives %s', (previous, score, grade) => {
    expect(nextGrade(previous, score)).toBe(grade);
  });

  it('never settles more than a point beyond the bounds of the grade in force', () => {
    const lower = [90, 80, 70, 60, 50, 0];
    fc.assert(
      fc.property(fc.constantFrom(...GRADES), fc.double({ min: 0, max: 100, noNaN: true }), (previous, score) => {
        const grade = GRADES.indexOf(nextGrade(previous, score) ?? 'critical');
        expect(score).toBeGreaterThan(lower[grade] - 1.0001);
        expect(score).toBeLessThan(grade === 0 ? 100.1 : lower[grade - 1] + 1);
        expect(nextGrade(GRADES[grade], score)).toBe(GRADES[grade]);
      }),
    );
  });
});

describe('the rule table', () => {
  it('has unique factors, known features, and points within a dimension', () => {
    expect(new Set(HEALTH_RULES.map(({ factor }) => factor)).size).toBe(HEALTH_RULES.length);
    for (const rule of HEALTH_RULES) {
      expect(isFeature(rule.feature), rule.feature).toBe(true);
      expect(rule.from).not.toBe(rule.to);
      expect(rule.pointsAtFrom).toBeGreaterThanOrEqual(0);
      expect(rule.pointsAtTo).toBeGreaterThanOrEqual(rule.pointsAtFrom);
      expect(rule.pointsAtTo).toBeLessThanOrEqual(100);
    }
  });

  it('weighs the dimensions to 1 and judges each by features that exist', () => {
    expect(Object.values(DIMENSION_WEIGHTS).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    for (const name of Object.values(EVIDENCE).flat())
      expect(FEATURES.some((feature) => feature.name === name)).toBe(true);
  });

  it('is the table of docs/health.md', () => {
    const docs = readFileSync(join(packageRoot(), 'docs', 'health.md'), 'utf8').replace(/\s+/g, ' ');
    for (const rule of HEALTH_RULES) {
      const line = `| \`${rule.factor}\` | ${rule.dimension} | \`${rule.feature}\` | ${bound(rule.from, rule.relativeTo)} | ${bound(rule.to, rule.relativeTo)} | ${rule.pointsAtFrom} to ${rule.pointsAtTo} | ${rule.reason} |`;
      expect(docs).toContain(line);
    }
    for (const [model, limits] of Object.entries(MODEL_LIMITS))
      expect(docs).toContain(
        `| ${model} | ${limits.slowdownCelsius ?? 87} | ${limits.memoryCelsius ?? 95} | ${limits.boardPowerWatts ?? 'none'} |`,
      );
  });
});

function bound(value: number, relativeTo?: string): string {
  if (relativeTo === undefined) return String(value);
  if (relativeTo === 'boardPowerWatts') return `${value} × board`;
  const limit = relativeTo === 'slowdownCelsius' ? 'slowdown' : 'memory limit';
  return value === 0 ? limit : `${limit} ${value < 0 ? '−' : '+'} ${Math.abs(value)}`;
}
