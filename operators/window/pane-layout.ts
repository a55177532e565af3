import { S } from '../../schema/metrics.js';

/**
 * What an hourly pane holds, in one table. From it derive the arrays of the ring, the layout of the open pane and of
 * every aggregate (one float64 a field, at the field's index), the merging, and the records of gpu.panes.
 *
 * Closed panes are kept 168 times a GPU, so their bytes are spent with care:
 * - counts and increments take half a byte to two, and are exact: a value that does not fit goes to a side table;
 * - the readings of a metric are nearly as many as the event times of the hour, or none: a byte tells which (ring.ts);
 * - second moments and most means are float32: 6e-8 of the value, where 1e-6 is promised;
 * - gpu_temp's mean is float64, because the trend of two adjacent hours multiplies its error by 48, and so are the
 *   means of temperature and power at the same event time, whose differences make a slope.
 */

/** How a closed pane stores a field; all but f32 and f64 hold whole numbers of any size (see ring.ts). */
export type Storage = 'u4' | 'u8' | 'u16' | 'readings' | 'f32' | 'f64';

/** v1: the 27 features and what health reads, always there. v2: only where feature set v2 is kept. */
export type PaneSet = 'v1' | 'v2';

export interface PaneField {
  /** Name in gpu.panes. */
  readonly name: string;
  readonly storage: Storage;
  readonly set: PaneSet;
  /** Value in a pane without any reading. */
  readonly empty: number;
}

/**
 * Fields that merge together.
 * - moments: n, mean, and with `spread` the sum of squared deviations from the mean
 * - pairs: n, mean x, mean y, squared deviations of x and of y, products of both deviations
 * - sum, least, most: one field
 */
export type GroupKind = 'moments' | 'pairs' | 'sum' | 'least' | 'most';

export interface PaneGroup {
  readonly kind: GroupKind;
  /** Index of the group's first field. */
  readonly at: number;
  readonly fields: readonly PaneField[];
  readonly spread: boolean;
  /** Index in the aggregate of the 24 hours, −1 where no feature asks for it. */
  readonly dayAt: number;
  /** For sums and extremes: series of which one must have a reading in the hour, else gpu.panes has null. */
  readonly of: readonly number[] | 'any';
}

interface GroupOptions {
  readonly set?: PaneSet;
  /** Also kept over the last 24 hours. */
  readonly day?: boolean;
  readonly spread?: boolean;
  readonly mean?: Storage;
}

const groups: PaneGroup[] = [];
let width = 0;
let dayWidth = 0;

type FieldRow = [name: string, storage: Storage];

function add(kind: GroupKind, rows: FieldRow[], of: readonly number[] | 'any', options: GroupOptions = {}): void {
  const empty = kind === 'least' ? Infinity : kind === 'most' ? -Infinity : 0;
  groups.push({
    kind,
    at: width,
    fields: rows.map(([name, storage]) => ({ name, storage, set: options.set ?? 'v1', empty })),
    spread: options.spread ?? false,
    dayAt: options.day === true ? dayWidth : -1,
    of,
  });
  width += rows.length;
  if (options.day === true) dayWidth += rows.length;
}

function moments(name: string, options: GroupOptions = {}): void {
  const rows: FieldRow[] = [
    [`${name}_n`, 'readings'],
    [`${name}_mean`, options.mean ?? 'f32'],
  ];
  if (options.spread === true) rows.push([`${name}_m2`, 'f32']);
  add('moments', rows, 'any', options);
}

const sum = (name: string, storage: Storage, of: readonly number[] | 'any', options?: GroupOptions): void =>
  add('sum', [[name, storage]], of, options);

// Event times with an accepted reading; 0 where the hour has no pane.
sum('samples', 'u16', 'any');
moments('gpu_temp', { mean: 'f64', spread: true, day: true });
moments('power_usage', { spread: true, day: true });
moments('memory_util', { spread: true, day: true });
moments('sm_active', { spread: true });
moments('sm_occupancy');
moments('memory_temp');
add('least', [['gpu_temp_min', 'f32']], [S.gpuTemp]);
add('most', [['gpu_temp_max', 'f32']], [S.gpuTemp]);
add('most', [['memory_temp_max', 'f32']], [S.memoryTemp]);
sum('throttle_n', 'readings', [S.throttleReasons]);
sum('thermal_throttle_onsets', 'u8', [S.throttleReasons]);
sum('power_brake_onsets', 'u4', [S.throttleReasons]);
sum('sw_power_cap_onsets', 'u8', [S.throttleReasons]);
sum('throttle_duration_ms', 'f32', [S.throttleReasons]);
sum('ecc_sbe_errors', 'u16', [S.eccSbeVol, S.eccSbeAgg], { day: true });
sum('ecc_dbe_errors', 'u4', [S.eccDbeVol, S.eccDbeAgg]);
sum('temp_spikes', 'u8', [S.gpuTemp]);
sum('power_anomalies', 'u8', [S.powerUsage]);
sum('remap_correctable_rows', 'u4', [S.remapCorrectable]);
sum('remap_uncorrectable_rows', 'u4', [S.remapUncorrectable]);
sum('xid_hardware', 'u4', 'any');
sum('xid_precursor', 'u4', 'any');
sum('xid_application', 'u4', 'any');
sum('gaps', 'u4', 'any');
add('most', [['longest_gap_ms', 'f32']], 'any');

/** Fields of a store without v2: a prefix. */
export const V1_WIDTH = width;

