/** What repeats of a measurement say together. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Middle value; of an even number, the mean of the two in the middle. @throws Error for none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param digits significant digits that are kept: more would be noise */
export function spreadOf(values: readonly number[], digits = 4): Spread {
  return {
    median: significant(median(values), digits),
    min: significant(Math.min(...values), digits),
    max: significant(Math.max(...values), digits),
  };
}

/** Smallest value that at least a share of all values does not exceed. @param sorted ascending, at least one */
export function quantile(sorted: Float64Array | readonly number[], share: number): number {
  if (sorted.length === 0) throw new Error('no values');
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export function significant(value: number, digits = 4): number {
  return Number(value.toPrecision(digits));
}
