import { S } from '../../schema/metrics.js';
import { C } from './gpu-record.js';

/**
 * Framebuffer inputs of a GPU, from which memory_util follows. The total is a constant of the device, kept without
 * age: as given, or used + free of one event time plus what was reserved up to then. Inputs are no readings; of each,
 * only event times after its last one count.
 */

export const INPUTS: readonly number[] = [S.fbUsed, S.fbFree, S.fbReserved, S.fbTotal];

const lastOf = (carried: Float64Array, at: number, series: number): number => carried[at + C.lastMs + series];

/**
 * Takes one input.
 * @returns whether the input is new and may change memory_util at its event time
 */
export function takeInput(carried: Float64Array, at: number, series: number, ms: number, value: number): boolean {
  if (!(ms > lastOf(carried, at, series))) return false;
  carried[at + C.lastMs + series] = ms;
  switch (series) {
    case S.fbUsed:
      carried[at + C.fbUsed] = value;
      break;
    case S.fbFree:
      carried[at + C.fbFree] = value;
      break;
    case S.fbReserved:
      carried[at + C.fbReserved] = value;
      // What is reserved later does not belong to the total that stands.
      if (ms > lastOf(carried, at, S.fbUsed)) return true;
      break;
    default:
      if (!(value > 0)) return false;
      carried[at + C.fbTotalGiven] = 1;
      setTotal(carried, at, value, ms);
      return true;
  }
  derive(carried, at);
  return true;
}

/** Newest event time of any input, −Infinity before the first. */
export const newestInputMs = (carried: Float64Array, at: number): number =>
  Math.max(...INPUTS.map((series) => lastOf(carried, at, series)));

/** Total of the newest event time at which used and free were both seen. */
function derive(carried: Float64Array, at: number): void {
  if (carried[at + C.fbTotalGiven] === 1) return;
  const ms = lastOf(carried, at, S.fbUsed);
  if (ms !== lastOf(carried, at, S.fbFree)) return;
  const total = carried[at + C.fbUsed] + carried[at + C.fbFree] + carried[at + C.fbReserved];
  if (total > 0) setTotal(carried, at, total, ms);
}

function setTotal(carried: Float64Array, at: number, total: number, ms: number): void {
  if (Number.isNaN(carried[at + C.fbTotal])) carried[at + C.fbTotalFirstMs] = ms;
  carried[at + C.fbTotal] = total;
}

/** memory_util in percent at an event time, from the used framebuffer of that time; NaN while no total is known. */
export function utilisation(carried: Float64Array, at: number, used: number, ms: number): number {
  return carried[at + C.fbTotalFirstMs] <= ms ? (100 * used) / carried[at + C.fbTotal] : NaN;
}
