import { EXTRA, paneWidth } from './aggregate.js';
import { H } from './gpu-record.js';
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

/** Writes the limits of an hour into a GPU's hot record, from the aggregate of the 167 hours before it; NaN: no judging. */
export function computeBaseline(set: PaneSet, closed: Float64Array, at: number, hot: Float64Array, h: number): void {
  const extras = at + paneWidth(set);
  hot[h + H.tempLimit] = NaN;
  if (closed[extras + EXTRA.tempHours] >= MATURE_HOURS)
    hot[h + H.tempLimit] = levelLimit(closed, at + P.gpuTemp, TEMP_SPIKE_CELSIUS);
  hot[h + H.powerLimit] = NaN;
  if (closed[extras + EXTRA.powerHours] >= MATURE_HOURS)
    hot[h + H.powerLimit] = levelLimit(closed, at + P.powerUsage, POWER_ANOMALY_WATTS);
  if (set === 'v1') return;
  hot[h + H.residualLimit] = NaN;
  if (closed[extras + EXTRA.pairHours] < MATURE_HOURS) return;
  const pairs = at + P.tempPower;
  const slope = resistance(closed, pairs);
  const residuals = Math.max(0, closed[pairs + 4] - slope * closed[pairs + 5]);
  const spread = Math.sqrt(residuals / (closed[pairs] - 1));
  hot[h + H.slope] = slope;
  hot[h + H.intercept] = closed[pairs + 2] - slope * closed[pairs + 1];
  hot[h + H.residualLimit] = Math.max(SPIKE_STDS * spread, TEMP_SPIKE_CELSIUS) + EXCEEDS_BY;
}

function levelLimit(closed: Float64Array, moments: number, least: number): number {
  return closed[moments + 1] + Math.max(SPIKE_STDS * std(closed, moments), least) + EXCEEDS_BY;
}
