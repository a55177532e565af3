import type { FeaturesRecord } from './records.js';

/** Above the median of its host's other GPUs by so much, °C, a GPU is hot beside its neighbours. */
export interface Neighbours {
  /** Mean temperature of the last 24 h, else of the window, °C. */
  readonly celsius: number;
  /** Less the median of the others. */
  readonly aboveCelsius: number;
  readonly others: number;
}

/** Fewer others say little of what is usual in a host. */
const LEAST_OTHERS = 2;

/** @returns null where there is nothing to compare with */
export function besideNeighbours(own: FeaturesRecord, others: Iterable<FeaturesRecord>): Neighbours | null {
  const celsius = temperatureOf(own);
  const theirs = [...others].map(temperatureOf).filter((value) => !Number.isNaN(value));
  if (Number.isNaN(celsius) || theirs.length < LEAST_OTHERS) return null;
  theirs.sort((a, b) => a - b);
  const middle = theirs.length >> 1;
  const median = theirs.length % 2 === 1 ? theirs[middle] : (theirs[middle - 1] + theirs[middle]) / 2;
  return { celsius, aboveCelsius: celsius - median, others: theirs.length };
}

function temperatureOf({ features }: FeaturesRecord): number {
  const mean = features.gpu_temp_mean ?? NaN;
  return mean + (features.gpu_temp_mean_24h_delta ?? 0);
}
