import { FEATURES } from '../../schema/features.js';
import type { TopFactor } from '../../schema/records.js';

/** Says a factor of a prediction in words: "memory temperature 9 °C above its week, +0.8". */

type Phrase = (value: number) => string;

/** Figures for reading: three significant digits, never an exponent. */
function figure(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(6, digits))));
}

const withUnit = (value: number, unit: string): string => `${figure(value)}${unit === '%' ? '' : ' '}${unit}`;
const level =
  (noun: string, unit: string): Phrase =>
  (value) =>
    `${noun} ${withUnit(value, unit)}`;
const change =
  (noun: string, unit: string): Phrase =>
  (value) =>
    value === 0
      ? `${noun} as in its week`
      : `${noun} ${withUnit(Math.abs(value), unit)} ${value > 0 ? 'above' : 'below'} its week`;
const events =
  (one: string, many: string, when = 'in the week'): Phrase =>
  (value) =>
    `${value === 0 ? 'no' : figure(value)} ${value === 1 ? one : many} ${when}`;
const flag =
  (yes: string, no: string): Phrase =>
  (value) =>
    value === 0 ? no : yes;

const PHRASES: Readonly<Record<string, Phrase>> = {
  gpu_temp_mean: level('mean temperature', '°C'),
  gpu_temp_std: level('temperature spread', '°C'),
  gpu_temp_min: level('lowest temperature', '°C'),
  gpu_temp_max: level('highest temperature', '°C'),
  gpu_temp_trend: (value) => `temperature ${value < 0 ? 'falling' : 'rising'} ${withUnit(Math.abs(value), '°C')} a day`,
  power_usage_mean: level('mean power', 'W'),
  power_usage_std: level('power spread', 'W'),
  power_usage_cv: (value) => `power spread ${withUnit(100 * value, '%')} of its mean`,
  power_efficiency: level('SM activity for its power', '%/W'),
  sm_active_mean: level('mean SM activity', '%'),
  sm_active_std: level('SM activity spread', '%'),
  sm_occupancy_mean: level('mean SM occupancy', '%'),
  memory_util_mean: level('mean memory use', '%'),
  memory_util_std: level('memory use spread', '%'),
  thermal_throttle_count: events('thermal throttling', 'thermal throttlings'),
  power_brake_count: events('power brake', 'power brakes'),
  sw_power_cap_count: events('power cap', 'power caps'),
  ecc_sbe_event_count: events('single-bit memory error', 'single-bit memory errors'),
  ecc_dbe_event_count: events('double-bit memory error', 'double-bit memory errors'),
  temp_spike_count: events('temperature spike', 'temperature spikes'),
  power_anomaly_count: events('power spike', 'power spikes'),
  throttle_duration_hours: level('throttled for', 'h of the week'),
  gpu_age_days: (value) => `${figure(value / 365.25)} years old`,
  warranty_remaining_days: (value) =>
    value < 0 ? `warranty over for ${withUnit(-value, 'days')}` : `${withUnit(value, 'days')} of warranty left`,
  total_operating_hours: level('operated for', 'h'),
  model_a100: flag('an A100', 'no A100'),
  model_h100: flag('an H100', 'no H100'),
  gpu_temp_mean_24h_delta: change('temperature', '°C'),
  power_usage_mean_24h_delta: change('power', 'W'),
  memory_util_mean_24h_delta: change('memory use', '%'),
  ecc_sbe_24h_count: events('single-bit memory error', 'single-bit memory errors', 'in 24 h'),
  memory_temp_mean: level('mean memory temperature', '°C'),
  memory_temp_max: level('highest memory temperature', '°C'),
  memory_temp_mean_24h_delta: change('memory temperature', '°C'),
  thermal_resistance: level('thermal resistance', '°C/W'),
  thermal_resistance_24h_delta: change('thermal resistance', '°C/W'),
  thermal_residual_spike_count: events(
    'temperature spike that power does not explain',
    'temperature spikes that power does not explain',
  ),
  xid_hardware_count: events('hardware XID', 'hardware XIDs'),
  xid_precursor_count: events('XID that precedes failures', 'XIDs that precede failures'),
  xid_application_count: events('application XID', 'application XIDs'),
  hours_since_hardware_xid: (value) => `hardware XID ${withUnit(value, 'h')} ago`,
  remap_correctable_count: events('row remapped for correctable errors', 'rows remapped for correctable errors'),
  remap_uncorrectable_count: events('row remapped for uncorrectable errors', 'rows remapped for uncorrectable errors'),
  remap_correctable_total: events(
    'row remapped for correctable errors',
    'rows remapped for correctable errors',
    'in its life',
  ),
  remap_uncorrectable_total: events(
    'row remapped for uncorrectable errors',
    'rows remapped for uncorrectable errors',
    'in its life',
  ),
  remap_failure: flag('a row remap failed', 'no row remap failed'),
  pcie_replay_count: events('PCIe replay', 'PCIe replays'),
  nvlink_error_count: events('NVLink error', 'NVLink errors'),
  sm_clock_mean: level('mean SM clock', 'MHz'),
  sm_clock_std: level('SM clock spread', 'MHz'),
  sm_clock_under_load_24h_delta: change('SM clock under load', 'MHz'),
  reporting_ratio: (value) => `reported in ${withUnit(100 * value, '%')} of its hours`,
  gap_count: events('gap in its telemetry', 'gaps in its telemetry'),
  longest_gap_hours: level('longest gap in its telemetry', 'h'),
  silent_minutes: (value) => `silent for ${withUnit(value, 'min')}`,
};

const FEATURE_BY_NAME = new Map(FEATURES.map((feature) => [feature.name, feature]));

/** A feature's value in words; features without a phrase are told by name, absent ones by their description. */
export function valueInWords(feature: string, value: number | null): string {
  const known = FEATURE_BY_NAME.get(feature);
  if (value === null) return `nothing known of: ${known?.description ?? feature}`;
  return PHRASES[feature]?.(value) ?? `${known?.description ?? feature}: ${withUnit(value, known?.unit ?? '')}`.trim();
}

/** A factor in words, its contribution with sign. */
export function factorInWords({ feature, value, contribution }: TopFactor): string {
  return `${valueInWords(feature, value)}, ${contribution < 0 ? '−' : '+'}${Math.abs(contribution).toFixed(2)}`;
}
