import { Random } from './random.js';
import type { InventoryLaw } from './world.js';

/**
 * How often a GPU fails against one of frailty 1: batch × position × lemon, all constant, × age. What is constant is
 * one factor of a GPU; age moves, so that rates are integrals, in closed form.
 */

/** Time in which what kills new boards fades, days. */
const INFANCY_DAYS = 60;
/** Failures a year on Titan in the bottom, middle and top cage of a cabinet were 3.4, 7.1 and 11.5 %. */
const CAGES = [0.47, 0.97, 1.57] as const;
export const CAGE_COUNT = CAGES.length;

export interface Place {
  /** 0 bottom, 1 middle, 2 top of its rack. */
  readonly cage: number;
  /** Position in the host, from 0, and how many there are. */
  readonly position: number;
  readonly positions: number;
}

/** What is constant of a GPU's frailty. @param quality of its batch */
export function frailtyOf(law: InventoryLaw, quality: number, place: Place, random: Random): number {
  const cage = 1 + law.cageEffect * (CAGES[place.cage] - 1);
  const middle = place.positions > 1 ? place.position / (place.positions - 1) - 0.5 : 0;
  const lemon = random.chance(law.lemons) ? law.lemonFactor : 1;
  return quality * Math.max(0.1, cage) * (1 + law.positionEffect * middle) * lemon;
}

/** A batch's quality: median 1. */
export function batchQuality(law: InventoryLaw, random: Random): number {
  return random.logNormal(1, law.batchSigma);
}

/** The rate at an age against that of a GPU without infancy and wear. */
export function ageFactor(law: InventoryLaw, ageDays: number): number {
  return 1 + law.infantExcess * Math.exp(-ageDays / INFANCY_DAYS) + (ageDays / law.wearDays) ** 3;
}

/** Integral of {@link ageFactor} from age 0, days. */
export function ageIntegral(law: InventoryLaw, ageDays: number): number {
  const infancy = law.infantExcess * INFANCY_DAYS * (1 - Math.exp(-ageDays / INFANCY_DAYS));
  return ageDays + infancy + (ageDays / 4) * (ageDays / law.wearDays) ** 3;
}

/** Age at which the integral has grown by `amount` since `fromDays`: Newton, for the factor is never below 1. */
export function ageAfter(law: InventoryLaw, fromDays: number, amount: number): number {
  const target = ageIntegral(law, fromDays) + amount;
  let age = fromDays + amount / ageFactor(law, fromDays);
  for (let step = 0; step < 50; step++) {
    const difference = (ageIntegral(law, age) - target) / ageFactor(law, age);
    age -= difference;
    if (Math.abs(difference) < 1e-9 * (1 + age)) break;
  }
  return age;
}
