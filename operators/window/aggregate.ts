import { DAY_GROUPS, P, PANE_GROUPS, V1_WIDTH, V2_WIDTH, type PaneGroup, type PaneSet } from './pane-layout.js';
import type { Ring, Run } from './ring.js';

/**
 * Aggregates of panes. A vector has one float64 a pane field, at the field's index, and behind the fields of its set
 * the extras below: what a window needs beyond the merge of its panes.
 *
 * Closed panes are folded by sums of differences from the first of them, so that nothing cancels; the open pane is
 * merged onto that by the pairwise formulas of Chan, Golub and LeVeque (1983).
 */
export const EXTRA = {
  /** Hours with a reading of any metric. */
  hours: 0,
  /** Hours with readings of gpu_temp; of power_usage; of both at the same event time. */
  tempHours: 1,
  powerHours: 2,
  pairHours: 3,
  /** Of the hours' middles, weighted by readings of gpu_temp: mean, squared deviations, products with the temperature's. */
  trendMean: 4,
  trendM2: 5,
  trendProducts: 6,
} as const;
export const EXTRA_WIDTH = 7;

/** Fields of a set's vectors, without extras. */
export function paneWidth(set: PaneSet): number {
  return set === 'v2' ? V2_WIDTH : V1_WIDTH;
}

const groupsOf = (set: PaneSet): readonly PaneGroup[] => PANE_GROUPS.filter((group) => group.at < paneWidth(set));

/** Fills a vector with the values of no readings. */
export function clearVector(set: PaneSet, vector: Float64Array, at: number): void {
  for (const group of groupsBySet[set]) {
    let index = at + group.at;
    for (const field of group.fields) vector[index++] = field.empty;
  }
}

const groupsBySet: Readonly<Record<PaneSet, readonly PaneGroup[]>> = { v1: groupsOf('v1'), v2: groupsOf('v2') };

/** The panes at hand, as they lie in a GPU's ring; others with each fold. */
let runs: readonly Run[] = [];
let gpu = 0;
let panes = 0;
/** Longest window, of those that the benchmark compares. */
const LONGEST_HOURS = 90 * 24;
// Values of the fields being folded, one a pane.
const samples = new Float64Array(LONGEST_HOURS);
const fewer = new Float64Array(LONGEST_HOURS);
/** Readings of the metric being folded: fewer than the samples, or as many. */
let counts = samples;
const first = new Float64Array(LONGEST_HOURS);
const second = new Float64Array(LONGEST_HOURS);

/** Takes the positions of some hours in hand; those without a pane hold what adds nothing. */
function take(ring: Ring, slot: number, from: number, until: number): void {
  gpu = slot;
  panes = Math.max(0, until - from);
  runs = ring.runs(from, until);
  read(ring, P.samples, samples);
  counts = samples;
}

function readCounts(ring: Ring, field: number): void {
  counts = ring.isEmpty(field, gpu) ? samples : fewer;
  if (counts === fewer) read(ring, field, fewer);
}

const read = (ring: Ring, field: number, out: Float64Array): void => ring.read(field, gpu, runs, out);

/** Panes of those read last into `counts` that hold any. */
function hoursCounted(): number {
  let hours = 0;
  for (let pane = 0; pane < panes; pane++) if (counts[pane] > 0) hours++;
  return hours;
}

/**
 * Folds closed panes of a GPU, with the extras.
 * @param from first hour, since 1970
 * @param until hour after the last; at most 168 later
 * @param zeroHour the hour that the trend counts from
 */
export function foldWindow(
  set: PaneSet,
  ring: Ring,
  slot: number,
  from: number,
  until: number,
  zeroHour: number,
  out: Float64Array,
  at: number,
): void {
  take(ring, slot, from, until);
  const extras = at + paneWidth(set);
  out[extras + EXTRA.pairHours] = 0;
  for (const group of groupsBySet[set]) {
    foldGroup(group, ring, out, at + group.at);
    switch (group.at) {
      case P.samples:
        out[extras + EXTRA.hours] = hoursCounted();
        break;
      case P.gpuTemp:
        out[extras + EXTRA.tempHours] = hoursCounted();
        foldTrend(from - zeroHour, out[at + P.gpuTemp], out[at + P.gpuTemp + 1], out, extras);
        break;
      case P.powerUsage:
        out[extras + EXTRA.powerHours] = hoursCounted();
        break;
      case P.tempPower:
        out[extras + EXTRA.pairHours] = hoursCounted();
        break;
    }
  }
}

/** Least squares of the hourly means read last into `first`, over their hours. @param firstHour of the panes at hand */
function foldTrend(firstHour: number, total: number, tempMean: number, out: Float64Array, extras: number): void {
  // Whole numbers, so their sums are exact; deviations from the mean add up to nothing, so no product needs a correction.
  let sum = 0;
  let squares = 0;
  let products = 0;
  for (let pane = 0; pane < panes; pane++) {
    const weighted = counts[pane] * pane;
    sum += weighted;
    squares += weighted * pane;
    products += weighted * (first[pane] - tempMean);
  }
  out[extras + EXTRA.trendMean] = total > 0 ? firstHour + sum / total : 0;
  out[extras + EXTRA.trendM2] = total > 0 ? squares - (sum * sum) / total : 0;
  out[extras + EXTRA.trendProducts] = products;
}

