import type { GpuModel } from '../schema/gpu-models.js';
import type { Dimension } from '../schema/records.js';

/**
 * The rules of health: what takes points from which dimension, from where to where, and why. The same table, in
 * prose, stands in docs/health.md; a test holds the two together.
 */

/** Weights of the dimensions; they sum to 1. */
export const DIMENSION_WEIGHTS: Readonly<Record<Dimension, number>> = {
  memory: 0.3,
  thermal: 0.25,
  performance: 0.2,
  power: 0.15,
  reliability: 0.1,
};

/** Below this share of weights with evidence no score is given. */
export const MIN_COVERAGE = 0.5;

/** What a model endures. */
export interface ModelLimits {
  /** Core temperature at which the hardware slows its clocks. */
  readonly slowdownCelsius: number;
  /** Highest memory temperature of regular operation. */
  readonly memoryCelsius: number;
  /** Highest board power of the family, the SXM form; smaller forms never come near it. */
  readonly boardPowerWatts: number;
}

/** For models not named below: the lowest limits of data-centre boards, and no power limit. */
export const DEFAULT_LIMITS: ModelLimits = { slowdownCelsius: 87, memoryCelsius: 95, boardPowerWatts: Infinity };

/** Limits by model, from the vendor's `nvidia-smi -q` readings and data sheets. */
export const MODEL_LIMITS: Readonly<Partial<Record<GpuModel, Partial<ModelLimits>>>> = {
  A100: { slowdownCelsius: 92, boardPowerWatts: 400 },
  H100: { slowdownCelsius: 87, boardPowerWatts: 700 },
  H200: { boardPowerWatts: 700 },
  B200: { boardPowerWatts: 1000 },
};

export interface HealthRule {
  /** Stable name, unique within the table. */
  readonly factor: string;
  readonly dimension: Dimension;
  /** Feature that is judged (schema/features.ts); NaN takes nothing. */
  readonly feature: string;
  /**
   * The value beyond which points are taken, and the value at which the most are; between the two the points grow
   * linearly. `to` below `from` means that low is bad.
   */
  readonly from: number;
  readonly to: number;
  /** Points of the dimension just beyond `from`, and at and beyond `to`. */
  readonly pointsAtFrom: number;
  readonly pointsAtTo: number;
  /** A limit of the model that `from` and `to` are differences to (°C) or multiples of (W). */
  readonly relativeTo?: keyof ModelLimits;
  /** The rule speaks only where this other feature exceeds a value. */
  readonly onlyIf?: { readonly feature: string; readonly above: number };
  /** Why it is a rule, and why these values. */
  readonly reason: string;
}

