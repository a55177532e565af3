import { FEATURE_COUNT, featureIndex, type FeatureRows } from '../schema/features.js';
import { NO_TYPE, PredictionArrays } from './predictions.js';
import type { Predictions, Scorer } from './scorer.js';
import { atConstantHazard } from './survival.js';

/** The superseded system's rule of thumb for 30 days; an absent feature adds nothing. */
const RULES: readonly { readonly column: number; readonly above: number; readonly adds: number }[] = [
  { column: featureIndex('gpu_temp_mean'), above: 85, adds: 0.4 },
  { column: featureIndex('thermal_throttle_count'), above: 20, adds: 0.3 },
  { column: featureIndex('ecc_dbe_event_count'), above: 0, adds: 0.5 },
  { column: featureIndex('gpu_age_days'), above: 3 * 365.25, adds: 0.2 },
];
const BASE = 0.01;
const CAP = 0.95;

/**
 * 30-day probability of failure by the rule of thumb.
 * @param values feature rows; the row starts at `offset`
 */
export function heuristicProb30d(values: Float64Array, offset: number): number {
  let probability = BASE;
  for (const rule of RULES) if (values[offset + rule.column] > rule.above) probability += rule.adds;
  return Math.min(CAP, probability);
}

/** Failure odds by rule of thumb, where no model is configured. Names no failure type. */
export class HeuristicScorer implements Scorer {
  readonly modelVersion = 'heuristic';
  readonly runId = null;
  readonly digest = 'heuristic';
  readonly featureSet = 'v1';
  readonly explainer = null;
  readonly explanationMs = null;
  private readonly predictions = new PredictionArrays();

  score(rows: FeatureRows): Promise<Predictions> {
    const out = this.predictions;
    out.reset(rows.count);
    for (let row = 0; row < rows.count; row++) {
      const [prob7d, prob30d, prob90d] = atConstantHazard(heuristicProb30d(rows.values, row * FEATURE_COUNT));
      out.prob7d[row] = prob7d;
      out.prob30d[row] = prob30d;
      out.prob90d[row] = prob90d;
    }
    out.type.fill(NO_TYPE, 0, rows.count);
    out.typeProb.fill(NaN, 0, rows.count);
    return Promise.resolve(out);
  }

  /** 0: these probabilities were never held against failures, so nothing speaks for them. */
  confidence(): number {
    return 0;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