/** Folds closed panes into the layout of the 24-hour aggregate; feature set v2 only. */
export function foldDay(ring: Ring, slot: number, from: number, until: number, out: Float64Array, at: number): void {
  take(ring, slot, from, until);
  for (const group of DAY_GROUPS) foldGroup(group, ring, out, at + group.dayAt);
}

/** Folds a group of the panes at hand; leaves what was counted in `counts`, and means in `first`. */
function foldGroup(group: PaneGroup, ring: Ring, out: Float64Array, at: number): void {
  switch (group.kind) {
    case 'moments':
      foldMoments(group, ring, out, at);
      return;
    case 'pairs':
      foldPairs(group, ring, out, at);
      return;
    case 'sum':
      out[at] = sumOf(ring, group.at);
      return;
    case 'least': {
      read(ring, group.at, first);
      let least = Infinity;
      for (let pane = 0; pane < panes; pane++) if (first[pane] < least) least = first[pane];
      out[at] = least;
      return;
    }
    case 'most': {
      if (ring.isEmpty(group.at, gpu)) {
        out[at] = -Infinity;
        return;
      }
      read(ring, group.at, first);
      let most = -Infinity;
      for (let pane = 0; pane < panes; pane++) if (first[pane] > most) most = first[pane];
      out[at] = most;
      return;
    }
  }
}

/** Pane of those at hand that is the first with readings: what the others are taken from, so that squares do not cancel. */
function firstRead(): number {
  let pane = 0;
  while (pane < panes && counts[pane] === 0) pane++;
  return pane;
}

function foldMoments(group: PaneGroup, ring: Ring, out: Float64Array, at: number): void {
  readCounts(ring, group.at);
  read(ring, group.at + 1, first);
  let pane = firstRead();
  const shift = pane < panes ? first[pane] : 0;
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (; pane < panes; pane++) {
    const count = counts[pane];
    const difference = first[pane] - shift;
    const weighted = count * difference;
    n += count;
    sum += weighted;
    squares += weighted * difference;
  }
  out[at] = n;
  out[at + 1] = n > 0 ? shift + sum / n : 0;
  if (!group.spread) return;
  // What lies between the panes, then what lies within them.
  out[at + 2] = n > 0 ? Math.max(0, squares - (sum * sum) / n) + sumOf(ring, group.at + 2) : 0;
}

function foldPairs(group: PaneGroup, ring: Ring, out: Float64Array, at: number): void {
  readCounts(ring, group.at);
  read(ring, group.at + 1, first);
  read(ring, group.at + 2, second);
  let pane = firstRead();
  if (pane === panes) return void out.fill(0, at, at + group.fields.length);
  const shiftX = first[pane];
  const shiftY = second[pane];
  let n = 0;
  let sumX = 0;
  let sumY = 0;
  let squaresX = 0;
  let squaresY = 0;
  let products = 0;
  for (; pane < panes; pane++) {
    const count = counts[pane];
    const dx = first[pane] - shiftX;
    const dy = second[pane] - shiftY;
    const weightedX = count * dx;
    const weightedY = count * dy;
    n += count;
    sumX += weightedX;
    sumY += weightedY;
    squaresX += weightedX * dx;
    squaresY += weightedY * dy;
    products += weightedX * dy;
  }
  const meanX = sumX / n;
  const meanY = sumY / n;
  out[at] = n;
  out[at + 1] = shiftX + meanX;
  out[at + 2] = shiftY + meanY;
  out[at + 3] = Math.max(0, squaresX - sumX * meanX) + sumOf(ring, group.at + 3);
  out[at + 4] = Math.max(0, squaresY - sumY * meanY) + sumOf(ring, group.at + 4);
  out[at + 5] = products - sumX * meanY + sumOf(ring, group.at + 5);
}

const sumOf = (ring: Ring, field: number): number => ring.sum(field, gpu, runs, second);

/**
 * An aggregate and a pane, merged, with the extras.
 * @param x the pane's hour, as the trend counts hours
 * @param into receives the result; may be the aggregate itself
 */
