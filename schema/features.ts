/**
 * The feature catalogue: every feature with its place in the row, unit and meaning. SQL columns, Avro fields, the
 * model's inputs, feature_definitions and the docs are generated from or checked against it. The exact rules stand
 * in docs/features.md.
 */

export interface Feature {
  readonly name: string;
  readonly unit: string;
  readonly set: FeatureSet;
  readonly description: string;
}

/** v1: the 27 published features. v2: what was found to matter since. internal: evidence that health reads, unpublished. */
export type FeatureSet = 'v1' | 'v2' | 'internal';

const v1: [string, string, string][] = [
  ['gpu_temp_mean', '°C', 'Mean GPU temperature'],
  ['gpu_temp_std', '°C', 'Sample standard deviation of the GPU temperature'],
  ['gpu_temp_min', '°C', 'Lowest GPU temperature'],
  ['gpu_temp_max', '°C', 'Highest GPU temperature'],
  ['gpu_temp_trend', '°C/day', 'Least-squares slope of the hourly mean temperatures, weighted by readings'],
  ['power_usage_mean', 'W', 'Mean power draw'],
  ['power_usage_std', 'W', 'Sample standard deviation of the power draw'],
  ['power_usage_cv', 'ratio', 'power_usage_std / power_usage_mean'],
  ['power_efficiency', 'percent/W', 'sm_active_mean / power_usage_mean'],
  ['sm_active_mean', 'percent', 'Mean SM activity'],
  ['sm_active_std', 'percent', 'Sample standard deviation of SM activity'],
  ['sm_occupancy_mean', 'percent', 'Mean SM occupancy'],
  ['memory_util_mean', 'percent', 'Mean framebuffer use'],
  ['memory_util_std', 'percent', 'Sample standard deviation of framebuffer use'],
  ['thermal_throttle_count', 'onsets', 'Onsets of software or hardware thermal throttling (bits 0x60)'],
  ['power_brake_count', 'onsets', 'Onsets of the hardware power brake (bit 0x80)'],
  ['sw_power_cap_count', 'onsets', 'Onsets of the software power cap (bit 0x04)'],
  ['ecc_sbe_event_count', 'errors', 'Single-bit ECC errors'],
  ['ecc_dbe_event_count', 'errors', 'Double-bit ECC errors'],
  ['temp_spike_count', 'onsets', 'Onsets of temperature far above its mean over the 167 hours before'],
  ['power_anomaly_count', 'onsets', 'Onsets of power far above its mean over the 167 hours before'],
  ['throttle_duration_hours', 'h', 'Time under hardware slowdown, thermal throttling or power brake (bits 0xE8)'],
  ['gpu_age_days', 'days', 'Time since deployment, else purchase'],
  ['warranty_remaining_days', 'days', 'Time until the warranty ends; negative once expired'],
  ['total_operating_hours', 'h', 'Recorded hours of the asset and the hours observed since'],
  ['model_a100', '0 or 1', 'The GPU is an A100'],
  ['model_h100', '0 or 1', 'The GPU is an H100'],
];

