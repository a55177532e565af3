import { DAY_GROUPS, P, PANE_GROUPS, V1_WIDTH, V2_WIDTH, type PaneGroup, type PaneSet } from './pane-layout.js';
import type { Ring } from './ring.js';

/**
 * Aggregates of panes. A vector has one float64 a pane field, at the field's index, and behind the fields of its set
 * the extras below: what a window needs beyond the merge of its panes.
 *
 * Closed panes are folded in two passes, mean first, then squared deviations from it, so that nothing cancels; the
 * open pane is merged onto that by the pairwise formulas of Chan, Golub and LeVeque (1983).
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
  counts = ring.isZero(field, gpu) ? samples : fewer;
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
  let mean = 0;
  let m2 = 0;
  let products = 0;
  if (total > 0) {
    for (let pane = 0; pane < panes; pane++) mean += counts[pane] * (firstHour + pane);
    mean /= total;
    for (let pane = 0; pane < panes; pane++) {
      const dx = firstHour + pane - mean;
      m2 += counts[pane] * dx * dx;
      products += counts[pane] * dx * (first[pane] - tempMean);
    }
  }
  out[extras + EXTRA.trendMean] = mean;
  out[extras + EXTRA.trendM2] = m2;
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
      read(ring, group.at, first);
      let most = -Infinity;
      for (let pane = 0; pane < panes; pane++) if (first[pane] > most) most = first[pane];
      out[at] = most;
      return;
    }
  }
}

function foldMoments(group: PaneGroup, ring: Ring, out: Float64Array, at: number): void {
  readCounts(ring, group.at);
  read(ring, group.at + 1, first);
  let n = 0;
  let sum = 0;
  for (let pane = 0; pane < panes; pane++) {
    n += counts[pane];
    sum += counts[pane] * first[pane];
  }
  const mean = n > 0 ? sum / n : 0;
  out[at] = n;
  out[at + 1] = mean;
  if (!group.spread) return;
  let between = 0;
  for (let pane = 0; pane < panes; pane++) {
    const deviation = first[pane] - mean;
    between += counts[pane] * deviation * deviation;
  }
  out[at + 2] = between + sumOf(ring, group.at + 2);
}

function foldPairs(group: PaneGroup, ring: Ring, out: Float64Array, at: number): void {
  readCounts(ring, group.at);
  read(ring, group.at + 1, first);
  read(ring, group.at + 2, second);
  let n = 0;
  let sumX = 0;
  let sumY = 0;
  for (let pane = 0; pane < panes; pane++) {
    n += counts[pane];
    sumX += counts[pane] * first[pane];
    sumY += counts[pane] * second[pane];
  }
  const meanX = n > 0 ? sumX / n : 0;
  const meanY = n > 0 ? sumY / n : 0;
  out[at] = n;
  out[at + 1] = meanX;
  out[at + 2] = meanY;
  let m2X = 0;
  let m2Y = 0;
  let products = 0;
  for (let pane = 0; pane < panes; pane++) {
    const dx = first[pane] - meanX;
    const dy = second[pane] - meanY;
    m2X += counts[pane] * dx * dx;
    m2Y += counts[pane] * dy * dy;
    products += counts[pane] * dx * dy;
  }
  // What lies between the panes, then what lies within them.
  out[at + 3] = m2X + sumOf(ring, group.at + 3);
  out[at + 4] = m2Y + sumOf(ring, group.at + 4);
  out[at + 5] = products + sumOf(ring, group.at + 5);
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
  for (const group of groupsBySet[set]) mergeGroup(group, into, at + group.at, pane, paneAt + group.at);
}

/** Merges a pane onto an aggregate of 24 hours, in place. */
export function mergeDay(into: Float64Array, at: number, pane: Float64Array, paneAt: number): void {
  for (const group of DAY_GROUPS) mergeGroup(group, into, at + group.dayAt, pane, paneAt + group.at);
}

function mergeGroup(group: PaneGroup, into: Float64Array, at: number, pane: Float64Array, paneAt: number): void {
  switch (group.kind) {
    case 'sum':
      into[at] += pane[paneAt];
      return;
    case 'least':
      if (pane[paneAt] < into[at]) into[at] = pane[paneAt];
      return;
    case 'most':
      if (pane[paneAt] > into[at]) into[at] = pane[paneAt];
      return;
  }
  const added = pane[paneAt];
  if (added === 0) return;
  const n = into[at];
  const total = n + added;
  const weight = (n * added) / total;
  const dx = pane[paneAt + 1] - into[at + 1];
  into[at] = total;
  into[at + 1] += (dx * added) / total;
  if (group.kind === 'moments') {
    if (group.spread) into[at + 2] += pane[paneAt + 2] + weight * dx * dx;
    return;
  }
  const dy = pane[paneAt + 2] - into[at + 2];
  into[at + 2] += (dy * added) / total;
  into[at + 3] += pane[paneAt + 3] + weight * dx * dx;
  into[at + 4] += pane[paneAt + 4] + weight * dy * dy;
  into[at + 5] += pane[paneAt + 5] + weight * dx * dy;
}
