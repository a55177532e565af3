import { featureIndex, V1_FEATURES } from '../schema/features.js';

/** How much of the evidence that a prediction could rest on is there. */

const WINDOW_HOURS = 168;
/** v1 features that come from the asset register, not from telemetry. */
const FROM_ASSETS: ReadonlySet<string> = new Set([
  'gpu_age_days',
  'warranty_remaining_days',
  'total_operating_hours',
  'model_a100',
  'model_h100',
]);
const telemetryColumns = V1_FEATURES.filter((name) => !FROM_ASSETS.has(name)).map(featureIndex);
const hoursColumn = featureIndex('hours_with_readings');

/**
 * Coverage of a prediction, 0–1: the share of the window's hours that hold readings, times the share of the 22
 * telemetry features of v1 that could be computed.
 * @param values feature rows; the row starts at `offset`
 */
export function coverageOf(values: Float64Array, offset: number): number {
  const hours = values[offset + hoursColumn];
  if (!(hours > 0)) return 0;
  let present = 0;
  for (const column of telemetryColumns) if (!Number.isNaN(values[offset + column])) present++;
  return (Math.min(hours, WINDOW_HOURS) / WINDOW_HOURS) * (present / telemetryColumns.length);
}

/** Bounds between the classes: under a day of a full exporter, two days, four, and more. */
const CLASS_BOUNDS: readonly number[] = [1 / 7, 2 / 7, 4 / 7];

/** Class of a coverage, 0 (next to nothing) to 3; a prediction whose class changed is emitted at once. */
export function coverageClass(coverage: number): number {
  let index = 0;
  while (index < CLASS_BOUNDS.length && coverage >= CLASS_BOUNDS[index]) index++;
  return index;
}
