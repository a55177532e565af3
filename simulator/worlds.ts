import { ActuaryError } from '../schema/errors.js';
import type { FailureType } from '../schema/records.js';
import { EXPORTER_KINDS, type ExporterKind } from './exporter.js';
import { atLevel, byType } from './levels.js';
import { Random } from './random.js';
import type { DefectLaw, World } from './world.js';

/** What the mix of failures and the shape of defects are drawn around; levels are set world by world. */
const SHAPES: World = {
  name: 'shapes',
  inventory: {
    h100: 0.6,
    h200: 0,
    hostsPerBatch: 4,
    ageDays: [30, 1400],
    batchSigma: 0.45,
    positionEffect: 0.35,
    cageEffect: 0.5,
    lemons: 0.012,
    lemonFactor: 8,
    infantExcess: 0.6,
    wearDays: 1500,
  },
  failures: {
    suddenPerYear: { memory: 0.3, thermal: 0.04, power: 0.13, interconnect: 0.17, other: 0.36 },
    defects: {
      memory: {
        beginPerYear: 0.038,
        growthDays: 20,
        growthSigma: 0.7,
        killsPerDay: 0.014,
        heals: 0.45,
        healingDays: 60,
      },
      thermal: {
        beginPerYear: 0.014,
        growthDays: 30,
        growthSigma: 0.7,
        killsPerDay: 0.008,
        heals: 0.45,
        healingDays: 60,
      },
      power: {
        beginPerYear: 0.011,
        growthDays: 14,
        growthSigma: 0.7,
        killsPerDay: 0.014,
        heals: 0.35,
        healingDays: 60,
      },
      interconnect: {
        beginPerYear: 0.015,
        growthDays: 9,
        growthSigma: 0.8,
        killsPerDay: 0.014,
        heals: 0.45,
        healingDays: 30,
      },
      other: { beginPerYear: 0.011, growthDays: 9, growthSigma: 0.8, killsPerDay: 0.012, heals: 0.55, healingDays: 30 },
    },
    retiredPerYear: 0.02,
    replacementDays: 6,
  },
  signals: { memory: 1, thermal: 1, power: 1, interconnect: 1, other: 1 },
  lookAlikes: {
    noise: 1,
    noisyRisers: 0.05,
    noisySensors: 0.03,
    weakRows: 0.04,
    dustyHosts: 0.06,
    cappedHosts: 0.05,
    carelessJobs: 0.08,
  },
  air: {
    cooling: 1,
    inletCelsius: 22,
    dailySwingCelsius: 1.2,
    yearlySwingCelsius: 2.5,
    hotSpellsPerYear: 4,
    hotSpellCelsius: 4,
  },
  work: { jobHours: 9, idleHours: 4.1, wholeHost: 0.7, heavyJobs: 0.7 },
  operations: {
    rebootEveryDays: 25,
    maintenanceEveryDays: 60,
    exporterOutageEveryDays: 8,
    longOutages: 0.05,
    missedScrapes: 0.003,
  },
  exporters: {
    kinds: { full: 0.5, default: 0.33, old: 0.12, minimal: 0.05 },
    mig: 0.03,
    renamed: 0.15,
    changesEveryDays: 120,
  },
};

/** The world of `simulate` and `demo` unless told otherwise. */
export const REFERENCE = levelled(SHAPES, 'reference', 0.07, 0.46);

/** Worlds that training may see, by number; two numbers differ in everything that is drawn. */
export const TRAINED_WORLDS = 32;
export const BROAD_WORLDS = 12;

/** How far worlds of a family lie apart, where families differ: standard deviations of logarithms, and yearly rates. */
interface Spread {
  readonly perYear: readonly [number, number];
  readonly signals: number;
  readonly kills: number;
  readonly noise: number;
  readonly cooling: number;
}
/** No world of training has a defect that shows less than so: `faint-signals` is kept from it. */
const FAINTEST = 0.45;
const TRAINED: Spread = { perYear: [0.052, 0.1], signals: 0.35, kills: 0.2, noise: 0.15, cooling: 0.05 };
const BROAD: Spread = { perYear: [0.03, 0.13], signals: 0.6, kills: 0.6, noise: 0.8, cooling: 0.25 };

