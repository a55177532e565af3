import { FAILURE_TYPES, type FailureType } from '../schema/records.js';
import { drawDefect, squareIntegral } from './defect.js';
import { ageIntegral } from './frailty.js';
import { Random } from './random.js';
import type { FailureLaw, InventoryLaw } from './world.js';

/** Defects that the lethality of a law is estimated from, and the days that one is given to kill. */
const DRAWN_DEFECTS = 1_000;
const DAYS_TO_KILL = 730;

/**
 * The same mix of failures at another level: rates are stated as what a fleet loses, for that is what the literature
 * reports, and not as what happens to a GPU of frailty 1.
 * @param perYear failures a year and GPU of the whole fleet, about: old fleets lose their frail GPUs first
 * @param suddenShare of the failures, sudden ones; those that are abrupt to an observer are fewer by the sudden
 *   failures of GPUs in which some defect shows
 */
export function atLevel(law: FailureLaw, inventory: InventoryLaw, perYear: number, suddenShare: number): FailureLaw {
  const frailty = meanFrailty(inventory);
  const sudden = sumOf((type) => law.suddenPerYear[type]);
  const killing = sumOf((type, kind) => law.defects[type].beginPerYear * lethality(law, type, kind));
  const suddenFactor = (perYear * suddenShare) / (frailty * sudden);
  const defectFactor = (perYear * (1 - suddenShare)) / (frailty * killing);
  return {
    ...law,
    suddenPerYear: byType((type) => law.suddenPerYear[type] * suddenFactor),
    defects: byType((type) => {
      const one = law.defects[type];
      return { ...one, beginPerYear: one.beginPerYear * defectFactor };
    }),
  };
}

export function byType<T>(of: (type: FailureType, kind: number) => T): Record<FailureType, T> {
  return Object.fromEntries(FAILURE_TYPES.map((type, kind) => [type, of(type, kind)])) as Record<FailureType, T>;
}

function sumOf(of: (type: FailureType, kind: number) => number): number {
  return FAILURE_TYPES.reduce((sum, type, kind) => sum + of(type, kind), 0);
}

/** Mean over a new simulation's GPUs. */
function meanFrailty(law: InventoryLaw): number {
  const [youngest, oldest] = law.ageDays;
  const age = (ageIntegral(law, oldest) - ageIntegral(law, youngest)) / (oldest - youngest);
  return Math.exp(law.batchSigma ** 2 / 2) * (1 + law.lemons * (law.lemonFactor - 1)) * age;
}

/** Share of a kind's defects that end in a failure. */
function lethality(law: FailureLaw, type: FailureType, kind: number): number {
  const random = new Random(1, `lethality/${type}`);
  let killed = 0;
  for (let drawn = 0; drawn < DRAWN_DEFECTS; drawn++) {
    const defect = drawDefect(kind, 0, law.defects[type], random);
    killed += -Math.expm1(-law.defects[type].killsPerDay * squareIntegral(defect, DAYS_TO_KILL)) / DRAWN_DEFECTS;
  }
  return killed;
}
