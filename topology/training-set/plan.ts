import { MINUTE_MS } from '../../schema/clock.js';
import type { World } from '../../simulator/world.js';
import { broadWorld, REFERENCE, trainedWorld, UNTRAINED } from '../../simulator/worlds.js';

/**
 * Which fleets the default training set holds. Each is a world of its own: many fleets teach more than one large one.
 */

export const SPLITS = ['train', 'calibrate', 'test', 'untrained'] as const;
/**
 * `train` and `calibrate` are what a model may be made from. `test` are new fleets of worlds like those, `untrained`
 * fleets of worlds with parameters that no fleet of training has.
 */
export type Split = (typeof SPLITS)[number];

export interface FleetPlan {
  readonly name: string;
  readonly split: Split;
  readonly world: World;
  readonly seed: number;
  /** Slots of the fleet. */
  readonly gpus: number;
  /** GPUs a period that are sampled of those that neither fail nor have a defect to be seen. */
  readonly sampled: number;
  readonly cadenceMs: number;
}

/** Days on which periods of telemetry begin: the seasons of a year, and labels that do not overlap. */
export const PERIOD_BEGIN_DAYS = [0, 91, 182, 273] as const;
/** Days of telemetry of a period. */
export const PERIOD_DAYS = 8;
/** Days of a period at whose end rows are taken: windows of a day, of three, and full ones. */
export const ROW_DAYS = [1, 3, 8] as const;
/** Days for which a GPU is followed after the last row of a period. */
export const FOLLOW_DAYS = 90;

/** Scrape intervals of fleets one after the other, minutes: the default is 5. */
const CADENCE_MINUTES = [5, 5, 10, 5, 5, 15, 5, 2] as const;
const GPUS = 3_000;
const SAMPLED = 110;

function fleet(split: Split, number: number, world: World): FleetPlan {
  return {
    name: `${split}-${number}`,
    split,
    world,
    seed: 1_000 * (SPLITS.indexOf(split) + 1) + number,
    gpus: GPUS,
    sampled: SAMPLED,
    cadenceMs: CADENCE_MINUTES[number % CADENCE_MINUTES.length] * MINUTE_MS,
  };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/**
 * The default: 35 fleets to train on, 25 of them of the trained family and 10 of broader worlds, 4 to calibrate on, 8 of
 * known worlds and 6 of unknown ones to test on.
 */
export const DEFAULT_PLAN: readonly FleetPlan[] = [
  ...range(24).map((index) => fleet('train', index, trainedWorld(index + 1))),
  // A fleet at 30 s costs ten times as much: a small one.
  { ...fleet('train', 24, trainedWorld(25)), gpus: 600, sampled: 30, cadenceMs: MINUTE_MS / 2 },
  ...range(10).map((index) => fleet('train', 25 + index, broadWorld(1 + index))),
  ...range(4).map((index) => fleet('calibrate', index, trainedWorld(26 + index))),
  ...range(8).map((index) => fleet('test', index, index === 0 ? REFERENCE : trainedWorld(3 * index))),
  ...UNTRAINED.map((world, index) => fleet('untrained', index, world)),
];

/** A few small fleets, to see within seconds that every step works; what is learned from it is good for nothing. */
export const QUICK_PLAN: readonly FleetPlan[] = SPLITS.map((split, index) => ({
  ...fleet(split, 900 + index, split === 'untrained' ? UNTRAINED[0] : trainedWorld(index + 1)),
  gpus: 400,
  sampled: 20,
  cadenceMs: 30 * MINUTE_MS,
}));

export const PLANS: Readonly<Record<string, readonly FleetPlan[]>> = { default: DEFAULT_PLAN, quick: QUICK_PLAN };