/** A world whose fleet loses so much a year, so much of it suddenly. */
function levelled(world: World, name: string, perYear: number, suddenShare: number): World {
  return { ...world, name, failures: atLevel(world.failures, world.inventory, perYear, suddenShare) };
}

/** All defects changed alike. */
const defects = (change: (law: DefectLaw, type: FailureType) => Partial<DefectLaw>): World['failures']['defects'] =>
  byType((type) => {
    const law = SHAPES.failures.defects[type];
    return { ...law, ...change(law, type) };
  });

/**
 * A world of the family that training sees: each parameter is drawn around the reference, independently, so that no
 * rate, mix or strength can be relied on.
 * @param number 1 … {@link TRAINED_WORLDS}
 */
export function trainedWorld(number: number): World {
  return drawWorld(`trained-${number}`, new Random(number, 'world'), TRAINED);
}

/**
 * A world that is further from the reference in what fleets differ by most: how often they fail and how surely defects
 * kill, how loud defects are and how noisy healthy boards, how well they are cooled. Learning from some of these keeps a
 * model from relying on any such level.
 * @param number 1 … {@link BROAD_WORLDS}
 */
export function broadWorld(number: number): World {
  return drawWorld(`broad-${number}`, new Random(number, 'broad world'), BROAD);
}

function drawWorld(name: string, random: Random, spread: Spread): World {
  const vary = (value: number, sigma: number): number => random.logNormal(value, sigma);
  const { failures, inventory, lookAlikes, air, work, operations } = SHAPES;
  const [perYear, suddenShare] = [random.between(...spread.perYear), random.between(0.42, 0.58)];
  const kinds = Object.fromEntries(EXPORTER_KINDS.map((kind) => [kind, random.between(0.02, 1)]));
  const all = Object.values(kinds).reduce((sum, share) => sum + share, 0);
  const world: World = {
    name,
    inventory: {
      ...inventory,
      h100: random.between(0.2, 0.7),
      h200: random.between(0, 0.3),
      ageDays: [random.between(10, 200), random.between(600, 1600)],
      batchSigma: random.between(0.25, 0.7),
      positionEffect: random.between(0.1, 0.6),
      cageEffect: random.between(0, 1),
      lemons: random.between(0.005, 0.02),
      lemonFactor: random.between(5, 11),
      infantExcess: random.between(0.2, 1.2),
      wearDays: random.between(1100, 2200),
    },
    failures: {
      ...failures,
      suddenPerYear: byType((type) => vary(failures.suddenPerYear[type], 0.3)),
      defects: byType((type) => {
        const law = failures.defects[type];
        return {
          ...law,
          beginPerYear: vary(law.beginPerYear, 0.3),
          growthDays: vary(law.growthDays, 0.3),
          killsPerDay: vary(law.killsPerDay, spread.kills),
          heals: random.between(0.3, 0.6),
          healingDays: vary(law.healingDays, 0.3),
        };
      }),
    },
    signals: byType(() => Math.max(FAINTEST, random.logNormal(1, spread.signals))),
    lookAlikes: {
      noise: vary(1, spread.noise),
      noisyRisers: vary(lookAlikes.noisyRisers, 0.4),
      noisySensors: vary(lookAlikes.noisySensors, 0.4),
      weakRows: vary(lookAlikes.weakRows, 0.4),
      dustyHosts: vary(lookAlikes.dustyHosts, 0.4),
      cappedHosts: vary(lookAlikes.cappedHosts, 0.4),
      carelessJobs: vary(lookAlikes.carelessJobs, 0.4),
    },
    air: {
      ...air,
      cooling: Math.min(1.6, Math.max(0.6, vary(1, spread.cooling))),
      inletCelsius: random.between(18, 26),
      dailySwingCelsius: random.between(0.3, 2.5),
      yearlySwingCelsius: random.between(0.5, 5),
      hotSpellsPerYear: random.between(1, 8),
    },
    work: { ...work, jobHours: vary(work.jobHours, 0.4), idleHours: vary(work.idleHours, 0.3) },
    operations: {
      rebootEveryDays: vary(operations.rebootEveryDays, 0.4),
      maintenanceEveryDays: vary(operations.maintenanceEveryDays, 0.4),
      exporterOutageEveryDays: vary(operations.exporterOutageEveryDays, 0.4),
      longOutages: random.between(0.01, 0.12),
      missedScrapes: vary(operations.missedScrapes, 0.6),
    },
    exporters: {
      kinds: Object.fromEntries(Object.entries(kinds).map(([kind, share]) => [kind, share / all])) as Record<
        ExporterKind,
        number
      >,
      mig: random.between(0, 0.08),
      renamed: random.between(0, 0.5),
      changesEveryDays: vary(120, 0.5),
    },
  };
  return levelled(world, world.name, perYear, suddenShare);
}

