import { DAY_MS } from '../schema/clock.js';
import { FAILURE_TYPES, type FailureType } from '../schema/records.js';
import { ageAfter, ageIntegral } from './frailty.js';
import {
  dayOfSquareIntegral,
  drawDefect,
  severityAt,
  severityIntegral,
  squareIntegral,
  type Defect,
} from './defect.js';
import { Random } from './random.js';
import type { World } from './world.js';

/**
 * The latent life of a GPU: defects begin, grow, and heal or kill; sudden failures compete with them. Signals follow
 * the severity of defects and are never drawn backwards from a failure, so that many precursors lead to nothing and
 * many failures have none. Every hazard has its integral in closed form: a life is known without a step through time.
 *
 * Times are days of the simulation, 0 where it begins.
 */

/** Lives are told from so long before the simulation begins: fleets do not start without defects. */
export const BURN_IN_DAYS = 240;
/** Severity, of all kinds together, below which telemetry shows nothing that could be told from noise. */
const UNSEEN = 0.05;
const YEAR_DAYS = 365.25;

export interface LifeOptions {
  readonly world: World;
  readonly seed: number;
  /** Of the board, the same in every fleet that holds it. */
  readonly stream: string;
  /** Epoch ms of day 0. */
  readonly startMs: number;
  /** Day on which the board was put to work; may lie before day 0. */
  readonly deployedDay: number;
  /** Day up to which the life is told. */
  readonly untilDay: number;
  /** What is constant of its frailty; age comes on top. */
  readonly frailty: number;
  /** Multiplies failure rates from day 0 on; defects begin and show as ever. */
  readonly hazardScale: number;
}

interface Fate {
  readonly day: number;
  readonly type: FailureType;
  readonly sudden: boolean;
}

export class Life {
  /** Day of the failure; Infinity if there is none in the time looked at. */
  readonly failedDay: number;
  readonly failureType: FailureType | null;
  /** Whether nothing could be seen before the failure: a sudden one, and no defect of any kind to be seen. */
  readonly abrupt: boolean;
  /** Day on which the board is taken out of service healthy; Infinity if never. */
  readonly retiredDay: number;
  readonly defects: readonly Defect[];
  /** Sudden failures a day at frailty 1, of all types. */
  readonly suddenPerDay: number;

  constructor(readonly options: LifeOptions) {
    const { world, seed, stream, deployedDay, untilDay, hazardScale } = options;
    const beginDay = Math.max(-BURN_IN_DAYS, deployedDay);
    const { failures } = world;
    this.suddenPerDay = FAILURE_TYPES.reduce((sum, type) => sum + failures.suddenPerYear[type], 0) / YEAR_DAYS;
    this.defects = FAILURE_TYPES.flatMap((type, kind) => this.drawDefects(kind, type, beginDay)).sort(
      (a, b) => a.beginDay - b.beginDay,
    );
    // Before day 0 every board fails at its natural rate: who is there at the beginning does not depend on the scale.
    // Failures draw from streams of their own: another scale leaves defects, and so signals, as they are.
    const fate =
      (beginDay < 0 ? this.fate(new Random(seed, `past/${stream}`), beginDay, Math.min(0, untilDay), 1) : null) ??
      this.fate(new Random(seed, `fate/${stream}`), Math.max(0, beginDay), untilDay, hazardScale);
    const retired = beginDay + new Random(seed, `retired/${stream}`).exponential(YEAR_DAYS / failures.retiredPerYear);
    const failed = fate !== null && fate.day < retired;
    this.failedDay = failed ? fate.day : Infinity;
    this.failureType = failed ? fate.type : null;
    this.abrupt = failed && fate.sudden && this.severityOfAll(fate.day) < UNSEEN;
    this.retiredDay = failed ? Infinity : retired;
  }

  /** Day from which the board is no longer there. */
  get endDay(): number {
    return Math.min(this.failedDay, this.retiredDay);
  }

  get failedAtMs(): number {
    return this.ms(this.failedDay);
  }

  get endsAtMs(): number {
    return this.ms(this.endDay);
  }

