import {
  isoTime,
  type AssetRecord,
  type Decision,
  type DecisionRecord,
  type FailureType,
  type FeaturesRecord,
  type Grade,
  type HealthRecord,
  type PredictionRecord,
} from '../schema/records.js';
import { HourlyHistory } from './hourly-history.js';

/** A closed hour of a GPU as gpu.panes carries it: its start (epoch ms), its samples and its aggregates by name. */
export type PaneRecord = { gpu_uuid: string; hour_start: number } & Record<string, number | string | null>;

/** The records that a view is fed with, by kind. */
export interface RecordOf {
  features: FeaturesRecord;
  predictions: PredictionRecord;
  health: HealthRecord;
  decisions: DecisionRecord;
  panes: PaneRecord;
  assets: AssetRecord;
}
export type RecordKind = keyof RecordOf;
/** Kinds of which a GPU has one newest record with an `as_of`. */
export const LATEST_KINDS = ['features', 'predictions', 'health', 'decisions'] as const;
export type LatestKind = (typeof LATEST_KINDS)[number];

/** All that is known of one GPU. */
export interface GpuState {
  readonly gpuUuid: string;
  features: FeaturesRecord | null;
  predictions: PredictionRecord | null;
  health: HealthRecord | null;
  decisions: DecisionRecord | null;
  asset: AssetRecord | null;
  /** Model and host as telemetry states them; null until it does. */
  observedModel: string | null;
  host: string | null;
  /** Null until the first pane. */
  history: HourlyHistory | null;
}

export function emptyState(gpuUuid: string): GpuState {
  return {
    gpuUuid,
    features: null,
    predictions: null,
    health: null,
    decisions: null,
    asset: null,
    observedModel: null,
    host: null,
    history: null,
  };
}

/** One line of the fleet, as JSON: field names as in the records, times in ISO 8601. */
export interface GpuSummary {
  gpu_uuid: string;
  model: string | null;
  host: string | null;
  failure_prob_30d: number | null;
  predicted_failure_type: FailureType | null;
  score: number | null;
  grade: Grade | null;
  decision: Decision | null;
  expected_value: number | null;
  newest_reading_at: string | null;
  coverage: number | null;
}

/**
 * Model of a GPU: of the asset register, else as telemetry names it, else the family that the features say.
 * @returns null where nothing tells
 */
export function modelOf(state: GpuState): string | null {
  const named = state.asset?.model ?? state.observedModel;
  if (named !== null && named !== undefined) return named;
  if (state.features?.features.model_h100 === 1) return 'H100';
  if (state.features?.features.model_a100 === 1) return 'A100';
  return null;
}

/** @returns epoch ms of the newest reading that any record of the GPU knows of; null without any */
export function newestReadingAt(state: GpuState): number | null {
  let newest: number | null = null;
  for (const kind of LATEST_KINDS) {
    const at = state[kind]?.newest_reading_at;
    if (at !== undefined && (newest === null || at > newest)) newest = at;
  }
  return newest;
}

export function summaryOf(state: GpuState): GpuSummary {
  const { predictions, health, decisions } = state;
  const newestMs = newestReadingAt(state);
  return {
    gpu_uuid: state.gpuUuid,
    model: modelOf(state),
    host: state.host,
    failure_prob_30d: predictions?.failure_prob_30d ?? null,
    predicted_failure_type: predictions?.predicted_failure_type ?? null,
    score: health?.score ?? null,
    grade: health?.grade ?? null,
    decision: decisions?.decision ?? null,
    expected_value: decisions?.expected_value ?? null,
    newest_reading_at: newestMs === null ? null : isoTime(newestMs),
    coverage: predictions?.coverage ?? health?.coverage ?? null,
  };
}
