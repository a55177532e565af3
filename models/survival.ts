/**
 * The survival curve behind three cumulative probabilities: the hazard is constant within 0–7, 7–30 and 30–90 days,
 * and beyond 90 days that of 30–90 goes on.
 */

/** Ends of the horizons, days. */
export const HORIZON_DAYS = [7, 30, 90] as const;
/** A median beyond this is not stated: the model has seen nothing like it. */
export const MAX_TTF_DAYS = 365;

/** Cumulative hazard at which half have failed. */
const MEDIAN = Math.LN2;

/**
 * Median time to failure.
 * @param prob7d cumulative probabilities of failure, 0–1, never falling from one to the next
 * @returns days; null beyond {@link MAX_TTF_DAYS}
 */
export function estimatedTtfDays(prob7d: number, prob30d: number, prob90d: number): number | null {
  const probabilities = [prob7d, prob30d, prob90d];
  let startDays = 0;
  let hazard = 0;
  let ratePerDay = 0;
  for (let piece = 0; piece < HORIZON_DAYS.length; piece++) {
    const endHazard = -Math.log1p(-probabilities[piece]);
    ratePerDay = (endHazard - hazard) / (HORIZON_DAYS[piece] - startDays);
    // A certain failure has an infinite hazard: the median is where its piece begins.
    if (endHazard >= MEDIAN) return startDays + (MEDIAN - hazard) / ratePerDay;
    startDays = HORIZON_DAYS[piece];
    hazard = endHazard;
  }
  const days = startDays + (MEDIAN - hazard) / ratePerDay;
  return days <= MAX_TTF_DAYS ? days : null;
}

/** Probabilities of 7, 30 and 90 days where the hazard of 30 days is constant. */
export function atConstantHazard(prob30d: number): [number, number, number] {
  const ratePerDay = -Math.log1p(-prob30d) / 30;
  return [-Math.expm1(-7 * ratePerDay), prob30d, -Math.expm1(-90 * ratePerDay)];
}