  ms(day: number): number {
    return Math.floor(this.options.startMs + day * DAY_MS);
  }

  day(epochMs: number): number {
    return (epochMs - this.options.startMs) / DAY_MS;
  }

  /** Severity of a kind of defect (index into FAILURE_TYPES) on a day, 0–1. */
  severity(kind: number, day: number): number {
    let sum = 0;
    for (const defect of this.defects) if (defect.kind === kind) sum += severityAt(defect, day);
    return Math.min(1, sum);
  }

  /** Days at severity 1 that a kind of defect has been worth up to a day. */
  severityIntegral(kind: number, day: number): number {
    return this.defects.reduce((sum, defect) => sum + (defect.kind === kind ? severityIntegral(defect, day) : 0), 0);
  }

  /**
   * Integral of the hazard, of all causes and at hazard scale 1, over a stretch of this life as it will be: what no
   * telemetry shows, for it knows the defects that are still to come.
   */
  hazard(fromDay: number, toDay: number): number {
    return (
      this.suddenHazard(fromDay, toDay) + this.defects.reduce((sum, one) => sum + this.killing(one, fromDay, toDay), 0)
    );
  }

  /** Integral of the hazard of sudden failures. */
  suddenHazard(fromDay: number, toDay: number): number {
    return this.suddenPerDay * this.wear(fromDay, toDay);
  }

  /** Integral of frailty, age included. */
  wear(fromDay: number, toDay: number): number {
    const { deployedDay, frailty, world } = this.options;
    const to = ageIntegral(world.inventory, Math.max(0, toDay - deployedDay));
    return frailty * (to - ageIntegral(world.inventory, Math.max(0, fromDay - deployedDay)));
  }

  killsPerDay(defect: Defect): number {
    return this.options.world.failures.defects[FAILURE_TYPES[defect.kind]].killsPerDay;
  }

  private killing(defect: Defect, fromDay: number, toDay: number): number {
    return this.killsPerDay(defect) * (squareIntegral(defect, toDay) - squareIntegral(defect, fromDay));
  }

  private severityOfAll(day: number): number {
    return this.defects.reduce((sum, defect) => sum + severityAt(defect, day), 0);
  }

  /** Defects of a kind, in the order in which they begin. */
  private drawDefects(kind: number, type: FailureType, beginDay: number): Defect[] {
    const { world, seed, stream, deployedDay, untilDay, frailty } = this.options;
    const random = new Random(seed, `defects/${type}/${stream}`);
    const law = world.failures.defects[type];
    const perDay = (law.beginPerYear * frailty) / YEAR_DAYS;
    const defects: Defect[] = [];
    let age = beginDay - deployedDay;
    for (;;) {
      age = ageAfter(world.inventory, age, random.exponential(1 / perDay));
      if (!(deployedDay + age < untilDay)) return defects;
      defects.push(drawDefect(kind, deployedDay + age, law, random));
    }
  }

  /** The first failure between two days, by competing hazards: each cause has a threshold that its integral must reach. */
  private fate(random: Random, fromDay: number, toDay: number, scale: number): Fate | null {
    const { world, deployedDay, frailty } = this.options;
    const amount = random.exponential(1) / (scale * this.suddenPerDay * frailty);
    let day = deployedDay + ageAfter(world.inventory, Math.max(0, fromDay - deployedDay), amount);
    let type = this.suddenType(random);
    let sudden = true;
    for (const defect of this.defects) {
      const threshold = random.exponential(1) / (scale * this.killsPerDay(defect));
      const dies = dayOfSquareIntegral(defect, fromDay, threshold, Math.min(day, toDay));
      if (dies >= day) continue;
      day = dies;
      type = FAILURE_TYPES[defect.kind];
      sudden = false;
    }
    return day < toDay ? { day, type, sudden } : null;
  }

  private suddenType(random: Random): FailureType {
    const { suddenPerYear } = this.options.world.failures;
    let rest = random.uniform() * this.suddenPerDay * YEAR_DAYS;
    return FAILURE_TYPES.find((type) => (rest -= suddenPerYear[type]) < 0) ?? 'other';
  }
}