export function mergePane(
  set: PaneSet,
  aggregate: Float64Array,
  at: number,
  pane: Float64Array,
  x: number,
  into: Float64Array,
): void {
  const width = paneWidth(set);
  const extras = at + width;
  for (let index = 0; index < EXTRA_WIDTH; index++) into[width + index] = aggregate[extras + index];
  if (pane[P.samples] > 0) into[width + EXTRA.hours]++;
  if (pane[P.powerUsage] > 0) into[width + EXTRA.powerHours]++;
  if (set === 'v2' && pane[P.tempPower] > 0) into[width + EXTRA.pairHours]++;
  const n = pane[P.gpuTemp];
  if (n > 0) {
    // The pane's temperatures all count at its middle: a point of weight n.
    const total = aggregate[at + P.gpuTemp];
    const share = n / (total + n);
    const weight = total * share;
    const dx = x - into[width + EXTRA.trendMean];
    const dy = pane[P.gpuTemp + 1] - aggregate[at + P.gpuTemp + 1];
    if (total > 0) {
      into[width + EXTRA.trendM2] += weight * dx * dx;
      into[width + EXTRA.trendProducts] += weight * dx * dy;
      into[width + EXTRA.trendMean] += dx * share;
    } else into[width + EXTRA.trendMean] = x;
    into[width + EXTRA.tempHours]++;
  }
  mergeFields(MERGES[set], aggregate, at, pane, into);
}

/** The same for aggregates of 24 hours, which have no extras. */
export function mergeDay(aggregate: Float64Array, at: number, pane: Float64Array, into: Float64Array): void {
  mergeFields(DAY_MERGES, aggregate, at, pane, into);
}

/** Fields by how they merge, as pairs: index in the pane, index in the aggregate. For loops without a look at groups. */
interface Merges {
  readonly levels: Int32Array;
  readonly means: Int32Array;
  readonly pairs: Int32Array;
  readonly sums: Int32Array;
  readonly least: Int32Array;
  readonly most: Int32Array;
}

function mergesOf(groups: readonly PaneGroup[], place: (group: PaneGroup) => number): Merges {
  const of = (chosen: (group: PaneGroup) => boolean): Int32Array =>
    Int32Array.from(groups.filter(chosen).flatMap((group) => [group.at, place(group)]));
  return {
    levels: of(({ kind, spread }) => kind === 'moments' && spread),
    means: of(({ kind, spread }) => kind === 'moments' && !spread),
    pairs: of(({ kind }) => kind === 'pairs'),
    sums: of(({ kind }) => kind === 'sum'),
    least: of(({ kind }) => kind === 'least'),
    most: of(({ kind }) => kind === 'most'),
  };
}

const MERGES: Readonly<Record<PaneSet, Merges>> = {
  v1: mergesOf(groupsBySet.v1, ({ at }) => at),
  v2: mergesOf(groupsBySet.v2, ({ at }) => at),
};
const DAY_MERGES = mergesOf(DAY_GROUPS, ({ dayAt }) => dayAt);

function mergeFields(
  { levels, means, pairs, sums, least, most }: Merges,
  aggregate: Float64Array,
  aggregateAt: number,
  pane: Float64Array,
  into: Float64Array,
): void {
  for (let index = 0; index < sums.length; index += 2) {
    const to = sums[index + 1];
    into[to] = aggregate[aggregateAt + to] + pane[sums[index]];
  }
  for (let index = 0; index < least.length; index += 2) {
    const to = least[index + 1];
    const value = pane[least[index]];
    const other = aggregate[aggregateAt + to];
    into[to] = value < other ? value : other;
  }
  for (let index = 0; index < most.length; index += 2) {
    const to = most[index + 1];
    const value = pane[most[index]];
    const other = aggregate[aggregateAt + to];
    into[to] = value > other ? value : other;
  }
  for (let index = 0; index < means.length; index += 2) {
    const from = means[index];
    const to = means[index + 1];
    const added = pane[from];
    const total = aggregate[aggregateAt + to] + added;
    const mean = aggregate[aggregateAt + to + 1];
    into[to] = total;
    into[to + 1] = added > 0 ? mean + ((pane[from + 1] - mean) * added) / total : mean;
  }
  for (let index = 0; index < levels.length; index += 2) {
    const from = levels[index];
    const to = levels[index + 1];
    const added = pane[from];
    const n = aggregate[aggregateAt + to];
    const mean = aggregate[aggregateAt + to + 1];
    const share = added > 0 ? added / (n + added) : 0;
    const dx = pane[from + 1] - mean;
    into[to] = n + added;
    into[to + 1] = mean + dx * share;
    into[to + 2] = aggregate[aggregateAt + to + 2] + pane[from + 2] + n * share * dx * dx;
  }
  for (let index = 0; index < pairs.length; index += 2) {
    const from = pairs[index];
    const to = pairs[index + 1];
    const at = aggregateAt + to;
    const added = pane[from];
    const n = aggregate[at];
    const meanX = aggregate[at + 1];
    const meanY = aggregate[at + 2];
    const share = added > 0 ? added / (n + added) : 0;
    const weight = n * share;
    const dx = pane[from + 1] - meanX;
    const dy = pane[from + 2] - meanY;
    into[to] = n + added;
    into[to + 1] = meanX + dx * share;
    into[to + 2] = meanY + dy * share;
    into[to + 3] = aggregate[at + 3] + pane[from + 3] + weight * dx * dx;
    into[to + 4] = aggregate[at + 4] + pane[from + 4] + weight * dy * dy;
    into[to + 5] = aggregate[at + 5] + pane[from + 5] + weight * dx * dy;
  }
}
