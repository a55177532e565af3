import type { CalibrationBin } from './card.js';

/**
 * Confidence in a 30-day probability: coverage × certainty. Certainty is what the held-out GPUs left of doubt about
 * predictions of that size: 1 − (high − low) / (high + low), with low and high the ends of the 90 % interval of the
 * true rate in the probability's bin, widened to hold the mean prediction of the bin. It is 0 where the interval
 * reaches down to 0 and nears 1 as the interval closes.
 *
 * @param bins calibration of the model's card, ascending
 * @param coverage share of the evidence that is there, 0–1
 * @returns 0–1
 */
export function calibratedConfidence(bins: readonly CalibrationBin[], prob30d: number, coverage: number): number {
  const bin = bins.find(({ to }) => prob30d < to) ?? bins[bins.length - 1];
  const low = Math.min(bin.low, bin.predicted);
  const high = Math.max(bin.high, bin.predicted);
  if (!(high > 0)) return 0;
  return Math.min(1, Math.max(0, coverage)) * (1 - (high - low) / (high + low));
}