/**
 * Worlds that training never sees: each has parameters outside the ranges of the trained family. They tell what a model
 * is worth in a fleet that is unlike those it knows.
 */
export const UNTRAINED: readonly World[] = [
  levelled({ ...SHAPES, signals: byType(() => 0.35) }, 'faint-signals', 0.07, 0.46),
  levelled(
    {
      ...SHAPES,
      failures: {
        ...SHAPES.failures,
        suddenPerYear: { memory: 0.75, thermal: 0.02, power: 0.05, interconnect: 0.05, other: 0.13 },
        defects: defects(({ beginPerYear }, type) => ({ beginPerYear: beginPerYear * (type === 'memory' ? 3 : 0.3) })),
      },
      signals: { ...SHAPES.signals, memory: 0.6 },
    },
    'memory-heavy',
    0.09,
    0.46,
  ),
  levelled(
    {
      ...SHAPES,
      failures: {
        ...SHAPES.failures,
        suddenPerYear: { memory: 0.08, thermal: 0.02, power: 0.25, interconnect: 0.5, other: 0.15 },
        defects: defects(({ beginPerYear }, type) => ({
          beginPerYear: beginPerYear * (type === 'interconnect' ? 4 : type === 'power' ? 2 : 0.4),
        })),
      },
      lookAlikes: { ...SHAPES.lookAlikes, noisyRisers: 0.15 },
    },
    'link-heavy',
    0.06,
    0.52,
  ),
  levelled(
    {
      ...SHAPES,
      air: { ...SHAPES.air, inletCelsius: 31, yearlySwingCelsius: 7, hotSpellsPerYear: 15, hotSpellCelsius: 6 },
      lookAlikes: { ...SHAPES.lookAlikes, dustyHosts: 0.25, noisySensors: 0.1 },
    },
    'hot-hall',
    0.055,
    0.5,
  ),
  levelled(
    {
      ...SHAPES,
      failures: {
        ...SHAPES.failures,
        defects: defects(({ growthDays, killsPerDay }) => ({
          growthDays: growthDays / 4,
          killsPerDay: 2 * killsPerDay,
        })),
      },
    },
    'fast-defects',
    0.08,
    0.48,
  ),
  levelled(
    {
      ...SHAPES,
      inventory: {
        ...SHAPES.inventory,
        ageDays: [900, 2200],
        batchSigma: 1,
        cageEffect: 1.3,
        h100: 0,
        infantExcess: 0,
      },
      // In the middle of a migration: within a month every other host gets another exporter.
      exporters: {
        kinds: { full: 0, default: 0.25, old: 0.5, minimal: 0.25 },
        mig: 0.15,
        renamed: 0.2,
        changesEveryDays: 40,
      },
    },
    'old-boards',
    0.075,
    0.46,
  ),
];

/** Names that `--world` takes. */
export const WORLD_NAMES: readonly string[] = [
  REFERENCE.name,
  `trained-1 … trained-${TRAINED_WORLDS}`,
  `broad-1 … broad-${BROAD_WORLDS}`,
  ...UNTRAINED.map(({ name }) => name),
];

/** @throws ActuaryError usage for a name that is none */
export function worldNamed(name: string): World {
  const [, family, digits] = /^(trained|broad)-(\d+)$/.exec(name) ?? [];
  const number = Number(digits);
  if (family === 'trained' && number >= 1 && number <= TRAINED_WORLDS) return trainedWorld(number);
  if (family === 'broad' && number >= 1 && number <= BROAD_WORLDS) return broadWorld(number);
  const world = [REFERENCE, ...UNTRAINED].find((one) => one.name === name);
  if (world === undefined)
    throw new ActuaryError('usage', `--world ${name}: expected one of ${WORLD_NAMES.join(', ')}`);
  return world;
}
