import { coverageOf } from '../../models/coverage.js';
import type { Predictions, Scorer } from '../../models/scorer.js';
import { estimatedTtfDays } from '../../models/survival.js';
import { decide, type ValuationProfile } from '../../operators/decide.js';
import type { HealthGrader } from '../../operators/health.js';
import type { SampleMetadata } from '../../schema/batch.js';
import {
  FAILURE_TYPES,
  type DecisionRecord,
  type Grade,
  type HealthRecord,
  type PredictionRecord,
  type Trigger,
} from '../../schema/records.js';

/** What every record starts with. */
export interface RecordHead {
  readonly gpu_uuid: string;
  readonly as_of: number;
  readonly newest_reading_at: number;
  readonly trigger: Trigger;
}

type Unsigned<T> = Omit<T, 'emitted_at' | 'instance'>;

/** A prediction of one row of a block. */
export function predictionOf(
  head: RecordHead,
  metadata: SampleMetadata,
  scorer: Scorer,
  predictions: Predictions,
  row: number,
  values: Float64Array,
  offset: number,
): Unsigned<PredictionRecord> {
  const prob7d = predictions.prob7d[row];
  const prob30d = predictions.prob30d[row];
  const prob90d = predictions.prob90d[row];
  const typeProb = predictions.typeProb[row];
  const coverage = coverageOf(values, offset);
  return {
    ...head,
    model: metadata.model ?? null,
    host: metadata.host ?? null,
    failure_prob_7d: prob7d,
    failure_prob_30d: prob30d,
    failure_prob_90d: prob90d,
    predicted_failure_type: FAILURE_TYPES[predictions.type[row]] ?? null,
    failure_type_prob: typeProb === typeProb ? typeProb : null,
    estimated_ttf_days: estimatedTtfDays(prob7d, prob30d, prob90d),
    coverage,
    confidence: scorer.confidence(prob30d, coverage),
    model_version: scorer.modelVersion,
    run_id: scorer.runId,
    feature_set: scorer.featureSet,
    top_factors: scorer.explainer?.topFactors(values, offset, prob7d, prob30d) ?? null,
  };
}

/** Health of one row, under the grade in force. */
export function healthOf(
  head: RecordHead,
  grader: HealthGrader,
  values: Float64Array,
  offset: number,
  model: string | undefined,
  grade: Grade | null,
): Unsigned<HealthRecord> {
  const { score, coverage, dimensions, deductions } = grader.assess(values, offset, model);
  return { ...head, score, grade, coverage, dimensions, deductions };
}

/** A decision, or the code that says why there is none. */
export function decisionOf(
  head: RecordHead,
  profile: ValuationProfile,
  model: string | undefined,
  health: number | null,
  grade: Grade | null,
  prob30d: number,
): Unsigned<DecisionRecord> | 'no_health' | 'no_price' {
  const outcome = decide(profile, { model, health, grade, prob30d });
  return outcome.kind === 'decided' ? { ...head, ...outcome.fields } : outcome.code;
}
