import { DAY_GROUPS, P, PANE_GROUPS, V1_WIDTH, V2_WIDTH, type PaneGroup, type PaneSet } from './pane-layout.js';
import { WINDOW_HOURS, cellOf, type Ring } from './ring.js';

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

// The panes at hand: their cells and hours, and values of the fields being folded. Refilled by each fold.
const cells = new Int32Array(WINDOW_HOURS);
const hours = new Float64Array(WINDOW_HOURS);
const counts = new Float64Array(WINDOW_HOURS);
const first = new Float64Array(WINDOW_HOURS);
const second = new Float64Array(WINDOW_HOURS);
const third = new Float64Array(WINDOW_HOURS);

/** Finds the panes that hold anything. @returns how many */
function findPanes(ring: Ring, slot: number, from: number, until: number): number {
  let found = 0;
  for (let hour = from; hour < until; hour++) {
    const cell = cellOf(slot, hour);
    if (ring.get(P.samples, cell) === 0) continue;
    cells[found] = cell;
    hours[found++] = hour;
  }
  return found;
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
  const panes = findPanes(ring, slot, from, until);
  for (const group of groupsBySet[set]) foldGroup(group, ring, panes, out, at + group.at);
  const extras = at + paneWidth(set);
  out[extras + EXTRA.hours] = panes;
  out[extras + EXTRA.powerHours] = hoursOf(ring, P.powerUsage, panes);
  out[extras + EXTRA.pairHours] = set === 'v2' ? hoursOf(ring, P.tempPower, panes) : 0;
  // Last, because the trend reads the counts of gpu_temp that this leaves behind.
  out[extras + EXTRA.tempHours] = hoursOf(ring, P.gpuTemp, panes);
  const total = out[at + P.gpuTemp];
  const tempMean = out[at + P.gpuTemp + 1];
  let trendMean = 0;
  let trendM2 = 0;
  let products = 0;
  if (total > 0) {
    ring.gather(P.gpuTemp + 1, cells, panes, first);
    for (let pane = 0; pane < panes; pane++) trendMean += counts[pane] * (hours[pane] - zeroHour);
    trendMean /= total;
    for (let pane = 0; pane < panes; pane++) {
      const dx = hours[pane] - zeroHour - trendMean;
      trendM2 += counts[pane] * dx * dx;
      products += counts[pane] * dx * (first[pane] - tempMean);
    }
  }
  out[extras + EXTRA.trendMean] = trendMean;
  out[extras + EXTRA.trendM2] = trendM2;
  out[extras + EXTRA.trendProducts] = products;
}

/** Folds closed panes into the layout of the 24-hour aggregate; feature set v2 only. */
export function foldDay(ring: Ring, slot: number, from: number, until: number, out: Float64Array, at: number): void {
  const panes = findPanes(ring, slot, from, until);
  for (const group of DAY_GROUPS) foldGroup(group, ring, panes, out, at + group.dayAt);
}

/** Panes with readings of a moments or pairs group. */
function hoursOf(ring: Ring, field: number, panes: number): number {
  ring.gather(field, cells, panes, counts);
  let found = 0;
  for (let pane = 0; pane < panes; pane++) if (counts[pane] > 0) found++;
  return found;
}

function foldGroup(group: PaneGroup, ring: Ring, panes: number, out: Float64Array, at: number): void {
  ring.gather(group.at, cells, panes, counts);
  switch (group.kind) {
    case 'moments':
      foldMoments(group, ring, panes, out, at);
      return;
    case 'pairs':
      foldPairs(group, ring, panes, out, at);
      return;
    case 'sum': {
      let sum = 0;
      for (let pane = 0; pane < panes; pane++) sum += counts[pane];
      out[at] = sum;
      return;
    }
    case 'least': {
      let least = Infinity;
      for (let pane = 0; pane < panes; pane++) if (counts[pane] < least) least = counts[pane];
      out[at] = least;
      return;
    }
    case 'most': {
      let most = -Infinity;
      for (let pane = 0; pane < panes; pane++) if (counts[pane] > most) most = counts[pane];
      out[at] = most;
      return;
    }
  }
}

function foldMoments(group: PaneGroup, ring: Ring, panes: number, out: Float64Array, at: number): void {
  ring.gather(group.at + 1, cells, panes, first);
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
  ring.gather(group.at + 2, cells, panes, second);
  let m2 = 0;
  for (let pane = 0; pane < panes; pane++) {
    const deviation = first[pane] - mean;
    m2 += second[pane] + counts[pane] * deviation * deviation;
  }
  out[at + 2] = m2;
}

function foldPairs(group: PaneGroup, ring: Ring, panes: number, out: Float64Array, at: number): void {
  ring.gather(group.at + 1, cells, panes, first);
  ring.gather(group.at + 2, cells, panes, second);
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
  out[at + 3] = m2X + sumOf(ring, group.at + 3, panes);
  out[at + 4] = m2Y + sumOf(ring, group.at + 4, panes);
  out[at + 5] = products + sumOf(ring, group.at + 5, panes);
}

function sumOf(ring: Ring, field: number, panes: number): number {
  ring.gather(field, cells, panes, third);
  let sum = 0;
  for (let pane = 0; pane < panes; pane++) sum += third[pane];
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
