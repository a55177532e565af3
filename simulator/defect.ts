import type { Random } from './random.js';
import type { DefectLaw } from './world.js';

/**
 * A latent defect. Its severity, 0–1, grows along peak × g² / (1 + g²) with g the time since it began in units of its
 * growth time, until it heals, if it does. It kills at killsPerDay × severity². Times are days of the simulation.
 */
export interface Defect {
  /** Index into FAILURE_TYPES. */
  readonly kind: number;
  readonly beginDay: number;
  readonly growthDays: number;
  readonly peak: number;
  /** Infinity for one that never heals. */
  readonly healDay: number;
}

/** Least severity that a defect grows to, and that of the worst. */
export const PEAKS = [0.15, 1] as const;

export function drawDefect(kind: number, beginDay: number, law: DefectLaw, random: Random): Defect {
  const growthDays = random.logNormal(law.growthDays, law.growthSigma);
  const peak = random.between(...PEAKS);
  const healDay = random.chance(law.heals) ? beginDay + random.exponential(law.healingDays) : Infinity;
  return { kind, beginDay, growthDays, peak, healDay };
}

export function severityAt(defect: Defect, day: number): number {
  if (day < defect.beginDay || day >= defect.healDay) return 0;
  const g = (day - defect.beginDay) / defect.growthDays;
  return (defect.peak * g * g) / (1 + g * g);
}

/** Integral of the severity up to a day. */
export function severityIntegral(defect: Defect, day: number): number {
  const g = (Math.min(day, defect.healDay) - defect.beginDay) / defect.growthDays;
  return g <= 0 ? 0 : defect.peak * defect.growthDays * (g - Math.atan(g));
}

/** Integral of severity² up to a day, were the defect never to heal. */
export function unhealedSquareIntegral(defect: Defect, day: number): number {
  const g = (day - defect.beginDay) / defect.growthDays;
  if (g <= 0) return 0;
  // Near 0 the closed form is a difference of nearly equal numbers; there it is g⁵/5.
  const grown = g < 0.02 ? g ** 5 / 5 : g + g / (2 * (1 + g * g)) - 1.5 * Math.atan(g);
  return defect.peak ** 2 * defect.growthDays * grown;
}

/** Integral of severity² up to a day. */
export function squareIntegral(defect: Defect, day: number): number {
  return unhealedSquareIntegral(defect, Math.min(day, defect.healDay));
}

/**
 * Day on which the integral of severity² has grown by `amount` since `fromDay`; Infinity if it never does before
 * `untilDay`.
 */
export function dayOfSquareIntegral(defect: Defect, fromDay: number, amount: number, untilDay: number): number {
  let low = Math.max(fromDay, defect.beginDay);
  const end = Math.min(untilDay, defect.healDay);
  const target = squareIntegral(defect, low) + amount;
  if (!(end > low) || squareIntegral(defect, end) < target) return Infinity;
  // Bounds that do not depend on `untilDay`: to look further changes nothing.
  let high = low + 1;
  while (high < end && squareIntegral(defect, high) < target) high += high - low;
  // A minute is near enough.
  while (high - low > 1 / 1440) {
    const middle = (low + high) / 2;
    if (squareIntegral(defect, middle) < target) low = middle;
    else high = middle;
  }
  return high;
}
