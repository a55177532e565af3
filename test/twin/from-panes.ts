/**
 * The features of a window from records of gpu.panes, and from the newest one of gpu.features what panes do not say: as
 * docs/features.md tells a reader to do it. Knows nothing but the fields of those records.
 */

export interface PaneRecord {
  readonly hour_start: number;
  readonly samples: number;
  readonly [aggregate: string]: number | null;
}

export interface LastRecord {
  readonly as_of: number;
  readonly newest_reading_at: number;
  readonly features: Readonly<Record<string, number | null>>;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const hourOf = (ms: number): number => Math.floor(ms / HOUR) * HOUR;

interface Moments {
  n: number;
  mean: number;
  m2: number;
}

/** Merges by the formulas of Chan, Golub and LeVeque. */
function moments(panes: readonly PaneRecord[], name: string): Moments {
  const all: Moments = { n: 0, mean: 0, m2: 0 };
  for (const pane of panes) {
    const n = pane[`${name}_n`] ?? 0;
    if (n === 0) continue;
    const d = pane[`${name}_mean`]! - all.mean;
    const total = all.n + n;
    all.m2 += (pane[`${name}_m2`] ?? 0) + (d * d * all.n * n) / total;
    all.mean += (d * n) / total;
    all.n = total;
  }
  return all;
}

const meanOf = ({ n, mean }: Moments): number => (n > 0 ? mean : NaN);
const stdOf = ({ n, m2 }: Moments): number => (n > 1 ? Math.sqrt(m2 / (n - 1)) : NaN);

/** Slope of temperature over power; NaN if the powers spread too little. */
function resistance(panes: readonly PaneRecord[]): number {
  const all = { n: 0, x: 0, y: 0, xx: 0, xy: 0 };
  for (const pane of panes) {
    const n = pane.temp_power_n ?? 0;
    if (n === 0) continue;
    const dx = pane.temp_power_mean_power! - all.x;
    const dy = pane.temp_power_mean_temp! - all.y;
    const total = all.n + n;
    all.xx += pane.temp_power_m2_power! + (dx * dx * all.n * n) / total;
    all.xy += pane.temp_power_products! + (dx * dy * all.n * n) / total;
    all.x += (dx * n) / total;
    all.y += (dy * n) / total;
    all.n = total;
  }
  return all.n > 1 && all.xx / (all.n - 1) >= 25 * (1 - 1e-9) ? all.xy / all.xx : NaN;
}

function trend(panes: readonly PaneRecord[]): number {
  const points = panes
    .filter((pane) => pane.gpu_temp_n! > 0)
    .map((pane) => ({ x: (pane.hour_start + HOUR / 2) / DAY, y: pane.gpu_temp_mean!, w: pane.gpu_temp_n! }));
  if (points.length < 2) return NaN;
  const weight = points.reduce((sum, { w }) => sum + w, 0);
  const x = points.reduce((sum, point) => sum + point.w * point.x, 0) / weight;
  const y = points.reduce((sum, point) => sum + point.w * point.y, 0) / weight;
  const products = points.reduce((sum, point) => sum + point.w * (point.x - x) * (point.y - y), 0);
  return products / points.reduce((sum, point) => sum + point.w * (point.x - x) ** 2, 0);
}

/** What is there of a field: nulls say that an hour has nothing to say. */
const values = (panes: readonly PaneRecord[], name: string): number[] =>
  panes.map((pane) => pane[name]).filter((value) => value !== null && value !== undefined);
const sum = (panes: readonly PaneRecord[], name: string): number => {
  const there = values(panes, name);
  return there.length > 0 ? there.reduce((total, value) => total + value, 0) : NaN;
};
const most = (panes: readonly PaneRecord[], name: string): number => {
  const there = values(panes, name);
  return there.length > 0 ? Math.max(...there) : NaN;
};

/**
 * @param records all hours closed, in order
 * @param last newest features record; nothing was heard after it
 * @param t a time not before it
 */
export function featuresFromPanes(records: readonly PaneRecord[], last: LastRecord, t: number): Record<string, number> {
  const since = (hours: number): PaneRecord[] => records.filter((pane) => pane.hour_start > hourOf(t) - hours * HOUR);
  const week = since(168);
  const day = since(24);
  const [temp, power, active, util] = ['gpu_temp', 'power_usage', 'sm_active', 'memory_util'].map((name) =>
    moments(week, name),
  );
  const clock = moments(week, 'sm_clock');
  const delta = (name: string): number => meanOf(moments(day, name)) - meanOf(moments(week, name));
  const later = t - last.as_of;
  const then = (name: string): number => last.features[name] ?? NaN;
  const heard = week.length > 0;
  const old = records.filter((pane) => pane.hour_start > hourOf(last.as_of) - 168 * HOUR).length;
  // Hours of the window since the GPU was first heard, then and now.
  const hoursThen = old / then('reporting_ratio');
  const hoursNow = Math.min(168, Math.round(hoursThen) + (hourOf(t) - hourOf(last.as_of)) / HOUR);
  return {
    gpu_temp_mean: meanOf(temp),
    gpu_temp_std: stdOf(temp),
    gpu_temp_min: -most(
      week.map((pane) => ({ ...pane, gpu_temp_min: pane.gpu_temp_min === null ? null : -pane.gpu_temp_min })),
      'gpu_temp_min',
    ),
    gpu_temp_max: most(week, 'gpu_temp_max'),
    gpu_temp_trend: trend(week),
    power_usage_mean: meanOf(power),
    power_usage_std: stdOf(power),
    power_usage_cv: stdOf(power) / meanOf(power),
    power_efficiency: meanOf(active) / meanOf(power),
    sm_active_mean: meanOf(active),
    sm_active_std: stdOf(active),
    sm_occupancy_mean: meanOf(moments(week, 'sm_occupancy')),
    memory_util_mean: meanOf(util),
    memory_util_std: stdOf(util),
    thermal_throttle_count: sum(week, 'thermal_throttle_onsets'),
    power_brake_count: sum(week, 'power_brake_onsets'),
    sw_power_cap_count: sum(week, 'sw_power_cap_onsets'),
    throttle_duration_hours: sum(week, 'throttle_duration_ms') / HOUR,
    ecc_sbe_event_count: sum(week, 'ecc_sbe_errors'),
    ecc_dbe_event_count: sum(week, 'ecc_dbe_errors'),
    ecc_sbe_24h_count: sum(day, 'ecc_sbe_errors'),
    temp_spike_count: sum(week, 'temp_spikes'),
    power_anomaly_count: sum(week, 'power_anomalies'),
    thermal_residual_spike_count: sum(week, 'thermal_residual_spikes'),
    gpu_temp_mean_24h_delta: delta('gpu_temp'),
    power_usage_mean_24h_delta: delta('power_usage'),
    memory_util_mean_24h_delta: delta('memory_util'),
    memory_temp_mean: meanOf(moments(week, 'memory_temp')),
    memory_temp_max: most(week, 'memory_temp_max'),
    thermal_resistance: resistance(week),
    thermal_resistance_24h_delta: resistance(day) - resistance(week),
    xid_hardware_count: heard ? sum(week, 'xid_hardware') : NaN,
    xid_precursor_count: heard ? sum(week, 'xid_precursor') : NaN,
    xid_application_count: heard ? sum(week, 'xid_application') : NaN,
    remap_correctable_count: sum(week, 'remap_correctable_rows'),
    remap_uncorrectable_count: sum(week, 'remap_uncorrectable_rows'),
    remap_correctable_total: values(week, 'remap_correctable_total').at(-1) ?? NaN,
    remap_uncorrectable_total: values(week, 'remap_uncorrectable_total').at(-1) ?? NaN,
    remap_failure: most(week, 'remap_failure'),
    pcie_replay_count: sum(week, 'pcie_replays'),
    nvlink_error_count: sum(week, 'nvlink_errors'),
    sm_clock_mean: meanOf(clock),
    sm_clock_std: stdOf(clock),
    sm_clock_under_load_24h_delta: delta('loaded_sm_clock'),
    gap_count: heard ? sum(week, 'gaps') : 0,
    longest_gap_hours: Math.max(0, ...values(week, 'longest_gap_ms')) / HOUR,
    reporting_ratio: week.length / hoursNow,
    silent_minutes: (t - last.newest_reading_at) / 60_000,
    gpu_age_days: then('gpu_age_days') + later / DAY,
    warranty_remaining_days: then('warranty_remaining_days') - later / DAY,
    hours_since_hardware_xid: then('hours_since_hardware_xid') + later / HOUR,
    model_a100: then('model_a100'),
    model_h100: then('model_h100'),
  };
}
