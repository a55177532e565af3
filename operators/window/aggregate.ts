import { DAY_GROUPS, P, PANE_GROUPS, V1_WIDTH, V2_WIDTH, type PaneGroup, type PaneSet } from './pane-layout.js';
import type { Ring } from './ring.js';

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

/** The panes at hand, as runs of adjacent positions of a GPU's ring; refilled by each fold. */
const runs: { position: number; count: number }[] = [];
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
  runs.length = 0;
  gpu = slot;
  panes = Math.max(0, until - from);
  ring.segments(from, until, (position, count) => runs.push({ position, count }));
  read(ring, P.samples, samples);
  counts = samples;
}

function readCounts(ring: Ring, field: number): void {
  counts = ring.isEmpty(field, gpu) ? samples : fewer;
  if (counts === fewer) read(ring, field, fewer);
}

function read(ring: Ring, field: number, out: Float64Array): void {
  let at = 0;
  for (const { position, count } of runs) {
    ring.read(field, gpu, position, count, out, at);
    at += count;
  }
}

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

function sumOf(ring: Ring, field: number): number {
  let sum = 0;
  for (const { position, count } of runs) sum += ring.sum(field, gpu, position, count, second);
  return sum;
}

/**
 * Merges a pane onto an aggregate, in place, with the extras.
 * @param x the pane's hour, as the trend counts hours
 */
export function mergePane(
  set: PaneSet,
  into: Float64Array,
  at: number,
  pane: Float64Array,
  paneAt: number,
  x: number,
): void {
  const n = pane[paneAt + P.gpuTemp];
  const extras = at + paneWidth(set);
  if (pane[paneAt + P.samples] > 0) into[extras + EXTRA.hours]++;
  if (pane[paneAt + P.powerUsage] > 0) into[extras + EXTRA.powerHours]++;
  if (set === 'v2' && pane[paneAt + P.tempPower] > 0) into[extras + EXTRA.pairHours]++;
  if (n > 0) {
    // The pane's temperatures all count at its middle: a point of weight n.
    const total = into[at + P.gpuTemp];
    const dx = x - into[extras + EXTRA.trendMean];
    const dy = pane[paneAt + P.gpuTemp + 1] - into[at + P.gpuTemp + 1];
    const weight = (total * n) / (total + n);
    if (total > 0) {
      into[extras + EXTRA.trendM2] += weight * dx * dx;
      into[extras + EXTRA.trendProducts] += weight * dx * dy;
      into[extras + EXTRA.trendMean] += (dx * n) / (total + n);
    } else into[extras + EXTRA.trendMean] = x;
    into[extras + EXTRA.tempHours]++;
  }
  mergeFields(MERGES[set], into, at, pane, paneAt);
}

/** Merges a pane onto an aggregate of 24 hours, in place. */
export function mergeDay(into: Float64Array, at: number, pane: Float64Array, paneAt: number): void {
  mergeFields(DAY_MERGES, into, at, pane, paneAt);
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
  into: Float64Array,
  intoAt: number,
  pane: Float64Array,
  paneAt: number,
): void {
  for (let index = 0; index < sums.length; index += 2) into[intoAt + sums[index + 1]] += pane[paneAt + sums[index]];
  for (let index = 0; index < least.length; index += 2) {
    const value = pane[paneAt + least[index]];
    if (value < into[intoAt + least[index + 1]]) into[intoAt + least[index + 1]] = value;
  }
  for (let index = 0; index < most.length; index += 2) {
    const value = pane[paneAt + most[index]];
    if (value > into[intoAt + most[index + 1]]) into[intoAt + most[index + 1]] = value;
  }
  for (let index = 0; index < means.length; index += 2) {
    const from = paneAt + means[index];
    const at = intoAt + means[index + 1];
    const added = pane[from];
    if (added === 0) continue;
    const total = into[at] + added;
    into[at] = total;
    into[at + 1] += ((pane[from + 1] - into[at + 1]) * added) / total;
  }
  for (let index = 0; index < levels.length; index += 2) {
    const from = paneAt + levels[index];
    const at = intoAt + levels[index + 1];
    const added = pane[from];
    if (added === 0) continue;
    const n = into[at];
    const share = added / (n + added);
    const dx = pane[from + 1] - into[at + 1];
    into[at] = n + added;
    into[at + 1] += dx * share;
    into[at + 2] += pane[from + 2] + n * share * dx * dx;
  }
  for (let index = 0; index < pairs.length; index += 2) {
    const from = paneAt + pairs[index];
    const at = intoAt + pairs[index + 1];
    const added = pane[from];
    if (added === 0) continue;
    const n = into[at];
    const share = added / (n + added);
    const weight = n * share;
    const dx = pane[from + 1] - into[at + 1];
    const dy = pane[from + 2] - into[at + 2];
    into[at] = n + added;
    into[at + 1] += dx * share;
    into[at + 2] += dy * share;
    into[at + 3] += pane[from + 3] + weight * dx * dx;
    into[at + 4] += pane[from + 4] + weight * dy * dy;
    into[at + 5] += pane[from + 5] + weight * dx * dy;
  }
}
