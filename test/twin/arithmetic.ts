import type { Pairs, Readings, Timed } from './columns.js';

/** What the twin computes of lists of readings: two passes over everything, no sums kept. */

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const hourOf = (ms: number): number => Math.floor(ms / HOUR) * HOUR;

export type Numbers = ArrayLike<number>;

export function sum(list: Numbers): number {
  let total = 0;
  for (let index = 0; index < list.length; index++) total += list[index];
  return total;
}

export const mean = (list: Numbers): number => (list.length > 0 ? sum(list) / list.length : NaN);
export const least = (list: Float64Array): number => (list.length > 0 ? list.reduce((a, b) => Math.min(a, b)) : NaN);
export const most = (list: Float64Array): number => (list.length > 0 ? list.reduce((a, b) => Math.max(a, b)) : NaN);

/** Sum of the products of two lists' deviations from numbers given. */
function products(xs: Numbers, x: number, ys: Numbers, y: number): number {
  let total = 0;
  for (let index = 0; index < xs.length; index++) total += (xs[index] - x) * (ys[index] - y);
  return total;
}

export function std(list: Numbers): number {
  if (list.length < 2) return NaN;
  const middle = mean(list);
  return Math.sqrt(products(list, middle, list, middle) / (list.length - 1));
}

export function trend({ ms, values }: Readings): number {
  const hours = new Map<number, number[]>();
  for (const [index, value] of values.entries()) {
    const hour = hourOf(ms[index]);
    const ofHour = hours.get(hour);
    if (ofHour === undefined) hours.set(hour, [value]);
    else ofHour.push(value);
  }
  if (hours.size < 2) return NaN;
  const points = [...hours].map(([hour, ofHour]) => ({
    x: (hour + HOUR / 2) / DAY,
    y: mean(ofHour),
    w: ofHour.length,
  }));
  const weight = sum(points.map((p) => p.w));
  const x = sum(points.map((p) => p.w * p.x)) / weight;
  const y = sum(points.map((p) => p.w * p.y)) / weight;
  return sum(points.map((p) => p.w * (p.x - x) * (p.y - y))) / sum(points.map((p) => p.w * (p.x - x) ** 2));
}

export function regression({ xs, ys }: Pairs): {
  slope: number;
  intercept: number;
  residualStd: number;
  scale: number;
} {
  const spread = std(xs);
  if (!(spread >= 5)) return { slope: NaN, intercept: NaN, residualStd: NaN, scale: NaN };
  const [x, y] = [mean(xs), mean(ys)];
  const slope = products(xs, x, ys, y) / products(xs, x, xs, x);
  const intercept = y - slope * x;
  let squares = 0;
  for (let index = 0; index < xs.length; index++) squares += (ys[index] - intercept - slope * xs[index]) ** 2;
  return {
    slope,
    intercept,
    residualStd: Math.sqrt(squares / (xs.length - 1)),
    scale: y / spread,
  };
}

/** Hours that hold any of some times, which are in order. */
export function hoursIn(times: Numbers): number {
  let count = 0;
  let end = -Infinity;
  for (let index = 0; index < times.length; index++) {
    if (times[index] < end) continue;
    count++;
    end = hourOf(times[index]) + HOUR;
  }
  return count;
}

/** Baseline of an hour: what lies in the 167 hours before it, if 24 of them hold any. Kept by hour. */
function baselines<T extends Timed, R>(list: T, make: (before: T) => R): (ms: number) => R | undefined {
  const known = new Map<number, R | undefined>();
  return (ms) => {
    const hour = hourOf(ms);
    if (!known.has(hour)) {
      const before = list.between(hour - 167 * HOUR, hour);
      known.set(hour, hoursIn(before.ms) < 24 ? undefined : make(before));
    }
    return known.get(hour);
  };
}

export function levelJudge(list: Readings, atLeast: number): (index: number) => boolean | undefined {
  const baseline = baselines(list, ({ values }) => ({
    mean: mean(values),
    excess: Math.max(2 * std(values), atLeast),
  }));
  const { ms, values } = list;
  return (index) => {
    const base = baseline(ms[index]);
    return base === undefined ? undefined : values[index] - base.mean - base.excess > 0.001;
  };
}

export function residualJudge(list: Pairs): (index: number) => boolean | undefined {
  const baseline = baselines(list, regression);
  const { ms, xs, ys } = list;
  return (index) => {
    const base = baseline(ms[index]);
    if (base === undefined || Number.isNaN(base.slope)) return undefined;
    return ys[index] - (base.intercept + base.slope * xs[index]) - Math.max(2 * base.residualStd, 5) > 0.001;
  };
}
