import { EXTRA, paneWidth } from './aggregate.js';
import { P, type PaneSet } from './pane-layout.js';

/**
 * What the readings of an hour are judged against: mean and spread over the 167 hours before it. Fixed while the hour
 * is open, because closed panes are final.
 */

/** Hours with readings, of the 167, below which nothing is judged: a day of history. */
export const MATURE_HOURS = 24;
/** Smallest excess that is a spike, °C: sensors report whole degrees, and a quiet GPU has hardly any spread. */
export const TEMP_SPIKE_CELSIUS = 5;
/** Smallest excess that is a power anomaly, W. */
export const POWER_ANOMALY_WATTS = 50;
/** Standard deviations that an excess must reach as well. */
export const SPIKE_STDS = 2;
/** "Exceeds" means by more than this: whole degrees tie, and closed panes are float32. */
export const EXCEEDS_BY = 0.001;
/** Spread of power below which temperature over power says nothing, W. */
export const RESISTANCE_MIN_POWER_STD = 5;

/** Indices of a baseline; NaN limits where nothing is judged, for NaN compares false. */
export const B = {
  /** A reading above this is beyond. */
  tempLimit: 0,
  powerLimit: 1,
  /** Temperature that power predicts: intercept + slope × power. Beyond if it exceeds that by more than the limit. */
  intercept: 2,
  slope: 3,
  residualLimit: 4,
} as const;
export const BASELINE_WIDTH = 5;

/** Least-squares slope of y over x of a pairs group, NaN if x (power) spreads too little. */
export function resistance(vector: Float64Array, pairs: number): number {
  const n = vector[pairs];
  const m2Power = vector[pairs + 3];
  // A spread of exactly 5 W counts; merging may have rounded it.
  if (n < 2 || m2Power / (n - 1) < RESISTANCE_MIN_POWER_STD ** 2 * (1 - 1e-9)) return NaN;
  return vector[pairs + 5] / m2Power;
}

/** Sample standard deviation of a moments group with spread; NaN below two readings. */
export function std(vector: Float64Array, moments: number): number {
  const n = vector[moments];
  return n < 2 ? NaN : Math.sqrt(vector[moments + 2] / (n - 1));
}

/** Computes the baseline of an hour from the aggregate of the 167 hours before it. */
export function computeBaseline(
  set: PaneSet,
  closed: Float64Array,
  at: number,
  out: Float64Array,
  outAt: number,
): void {
  const extras = at + paneWidth(set);
  const limit = (moments: number, hours: number, least: number): number =>
    closed[extras + hours] < MATURE_HOURS
      ? NaN
      : closed[at + moments + 1] + Math.max(SPIKE_STDS * std(closed, at + moments), least) + EXCEEDS_BY;
  out[outAt + B.tempLimit] = limit(P.gpuTemp, EXTRA.tempHours, TEMP_SPIKE_CELSIUS);
  out[outAt + B.powerLimit] = limit(P.powerUsage, EXTRA.powerHours, POWER_ANOMALY_WATTS);
  out[outAt + B.residualLimit] = NaN;
  if (set === 'v1' || closed[extras + EXTRA.pairHours] < MATURE_HOURS) return;
  const pairs = at + P.tempPower;
  const slope = resistance(closed, pairs);
  const residuals = Math.max(0, closed[pairs + 4] - slope * closed[pairs + 5]);
  const spread = Math.sqrt(residuals / (closed[pairs] - 1));
  out[outAt + B.slope] = slope;
  out[outAt + B.intercept] = closed[pairs + 2] - slope * closed[pairs + 1];
  out[outAt + B.residualLimit] = Math.max(SPIKE_STDS * spread, TEMP_SPIKE_CELSIUS) + EXCEEDS_BY;
}