moments('gpu_util', { set: 'v2' });
moments('sm_clock', { set: 'v2', spread: true });
// x is power (W), y the temperature (°C) at the same event time.
add(
  'pairs',
  [
    ['temp_power_n', 'readings'],
    ['temp_power_mean_power', 'f64'],
    ['temp_power_mean_temp', 'f64'],
    ['temp_power_m2_power', 'f32'],
    ['temp_power_m2_temp', 'f32'],
    ['temp_power_products', 'f32'],
  ],
  'any',
  { set: 'v2', day: true },
);
moments('loaded_sm_clock', { set: 'v2', day: true });
sum('thermal_residual_spikes', 'u8', [S.gpuTemp], { set: 'v2' });
sum('pcie_replays', 'u16', [S.pcieReplay], { set: 'v2' });
sum('nvlink_errors', 'u16', 'any', { set: 'v2' });

/** Fields of a store with v2. */
export const V2_WIDTH = width;
/** Fields of the aggregate of 24 hours. */
export const DAY_WIDTH = dayWidth;
export const PANE_GROUPS: readonly PaneGroup[] = groups;
export const DAY_GROUPS: readonly PaneGroup[] = groups.filter((group) => group.dayAt >= 0);
/** All fields, by index. */
export const PANE_FIELDS: readonly PaneField[] = groups.flatMap((group) => group.fields);

function at(name: string): number {
  const index = PANE_FIELDS.findIndex((field) => field.name === name);
  if (index < 0) throw new Error(`no pane field ${name}`);
  return index;
}

function dayAt(name: string): number {
  const index = at(name);
  const group = DAY_GROUPS.find((one) => one.at === index);
  if (group === undefined) throw new Error(`${name} is not kept over 24 hours`);
  return group.dayAt;
}

/** Indices of fields, of groups by their first; named for the code that folds and reads them. */
export const P = {
  samples: at('samples'),
  gpuTemp: at('gpu_temp_n'),
  powerUsage: at('power_usage_n'),
  memoryUtil: at('memory_util_n'),
  smActive: at('sm_active_n'),
  smOccupancy: at('sm_occupancy_n'),
  memoryTemp: at('memory_temp_n'),
  gpuUtil: at('gpu_util_n'),
  smClock: at('sm_clock_n'),
  gpuTempMin: at('gpu_temp_min'),
  gpuTempMax: at('gpu_temp_max'),
  memoryTempMax: at('memory_temp_max'),
  throttleReadings: at('throttle_n'),
  thermalOnsets: at('thermal_throttle_onsets'),
  brakeOnsets: at('power_brake_onsets'),
  capOnsets: at('sw_power_cap_onsets'),
  throttleMs: at('throttle_duration_ms'),
  eccSbe: at('ecc_sbe_errors'),
  eccDbe: at('ecc_dbe_errors'),
  tempSpikes: at('temp_spikes'),
  powerAnomalies: at('power_anomalies'),
  remapCorrectable: at('remap_correctable_rows'),
  remapUncorrectable: at('remap_uncorrectable_rows'),
  xidHardware: at('xid_hardware'),
  xidPrecursor: at('xid_precursor'),
  xidApplication: at('xid_application'),
  gaps: at('gaps'),
  longestGapMs: at('longest_gap_ms'),
  tempPower: at('temp_power_n'),
  loadedClock: at('loaded_sm_clock_n'),
  residualSpikes: at('thermal_residual_spikes'),
  pcieReplays: at('pcie_replays'),
  nvlinkErrors: at('nvlink_errors'),
} as const;

/** Fields of the open pane that only add up or grow, wherever that is seldom: they lie together in a GPU's record. */
export const OPEN_FIELDS: readonly number[] = PANE_FIELDS.map((_, index) => index).filter(
  (index) => (index >= P.thermalOnsets && index <= P.longestGapMs) || index >= P.residualSpikes,
);
export const OPEN_WIDTH = OPEN_FIELDS.length;

/** Indices among them. */
export const O = {
  thermalOnsets: OPEN_FIELDS.indexOf(P.thermalOnsets),
  brakeOnsets: OPEN_FIELDS.indexOf(P.brakeOnsets),
  capOnsets: OPEN_FIELDS.indexOf(P.capOnsets),
  throttleMs: OPEN_FIELDS.indexOf(P.throttleMs),
  eccSbe: OPEN_FIELDS.indexOf(P.eccSbe),
  eccDbe: OPEN_FIELDS.indexOf(P.eccDbe),
  tempSpikes: OPEN_FIELDS.indexOf(P.tempSpikes),
  powerAnomalies: OPEN_FIELDS.indexOf(P.powerAnomalies),
  remapCorrectable: OPEN_FIELDS.indexOf(P.remapCorrectable),
  remapUncorrectable: OPEN_FIELDS.indexOf(P.remapUncorrectable),
  xidHardware: OPEN_FIELDS.indexOf(P.xidHardware),
  xidPrecursor: OPEN_FIELDS.indexOf(P.xidPrecursor),
  xidApplication: OPEN_FIELDS.indexOf(P.xidApplication),
  gaps: OPEN_FIELDS.indexOf(P.gaps),
  longestGapMs: OPEN_FIELDS.indexOf(P.longestGapMs),
  residualSpikes: OPEN_FIELDS.indexOf(P.residualSpikes),
  pcieReplays: OPEN_FIELDS.indexOf(P.pcieReplays),
  nvlinkErrors: OPEN_FIELDS.indexOf(P.nvlinkErrors),
} as const;

/** The same for the aggregate of 24 hours. */
export const D = {
  gpuTemp: dayAt('gpu_temp_n'),
  powerUsage: dayAt('power_usage_n'),
  memoryUtil: dayAt('memory_util_n'),
  eccSbe: dayAt('ecc_sbe_errors'),
  tempPower: dayAt('temp_power_n'),
  loadedClock: dayAt('loaded_sm_clock_n'),
} as const;
