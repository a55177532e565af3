import { DAY_MS } from '../schema/clock.js';
import type { FailureType } from '../schema/records.js';
import { Random } from './random.js';

/**
 * The latent life of a GPU, day by day: defects begin, grow, and heal or kill; hazards compete. Signals are driven by
 * the severity of defects, never drawn backwards from a failure, so that many precursors lead to nothing and many
 * failures have none.
 */

/** Kinds of defect that show before they kill; the fifth type of failure, other, never does. */
export const DEFECTS = ['memory', 'thermal', 'power', 'interconnect'] as const satisfies readonly FailureType[];
export type DefectKind = (typeof DEFECTS)[number];

/**
 * Sudden failures a GPU-year of a median GPU, by type. Field reports give 4-11 % of failures a year in all (H100 class,
 * permanent and job-ending), memory first; at least four in ten without any numeric precursor.
 */
const SUDDEN_PER_YEAR: Readonly<Record<FailureType, number>> = {
  memory: 0.01,
  thermal: 0.002,
  power: 0.004,
  interconnect: 0.006,
  other: 0.012,
};
/** Defects that begin a GPU-year of a median GPU. */
const DEFECTS_PER_YEAR: Readonly<Record<DefectKind, number>> = {
  memory: 0.07,
  thermal: 0.03,
  power: 0.025,
  interconnect: 0.035,
};
/** Failures a day at full severity. */
const KILLS_PER_DAY: Readonly<Record<DefectKind, number>> = {
  memory: 0.004,
  thermal: 0.0027,
  power: 0.0033,
  interconnect: 0.0033,
};
/** Days in which a defect grows to half its final severity: median and spread over defects. */
const GROWTH_DAYS = 18;
const GROWTH_SIGMA = 0.7;
/** Days after which a defect that heals does so (a reseat, a firmware update, a spare row). */
const HEALING_DAYS = 60;
const HEALS = 0.45;
/** Defects may have begun so long before telemetry does. */
const BURN_IN_DAYS = 120;

interface Defect {
  readonly kind: DefectKind;
  readonly beginDay: number;
  readonly growthDays: number;
  readonly peak: number;
  readonly healDay: number;
}

export interface LifeOptions {
  readonly seed: number;
  readonly index: number;
  readonly startMs: number;
  /** Days of telemetry and of the time after it in which failures are told. */
  readonly days: number;
  /** Multiplies every failure rate; defects begin and show as ever. */
  readonly hazardScale: number;
  /** Of the GPU against a median one: batch, age, position, lemon. */
  readonly frailty: number;
}

export class Life {
  /** Epoch ms of the failure; Infinity if there is none in the time looked at. */
  readonly failedAtMs: number;
  readonly failureType: FailureType | null;
  /** Whether no defect of the type that killed was under way: nothing could be seen before. */
  readonly abrupt: boolean;
  private readonly defects: readonly Defect[];

  constructor(private readonly options: LifeOptions) {
    const random = new Random(options.seed, `life/${options.index}`);
    this.defects = drawDefects(random, options);
    let failedAtMs = Infinity;
    let failureType: FailureType | null = null;
    let abrupt = false;
    // Failures draw from a stream of their own: another hazard scale leaves defects, and so signals, as they are.
    const fate = new Random(options.seed, `fate/${options.index}`);
    for (let day = 0; day < options.days && failureType === null; day++) {
      const draw = fate.uniform();
      const [which, when] = [fate.uniform(), fate.uniform()];
      const rates = this.hazards(day + 0.5);
      const total = rates.reduce((sum, rate) => sum + rate.perDay, 0) * options.hazardScale;
      if (draw >= 1 - Math.exp(-total)) continue;
      let rest = which * rates.reduce((sum, rate) => sum + rate.perDay, 0);
      const cause = rates.find((rate) => (rest -= rate.perDay) < 0) ?? rates[rates.length - 1];
      failedAtMs = Math.floor(options.startMs + (day + when) * DAY_MS);
      failureType = cause.type;
      abrupt = cause.sudden;
    }
    this.failedAtMs = failedAtMs;
    this.failureType = failureType;
    this.abrupt = abrupt;
  }

  /** Severity of a kind of defect at a time, 0–1. */
  severity(kind: DefectKind, epochMs: number): number {
    if (this.defects.length === 0) return 0;
    return this.severityAtDay(kind, (epochMs - this.options.startMs) / DAY_MS);
  }

  /** Failures a day by every cause, at hazard scale 1: the truth that no telemetry shows in full. */
  hazardPerDay(epochMs: number): number {
    return this.hazards((epochMs - this.options.startMs) / DAY_MS).reduce((sum, rate) => sum + rate.perDay, 0);
  }

  private hazards(day: number): { type: FailureType; perDay: number; sudden: boolean }[] {
    const { frailty } = this.options;
    const rates: { type: FailureType; perDay: number; sudden: boolean }[] = [];
    for (const [type, perYear] of Object.entries(SUDDEN_PER_YEAR) as [FailureType, number][])
      rates.push({ type, perDay: (perYear / 365.25) * frailty, sudden: true });
    for (const kind of DEFECTS)
      rates.push({ type: kind, perDay: KILLS_PER_DAY[kind] * this.severityAtDay(kind, day), sudden: false });
    return rates;
  }

  private severityAtDay(kind: DefectKind, day: number): number {
    let severity = 0;
    for (const defect of this.defects) {
      if (defect.kind !== kind || day < defect.beginDay || day >= defect.healDay) continue;
      const grown = (day - defect.beginDay) / defect.growthDays;
      severity = Math.max(severity, (defect.peak * grown * grown) / (1 + grown * grown));
    }
    return severity;
  }
}

function drawDefects(random: Random, { days, frailty }: LifeOptions): Defect[] {
  const defects: Defect[] = [];
  for (const kind of DEFECTS) {
    const mean = (DEFECTS_PER_YEAR[kind] * frailty * (BURN_IN_DAYS + days)) / 365.25;
    for (let count = random.poisson(mean); count > 0; count--) {
      const beginDay = random.between(-BURN_IN_DAYS, days);
      defects.push({
        kind,
        beginDay,
        growthDays: random.logNormal(GROWTH_DAYS, GROWTH_SIGMA),
        peak: random.between(0.2, 1),
        healDay: random.chance(HEALS) ? beginDay + random.exponential(HEALING_DAYS) : Infinity,
      });
    }
  }
  return defects;
}
