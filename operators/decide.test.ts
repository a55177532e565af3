import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { share } from '../test/support/share.js';
import { GRADES } from '../schema/records.js';
import { confidenceOf, decide, PROFILES, type DecisionFields, type DecisionInput } from './decide.js';
import { REFERENCE_PRICES } from './decide-prices.js';
import { gradeOf } from './health.js';

const reference = PROFILES.reference;

function decided(input: DecisionInput): DecisionFields {
  const outcome = decide(reference, input);
  if (outcome.kind !== 'decided') throw new Error(outcome.detail);
  return outcome.fields;
}

describe('the reference profile', () => {
  it('gives the figures of the superseded system for a fair H100', () => {
    const fields = decided({ model: 'H100', health: 71.6, prob30d: 0.15 });
    expect(fields.npv_sell).toBeCloseTo(20_900, 2);
    expect(fields.salvage_value).toBeCloseTo(2_200, 2);
    expect(fields.npv_keep).toBeCloseTo(18_316.95, 2);
    expect(fields.npv_repurpose).toBeCloseTo(7_411.61, 2);
    expect(fields.decision).toBe('sell');
    expect(fields.expected_value).toBe(fields.npv_sell);
    expect(fields.confidence).toBeCloseTo(0.5618, 4);
    expect(fields.robustness).toBeNull();
    expect(fields.profile).toBe('reference');
  });

  it('says why in one sentence: the two best options, health and risk', () => {
    const { rationale } = decided({ model: 'H100', health: 71.6, prob30d: 0.15 });
    expect(rationale).toBe(
      'Sell at $20,900.00 rather than keep at $18,316.95: health 71.6 (fair), 15.0 % risk of failure within 30 days.',
    );
    expect(decided({ model: 'H100', health: 30, prob30d: 0.0033 }).rationale).toContain('0.33 % risk');
  });

  it('keeps what is worth more at work than on the market', () => {
    expect(decided({ model: 'NVIDIA H100 80GB HBM3', health: 55, prob30d: 0.02 }).decision).toBe('keep');
  });

  it('values by the grade in force, not by the score where hysteresis holds', () => {
    const held = decided({ model: 'H100', health: 79.5, grade: 'good', prob30d: 0.01 });
    expect(held.npv_sell).toBeCloseTo(0.95 * 28_000, 6);
    expect(held.rationale).toContain('health 79.5 (good)');
    expect(decided({ model: 'H100', health: 79.5, prob30d: 0.01 }).npv_sell).toBeCloseTo(0.95 * 22_000, 6);
  });

  it.each(['NVIDIA-H100-80GB-HBM3', 'NVIDIA H100 PCIe', 'h100'])('knows %s for an H100', (model) => {
    expect(decide(reference, { model, health: 95, prob30d: 0.01 }).kind).toBe('decided');
  });

  it.each(['NVIDIA GH200 480GB', 'NVIDIA A100-SXM4-80GB', 'NVIDIA L4', null, undefined])(
    'has no price of %s and says so',
    (model) => {
      expect(decide(reference, { model, health: 95, prob30d: 0.01 })).toMatchObject({ code: 'no_price' });
    },
  );

  it('decides nothing about a GPU without health', () => {
    expect(decide(reference, { model: 'H100', health: null, prob30d: 0.01 })).toMatchObject({ code: 'no_health' });
    expect(decide(reference, { model: 'L4', health: null, prob30d: 0.01 })).toMatchObject({ code: 'no_health' });
  });

  it.each([NaN, -0.01, 1.01])('refuses a probability of %d', (prob30d) => {
    expect(() => decide(reference, { model: 'H100', health: 80, prob30d })).toThrow(RangeError);
  });

  it('bears a date and a source in every price row', () => {
    for (const row of REFERENCE_PRICES) {
      expect(row.as_of).toMatch(/^\d{4}-\d{2}-\d{2}$/);
      expect(row.source.length).toBeGreaterThan(0);
    }
  });

  it('always recommends the option of the greatest value, with a confidence between a half and 0.95', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 100, noNaN: true }), share, (health, prob30d) => {
        const fields = decided({ model: 'H100', health, prob30d });
        const values = {
          keep: fields.npv_keep,
          sell: fields.npv_sell,
          repurpose: fields.npv_repurpose,
          decommission: fields.salvage_value,
        };
        expect(values[fields.decision]).toBe(Math.max(...Object.values(values)));
        expect(fields.expected_value).toBe(values[fields.decision]);
        expect(fields.confidence).toBeGreaterThanOrEqual(0.5);
        expect(fields.confidence).toBeLessThanOrEqual(0.95);
        expect(GRADES).toContain(gradeOf(health));
      }),
    );
  });
});

describe('confidenceOf', () => {
  it.each([
    [0, -5, 0.5],
    [100, 100, 0.5],
    [100, 50, 0.75],
    [100, -100, 0.95],
    [-50, -100, 0.95],
    [-100, -110, 0.55],
  ])('a best of %d before %d gives %d', (best, second, confidence) => {
    expect(confidenceOf(best, second)).toBeCloseTo(confidence, 12);
  });
});
