import { FAILURE_TYPES } from '../schema/records.js';
import type { Board } from './population.js';
import type { Random } from './random.js';

/**
 * Which GPUs get telemetry: failures are rare, so that all GPUs that fail are taken, all that have a defect to be seen,
 * and of the others a sample, each of which stands for several. Weighted, what is counted over the sample is what would
 * be counted over the fleet (Prentice, 1986: the case-cohort design).
 */
export interface Enrolled {
  readonly board: Board;
  /** GPUs of the fleet that this one stands for. */
  readonly weight: number;
}

/** Severity from which a defect is worth looking at. */
const SEEN = 0.05;

/** Some days of a simulation, and those after them in which failures count. */
export interface Period {
  readonly beginDay: number;
  readonly days: number;
  readonly followDays: number;
}

/** @param sampled GPUs to take of those that neither fail nor have a defect to be seen; all if there are fewer */
export function enrol(boards: readonly Board[], period: Period, sampled: number, random: Random): Enrolled[] {
  const endDay = period.beginDay + period.days;
  const inService = boards.filter(({ life }) => life.options.deployedDay < endDay && life.endDay > period.beginDay);
  const taken = inService.filter((board) => isCase(board, endDay + period.followDays) || hasDefect(board, period));
  const set = new Set(taken);
  const others = inService.filter((board) => !set.has(board));
  const count = Math.min(sampled, others.length);
  // A shuffle that ends when enough have been drawn.
  for (let place = 0; place < count; place++) {
    const other = place + Math.floor(random.uniform() * (others.length - place));
    [others[place], others[other]] = [others[other], others[place]];
  }
  return [
    ...taken.map((board) => ({ board, weight: 1 })),
    ...others.slice(0, count).map((board) => ({ board, weight: others.length / count })),
  ];
}

function isCase({ life }: Board, untilDay: number): boolean {
  return life.failedDay < untilDay;
}

function hasDefect({ life }: Board, { beginDay, days }: Period): boolean {
  if (life.defects.length === 0) return false;
  for (let day = beginDay; day <= beginDay + days; day++)
    if (FAILURE_TYPES.some((_, kind) => life.severity(kind, day) >= SEEN)) return true;
  return false;
}