const v2: [string, string, string][] = [
  ['gpu_temp_mean_24h_delta', '°C', 'Mean GPU temperature of the last 24 h less that of the window'],
  ['power_usage_mean_24h_delta', 'W', 'Mean power of the last 24 h less that of the window'],
  ['memory_util_mean_24h_delta', 'percent', 'Mean framebuffer use of the last 24 h less that of the window'],
  ['ecc_sbe_24h_count', 'errors', 'Single-bit ECC errors of the last 24 h'],
  ['memory_temp_mean', '°C', 'Mean memory temperature'],
  ['memory_temp_max', '°C', 'Highest memory temperature'],
  ['thermal_resistance', '°C/W', 'Least-squares slope of temperature over power at the same event time'],
  ['thermal_resistance_24h_delta', '°C/W', 'Thermal resistance of the last 24 h less that of the window'],
  ['thermal_residual_spike_count', 'onsets', 'Onsets of temperature far above what power explains'],
  ['xid_hardware_count', 'onsets', 'Onsets of XID codes that mean hardware'],
  ['xid_precursor_count', 'onsets', 'Onsets of XID codes that precede hardware failures'],
  ['xid_application_count', 'onsets', 'Onsets of XID codes that applications cause'],
  ['hours_since_hardware_xid', 'h', 'Time since the newest hardware XID'],
  ['remap_correctable_count', 'rows', 'Rows remapped for correctable errors within the window'],
  ['remap_uncorrectable_count', 'rows', 'Rows remapped for uncorrectable errors within the window'],
  ['remap_correctable_total', 'rows', 'Rows remapped for correctable errors over the life of the device'],
  ['remap_uncorrectable_total', 'rows', 'Rows remapped for uncorrectable errors over the life of the device'],
  ['remap_failure', '0 or 1', 'A row remap failed within the window'],
  ['pcie_replay_count', 'count', 'PCIe replays'],
  ['nvlink_error_count', 'count', 'NVLink errors of all counters and links'],
  ['sm_clock_mean', 'MHz', 'Mean SM clock'],
  ['sm_clock_std', 'MHz', 'Sample standard deviation of the SM clock'],
  ['sm_clock_under_load_24h_delta', 'MHz', 'Mean SM clock under load of the last 24 h less that of the window'],
  ['reporting_ratio', 'ratio', 'Hours with readings / hours of the window since the GPU was first seen'],
  ['gap_count', 'count', 'Steps between successive event times longer than a gap'],
  ['longest_gap_hours', 'h', 'Longest such step'],
  ['silent_minutes', 'min', 'Time since the newest reading'],
];

/** What health and coverage read besides the published features. */
const internal: [string, string, string][] = [
  ['hours_with_readings', 'h', 'Hours of the window that hold a reading of any metric'],
  ['performance_heard', '0 or 1', 'Whether the window holds a reading of a clock, gpu_util or sm_active'],
  ['throttle_readings', 'count', 'Readings of throttle_reasons'],
];

const of = (set: FeatureSet, rows: [string, string, string][]): Feature[] =>
  rows.map(([name, unit, description]) => ({ name, unit, set, description }));

/** All columns of a feature row, in order: v1 first, so that a model of v1 reads a prefix. */
export const FEATURES: readonly Feature[] = [...of('v1', v1), ...of('v2', v2), ...of('internal', internal)];
/** Width of a feature row. */
export const FEATURE_COUNT = FEATURES.length;
export const V1_FEATURES: readonly string[] = v1.map(([name]) => name);
export const V2_FEATURES: readonly string[] = v2.map(([name]) => name);

const indexByName = new Map(FEATURES.map((feature, index) => [feature.name, index]));

/** Column of a feature in a row; throws for an unknown name. */
export function featureIndex(name: string): number {
  const index = indexByName.get(name);
  if (index === undefined) throw new Error(`unknown feature ${name}`);
  return index;
}

/** Whether a feature of that name exists. */
export function isFeature(name: string): boolean {
  return indexByName.has(name);
}

/** Columns of features by name, for code that reads rows: `F.gpu_temp_mean`. */
export const F: Readonly<Record<string, number>> = Object.fromEntries(indexByName);

/**
 * Rows of features waiting to be scored, struct of arrays: the hand-over from windows to models, health and decisions.
 */
export interface FeatureRows {
  readonly count: number;
  /** Per row: the GPU's slot in its window store. */
  readonly slot: Int32Array;
  /** Per row: epoch ms the features hold for. */
  readonly asOfMs: Float64Array;
  /** Per row: epoch ms of the newest accepted reading. */
  readonly newestMs: Float64Array;
  /** count × FEATURE_COUNT, row by row; NaN where there is nothing to compute from. */
  readonly values: Float64Array;
}
