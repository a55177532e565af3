import { DECISIONS, GRADES, isoTime } from '../schema/records.js';
import { newestReadingAt, type GpuState } from './gpu-state.js';

/**
 * Bounds of failure_prob_30d above which GPUs are counted. A fleet's base rate is 0.3 to 1 % in 30 days (permanent
 * failures of 4 to 11 % a GPU-year, as published for H100 and A100 clusters), so the lowest is a few times that.
 */
export const RISK_BANDS = [0.02, 0.05, 0.1, 0.25, 0.5] as const;
/** The band that the page calls "at risk". */
export const AT_RISK = 0.05;

/** The fleet in figures. */
export interface FleetTotals {
  gpus: number;
  /** GPUs with a prediction. */
  predicted: number;
  /** GPUs by grade; `none` for those without one. */
  by_grade: Record<string, number>;
  /** GPUs by recommended decision; `none` for those without one. */
  by_decision: Record<string, number>;
  /** Sums of the probabilities: failures to expect within so many days. */
  expected_failures: { '7d': number; '30d': number; '90d': number };
  /** GPUs whose failure_prob_30d is at least so much, by {@link RISK_BANDS}. */
  at_least: Record<string, number>;
  /** Sum of expected_value, USD, over the GPUs with a decision. */
  expected_value: number;
  /** Epoch ms of the newest reading known of any GPU; null without any. */
  newest_reading_at: number | null;
}

export function totalsOf(states: Iterable<GpuState>): FleetTotals {
  const totals: FleetTotals = {
    gpus: 0,
    predicted: 0,
    by_grade: zeros([...GRADES, 'none']),
    by_decision: zeros([...DECISIONS, 'none']),
    expected_failures: { '7d': 0, '30d': 0, '90d': 0 },
    at_least: zeros(RISK_BANDS.map(String)),
    expected_value: 0,
    newest_reading_at: null,
  };
  for (const state of states) {
    totals.gpus++;
    totals.by_grade[state.health?.grade ?? 'none']++;
    totals.by_decision[state.decisions?.decision ?? 'none']++;
    totals.expected_value += state.decisions?.expected_value ?? 0;
    const newest = newestReadingAt(state);
    if (newest !== null && !(totals.newest_reading_at !== null && totals.newest_reading_at >= newest))
      totals.newest_reading_at = newest;
    const prediction = state.predictions;
    if (prediction === null) continue;
    totals.predicted++;
    totals.expected_failures['7d'] += prediction.failure_prob_7d;
    totals.expected_failures['30d'] += prediction.failure_prob_30d;
    totals.expected_failures['90d'] += prediction.failure_prob_90d;
    for (const band of RISK_BANDS) if (prediction.failure_prob_30d >= band) totals.at_least[String(band)]++;
  }
  return totals;
}

function zeros(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}

/** The figures as JSON. */
export function totalsJson(totals: FleetTotals) {
  const { newest_reading_at: newestMs } = totals;
  return { ...totals, newest_reading_at: newestMs === null ? null : isoTime(newestMs) };
}
