import { gpuModelFamily, type GpuModel } from '../schema/gpu-models.js';
import { DECISIONS, type Decision, type DecisionRecord, type Grade } from '../schema/records.js';
import { referenceProfile } from './decide-reference.js';
import { gradeOf } from './health.js';

/** What a GPU is worth kept, sold, repurposed or scrapped, and which of these is best. */

/** Net present value of each option, USD. */
export type OptionValues = Readonly<Record<Decision, number>>;

/** A way to value the options. */
export interface ValuationProfile {
  readonly name: string;
  /** @returns null where the profile has no price for the model */
  value(model: GpuModel | null, grade: Grade, prob30d: number): OptionValues | null;
}

export interface DecisionInput {
  /** Model name as producers state it; null where it is not known. */
  readonly model: string | null | undefined;
  /** Health score, 0–100; null where there is none. */
  readonly health: number | null;
  /** Grade in force, where hysteresis holds one; else that of the score. */
  readonly grade?: Grade | null;
  /** failure_prob_30d, 0–1. */
  readonly prob30d: number;
}

/** The fields of a decision record that valuing gives; who, when and why are added by the caller. */
export type DecisionFields = Pick<
  DecisionRecord,
  | 'decision'
  | 'expected_value'
  | 'npv_keep'
  | 'npv_sell'
  | 'npv_repurpose'
  | 'salvage_value'
  | 'confidence'
  | 'robustness'
  | 'rationale'
  | 'profile'
>;

export type DecisionOutcome =
  | { readonly kind: 'decided'; readonly fields: DecisionFields }
  /** Expected: no grade to value by, or no price of the model. */
  | { readonly kind: 'undecidable'; readonly code: 'no_health' | 'no_price'; readonly detail: string };

const MAX_CONFIDENCE = 0.95;

/** Profiles by the names that configuration and `--profile` take. */
export const PROFILES: Readonly<Record<'reference', ValuationProfile>> = { reference: referenceProfile() };

/**
 * Values the options of one GPU and recommends the one of the greatest value (the first of keep, sell, repurpose,
 * decommission where values tie).
 * @throws RangeError if prob30d or health is out of its range
 */
export function decide(profile: ValuationProfile, input: DecisionInput): DecisionOutcome {
  const { health, prob30d } = input;
  if (!(prob30d >= 0 && prob30d <= 1)) throw new RangeError(`prob30d ${prob30d}: expected 0 to 1`);
  if (health === null)
    return { kind: 'undecidable', code: 'no_health', detail: 'too little evidence to grade the GPU' };
  if (!(health >= 0 && health <= 100)) throw new RangeError(`health ${health}: expected 0 to 100`);
  const grade = input.grade ?? gradeOf(health);
  const values = profile.value(gpuModelFamily(input.model), grade, prob30d);
  if (values === null)
    return { kind: 'undecidable', code: 'no_price', detail: `no price of ${input.model ?? 'an unknown model'}` };

  const [best, second] = [...DECISIONS].sort((a, b) => values[b] - values[a]);
  return {
    kind: 'decided',
    fields: {
      decision: best,
      expected_value: values[best],
      npv_keep: values.keep,
      npv_sell: values.sell,
      npv_repurpose: values.repurpose,
      salvage_value: values.decommission,
      confidence: confidenceOf(values[best], values[second]),
      robustness: null,
      rationale:
        `${NAMES[best]} at ${usd(values[best])} rather than ${NAMES[second].toLowerCase()} at ${usd(values[second])}: ` +
        `health ${health.toFixed(1)} (${grade}), ${percent(prob30d)} risk of failure within 30 days.`,
      profile: profile.name,
    },
  };
}

/** How clearly the best option leads the second; 0.5 where nothing leads. */
export function confidenceOf(best: number, second: number): number {
  if (best === 0) return 0.5;
  return Math.min(MAX_CONFIDENCE, 0.5 + (0.5 * (best - second)) / Math.abs(best));
}

const NAMES: Readonly<Record<Decision, string>> = {
  keep: 'Keep',
  sell: 'Sell',
  repurpose: 'Repurpose',
  decommission: 'Decommission',
};

function usd(value: number): string {
  const figure = Math.abs(value).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return `${value < 0 ? '−' : ''}$${figure}`;
}

/** Two significant digits of a small risk, one decimal of a larger one. */
function percent(probability: number): string {
  const value = probability * 100;
  return `${value >= 1 || value === 0 ? value.toFixed(1) : value.toPrecision(2)} %`;
}