export const HEALTH_RULES: readonly HealthRule[] = [
  // memory
  {
    factor: 'double_bit_errors',
    dimension: 'memory',
    feature: 'ecc_dbe_event_count',
    from: 0,
    to: 5,
    pointsAtFrom: 40,
    pointsAtTo: 80,
    reason:
      'Data was lost or a job was killed; on Ampere and later a row is remapped, so one is survivable, five are not',
  },
  {
    factor: 'single_bit_errors',
    dimension: 'memory',
    feature: 'ecc_sbe_event_count',
    from: 10,
    to: 1000,
    pointsAtFrom: 0,
    pointsAtTo: 15,
    reason:
      'Corrected, and only weakly correlated with uncorrectable errors (Calchas, ATC 2024): never more than a hint',
  },
  {
    factor: 'rows_remapped_correctable',
    dimension: 'memory',
    feature: 'remap_correctable_count',
    from: 0,
    to: 8,
    pointsAtFrom: 5,
    pointsAtTo: 25,
    reason: 'The board gave up rows this week; eight remaps fill the spares of a bank',
  },
  {
    factor: 'rows_remapped_uncorrectable',
    dimension: 'memory',
    feature: 'remap_uncorrectable_count',
    from: 0,
    to: 4,
    pointsAtFrom: 25,
    pointsAtTo: 60,
    reason: 'Each is a row that failed with loss of data this week',
  },
  {
    factor: 'rows_remapped_uncorrectable_ever',
    dimension: 'memory',
    feature: 'remap_uncorrectable_total',
    from: 0,
    to: 8,
    pointsAtFrom: 5,
    pointsAtTo: 40,
    reason: "Eight uncorrectable remaps in one bank are the vendor's condition for replacement",
  },
  {
    factor: 'rows_remapped_correctable_ever',
    dimension: 'memory',
    feature: 'remap_correctable_total',
    from: 64,
    to: 512,
    pointsAtFrom: 0,
    pointsAtTo: 40,
    reason: "512 remaps in all are the vendor's condition for replacement",
  },
  {
    factor: 'row_remap_failed',
    dimension: 'memory',
    feature: 'remap_failure',
    from: 0,
    to: 1,
    pointsAtFrom: 100,
    pointsAtTo: 100,
    reason: 'The vendor replaces such a board',
  },
  {
    factor: 'memory_precursor_xid',
    dimension: 'memory',
    feature: 'xid_precursor_count',
    from: 0,
    to: 5,
    pointsAtFrom: 10,
    pointsAtTo: 35,
    reason: 'XID 63, 92 and 94 record remaps, a high rate of corrected errors and contained errors',
  },
  {
    factor: 'hardware_xid_memory',
    dimension: 'memory',
    feature: 'xid_hardware_count',
    from: 0,
    to: 3,
    pointsAtFrom: 20,
    pointsAtTo: 40,
    reason: 'Most hardware XIDs of a fleet are of memory (48, 64, 95, 140); the code itself is not kept',
  },
  {
    factor: 'memory_hot',
    dimension: 'memory',
    feature: 'memory_temp_mean',
    from: -10,
    to: 0,
    pointsAtFrom: 0,
    pointsAtTo: 40,
    relativeTo: 'memoryCelsius',
    reason: 'In production fleets 99.9 % of memory readings are below 73 °C; a mean near the limit is a cooling fault',
  },
  {
    factor: 'memory_over_limit',
    dimension: 'memory',
    feature: 'memory_temp_max',
    from: -2,
    to: 5,
    pointsAtFrom: 0,
    pointsAtTo: 25,
    relativeTo: 'memoryCelsius',
    reason: 'Memory came to the limit of regular operation at least once this week',
  },
  // thermal
  {
    factor: 'running_hot',
    dimension: 'thermal',
    feature: 'gpu_temp_mean',
    from: -15,
    to: 0,
    pointsAtFrom: 0,
    pointsAtTo: 60,
    relativeTo: 'slowdownCelsius',
    reason: 'In production fleets 99.9 % of readings are below 73 °C; a healthy fleet never averages 80 °C',
  },
  {
    factor: 'near_slowdown',
    dimension: 'thermal',
    feature: 'gpu_temp_max',
    from: -4,
    to: 3,
    pointsAtFrom: 0,
    pointsAtTo: 30,
    relativeTo: 'slowdownCelsius',
    reason: 'The core came to the temperature at which the hardware slows down at least once this week',
  },
  {
    factor: 'thermal_throttling',
    dimension: 'thermal',
    feature: 'thermal_throttle_count',
    from: 0,
    to: 20,
    pointsAtFrom: 10,
    pointsAtTo: 60,
    reason: 'Cooling did not keep up; 20 onsets a week is where the superseded system saw a failing GPU',
  },
  {
    factor: 'cooling_worsened',
    dimension: 'thermal',
    feature: 'thermal_resistance_24h_delta',
    from: 0.02,
    to: 0.08,
    pointsAtFrom: 0,
    pointsAtTo: 20,
    onlyIf: { feature: 'power_usage_std', above: 30 },
    reason:
      'More degrees a watt than during the week, at a whole of 0.05 to 0.1 for air-cooled boards; too noisy to judge where power hardly varies, hence few points',
  },
  // performance
  {
    factor: 'time_throttled',
    dimension: 'performance',
    feature: 'throttle_duration_hours',
    from: 0.25,
    to: 24,
    pointsAtFrom: 5,
    pointsAtTo: 70,
    reason: 'Work paid for and not done; below a quarter of an hour a week nobody notices',
  },
  {
    factor: 'clocks_fell_under_load',
    dimension: 'performance',
    feature: 'sm_clock_under_load_24h_delta',
    from: -150,
    to: -600,
    pointsAtFrom: 0,
    pointsAtTo: 30,
    reason: 'The same load runs at lower clocks than during the week; power capping explains up to about 150 MHz',
  },
  // power
  {
    factor: 'power_brake',
    dimension: 'power',
    feature: 'power_brake_count',
    from: 0,
    to: 10,
    pointsAtFrom: 15,
    pointsAtTo: 70,
    reason: 'The external power brake was pulled: supply or rack limit; regular operation knows none',
  },
  {
    factor: 'over_board_power',
    dimension: 'power',
    feature: 'power_usage_mean',
    from: 1.02,
    to: 1.15,
    pointsAtFrom: 0,
    pointsAtTo: 40,
    relativeTo: 'boardPowerWatts',
    reason: 'A weekly mean above the board limit cannot be regulation; transients are shorter',
  },
  // reliability
  {
    factor: 'hardware_xid',
    dimension: 'reliability',
    feature: 'xid_hardware_count',
    from: 0,
    to: 3,
    pointsAtFrom: 50,
    pointsAtTo: 100,
    reason: 'A fault that the driver itself takes for hardware this week',
  },
  {
    factor: 'hardware_xid_earlier',
    dimension: 'reliability',
    feature: 'hours_since_hardware_xid',
    from: 720,
    to: 168,
    pointsAtFrom: 0,
    pointsAtTo: 20,
    reason: 'A hardware fault within 30 days: such GPUs fail again more often than others',
  },
  {
    factor: 'board_to_be_replaced',
    dimension: 'reliability',
    feature: 'remap_failure',
    from: 0,
    to: 1,
    pointsAtFrom: 100,
    pointsAtTo: 100,
    reason: 'A board that the vendor replaces is not to be relied on, whatever else it reports',
  },
  {
    factor: 'application_xids_recur',
    dimension: 'reliability',
    feature: 'xid_application_count',
    from: 10,
    to: 100,
    pointsAtFrom: 0,
    pointsAtTo: 15,
    reason: "Applications' own faults; only where they keep coming back is hardware suspected",
  },
  {
    factor: 'pcie_replays',
    dimension: 'reliability',
    feature: 'pcie_replay_count',
    from: 10,
    to: 1000,
    pointsAtFrom: 0,
    pointsAtTo: 20,
    reason: 'The link repeats packets; a handful a week is regular, hundreds mean a slot, riser or board',
  },
  {
    factor: 'nvlink_errors',
    dimension: 'reliability',
    feature: 'nvlink_error_count',
    from: 100,
    to: 10_000,
    pointsAtFrom: 0,
    pointsAtTo: 25,
    reason: 'Links correct and replay errors by themselves; the rate of a bad link is orders of magnitude higher',
  },
  {
    factor: 'not_reporting',
    dimension: 'reliability',
    feature: 'reporting_ratio',
    from: 0.95,
    to: 0.5,
    pointsAtFrom: 0,
    pointsAtTo: 40,
    reason:
      'Hours without a single reading: the GPU or its host was away; a day of maintenance stays below a third of it',
  },
  {
    factor: 'long_gap',
    dimension: 'reliability',
    feature: 'longest_gap_hours',
    from: 6,
    to: 72,
    pointsAtFrom: 0,
    pointsAtTo: 20,
    reason: 'Away longer than a maintenance window of a shift',
  },
  {
    factor: 'silent_now',
    dimension: 'reliability',
    feature: 'silent_minutes',
    from: 30,
    to: 720,
    pointsAtFrom: 5,
    pointsAtTo: 60,
    reason: 'A GPU that fell off the bus shows as silence, and as nothing else',
  },
];
