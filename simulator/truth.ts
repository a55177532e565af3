import { FAILURE_TYPES } from '../schema/records.js';
import { drawDefect, squareIntegral, unhealedSquareIntegral, type Defect } from './defect.js';
import type { Life } from './life.js';
import { Random } from './random.js';
import type { World } from './world.js';

/** Horizons of predictions, days. */
export const HORIZON_DAYS = [7, 30, 90] as const;

/** New defects that the mean of a law is taken over, and the days on which it is tabulated. */
const DRAWN_DEFECTS = 4_000;
const TABLE_DAYS = 90;
/** Pieces of a horizon in which a new defect may begin, and of the time in which a known one may heal. */
const PIECES = 12;

/**
 * The true risk of a GPU: the probability that it fails within a horizon, to one who knows its frailty and every defect
 * under way, and of what is still to come only the laws. Nobody can do better who does not know the future: it is the
 * all-knowing ceiling of a model. At hazard scale 1.
 */
export class Truth {
  /** By day: rate a day at frailty 1, of all kinds, of defects that kill so many days after they began. */
  private readonly killing = new Float64Array(TABLE_DAYS + 1);

  constructor(private readonly world: World) {
    FAILURE_TYPES.forEach((type, kind) => {
      const law = world.failures.defects[type];
      const random = new Random(1, `truth/${type}`);
      const weight = law.beginPerYear / 365.25 / DRAWN_DEFECTS;
      for (let drawn = 0; drawn < DRAWN_DEFECTS; drawn++) {
        const defect = drawDefect(kind, 0, law, random);
        for (let day = 1; day <= TABLE_DAYS; day++)
          this.killing[day] += weight * -Math.expm1(-law.killsPerDay * squareIntegral(defect, day));
      }
    });
  }

  /** Probability of failure within some days of a day on which the GPU is alive. @param horizonDays at most 90 */
  risk(life: Life, day: number, horizonDays: number): number {
    let logSurvival = -life.suddenHazard(day, day + horizonDays) - this.ofNewDefects(life, day, horizonDays);
    for (const defect of life.defects)
      if (defect.beginDay <= day && day < defect.healDay)
        logSurvival += Math.log(this.survives(defect, day, horizonDays));
    return -Math.expm1(logSurvival);
  }

  /** Integral of the rate at which defects begin that will have killed by the end of the horizon. */
  private ofNewDefects(life: Life, day: number, horizonDays: number): number {
    const step = horizonDays / PIECES;
    let sum = 0;
    for (let piece = 0; piece < PIECES; piece++) {
      const from = day + piece * step;
      sum += this.killingAfter(horizonDays - (piece + 0.5) * step) * life.wear(from, from + step);
    }
    return sum;
  }

  private killingAfter(days: number): number {
    const whole = Math.min(TABLE_DAYS - 1, Math.floor(days));
    return this.killing[whole] + (days - whole) * (this.killing[whole + 1] - this.killing[whole]);
  }

  /** Chance to survive a defect under way, of which nobody knows whether and when it heals. */
  private survives(defect: Defect, day: number, horizonDays: number): number {
    const { heals, healingDays, killsPerDay } = this.world.failures.defects[FAILURE_TYPES[defect.kind]];
    const hazard = (days: number): number =>
      killsPerDay * (unhealedSquareIntegral(defect, day + days) - unhealedSquareIntegral(defect, day));
    const unhealed = heals * Math.exp(-(day - defect.beginDay) / healingDays);
    const healing = unhealed / (unhealed + 1 - heals);
    const toTheEnd = Math.exp(-hazard(horizonDays));
    let healed = Math.exp(-horizonDays / healingDays) * toTheEnd;
    const step = horizonDays / PIECES;
    for (let piece = 0; piece < PIECES; piece++) {
      const share = Math.exp((-piece * step) / healingDays) - Math.exp((-(piece + 1) * step) / healingDays);
      healed += share * Math.exp(-hazard((piece + 0.5) * step));
    }
    return healing * healed + (1 - healing) * toTheEnd;
  }
}
