/**
 * The output records: the same field names in Avro, JSON and SQL. Times are epoch ms here and in Avro
 * (timestamp-millis), ISO 8601 UTC with milliseconds in JSON (see json.ts). NaN never leaves the engine: absent is null.
 */

/** Why a record was emitted; at most one record a topic, GPU and as_of, by the first of these that applies. */
export const TRIGGERS = ['change', 'pane', 'schedule', 'interval', 'heartbeat', 'absence'] as const;
export type Trigger = (typeof TRIGGERS)[number];

interface OutputRecord {
  gpu_uuid: string;
  as_of: number;
  newest_reading_at: number;
  trigger: Trigger;
  /** Wall clock of the emitting instance. */
  emitted_at: number;
  /** Name of the emitting instance. */
  instance: string;
}

export interface FeaturesRecord extends OutputRecord {
  feature_set: string;
  features: Record<string, number | null>;
}

export const FAILURE_TYPES = ['memory', 'thermal', 'power', 'interconnect', 'other'] as const;
export type FailureType = (typeof FAILURE_TYPES)[number];

export interface TopFactor {
  feature: string;
  value: number | null;
  /** Contribution to the 30-day risk, in log-odds to first order; see models/explain/explainer.ts. */
  contribution: number;
}

export interface PredictionRecord extends OutputRecord {
  /** Model and host of the GPU, as far as they are known. */
  model: string | null;
  host: string | null;
  failure_prob_7d: number;
  failure_prob_30d: number;
  failure_prob_90d: number;
  predicted_failure_type: FailureType | null;
  failure_type_prob: number | null;
  /** Median time to failure in days; null beyond 365. */
  estimated_ttf_days: number | null;
  coverage: number;
  confidence: number;
  model_version: string;
  /** Training run that made the model, as the tracking server names it; null where that is not known. */
  run_id: string | null;
  feature_set: string;
  /** What moves the 30-day risk, strongest first; null where the model has no trees beside it. */
  top_factors: TopFactor[] | null;
}

export const GRADES = ['excellent', 'good', 'fair', 'degraded', 'poor', 'critical'] as const;
export type Grade = (typeof GRADES)[number];
export const DIMENSIONS = ['memory', 'thermal', 'performance', 'power', 'reliability'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export interface Deduction {
  factor: string;
  points: number;
  evidence: string;
}

export interface HealthRecord extends OutputRecord {
  /** 0–100; null below a coverage of 0.5. */
  score: number | null;
  grade: Grade | null;
  coverage: number;
  /** Null where a dimension has no evidence. */
  dimensions: Record<Dimension, number | null>;
  deductions: Deduction[];
}

export const DECISIONS = ['keep', 'sell', 'repurpose', 'decommission'] as const;
export type Decision = (typeof DECISIONS)[number];

export interface DecisionRecord extends OutputRecord {
  decision: Decision;
  /** NPV of the recommended option, USD. */
  expected_value: number;
  npv_keep: number;
  npv_sell: number;
  npv_repurpose: number;
  salvage_value: number;
  confidence: number;
  /** Null until Monte-Carlo draws are computed. */
  robustness: number | null;
  rationale: string;
  profile: string;
}

/** A line of the assets file and a record of gpu.assets. Dates are ISO dates as given. */
export interface AssetRecord {
  gpu_uuid: string;
  model?: string | null;
  deployment_date?: string | null;
  purchase_date?: string | null;
  warranty_end?: string | null;
  operating_hours?: number | null;
  operating_hours_at?: string | null;
  /** Production batch, as the owner names it. */
  batch?: string | null;
  /** Cage of the rack, counted from 0 at the bottom. */
  cage?: number | null;
  rack?: string | null;
  /** Slot of the cage, counted from 0. */
  slot?: number | null;
}

export const ALERT_STATES = ['firing', 'resolved'] as const;

export interface AlertRecord {
  alert: string;
  subject: string;
  gpu_uuid: string | null;
  state: (typeof ALERT_STATES)[number];
  as_of: number;
  detail: string;
}

export interface LabelRecord {
  gpu_uuid: string;
  failed_at: number;
  type: FailureType;
}

/** Epoch ms to ISO 8601 UTC with milliseconds. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

const TIME_FIELDS = ['as_of', 'newest_reading_at', 'emitted_at', 'hour_start', 'failed_at'] as const;

/** The JSON form of a record: times as ISO strings, absent numbers as null. */
export function toJson(record: object): Record<string, unknown> {
  const json: Record<string, unknown> = { ...record };
  for (const field of TIME_FIELDS) {
    const value = json[field];
    if (typeof value === 'number') json[field] = isoTime(value);
  }
  return json;
}
