import { DAY_GROUPS, P, PANE_GROUPS, V1_WIDTH, V2_WIDTH, type PaneGroup, type PaneSet } from './pane-layout.js';
import { cellOf, type Ring } from './ring.js';

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
  for (const group of groupsBySet[set]) foldGroup(group, ring, slot, from, until, out, at + group.at);
  const extras = at + paneWidth(set);
  const tempMean = out[at + P.gpuTemp + 1];
  const total = out[at + P.gpuTemp];
  let hours = 0;
  let tempHours = 0;
  let powerHours = 0;
  let pairHours = 0;
  let weighted = 0;
  for (let hour = from; hour < until; hour++) {
    const cell = cellOf(slot, hour);
    if (ring.get(P.samples, cell) === 0) continue;
    hours++;
    if (ring.get(P.powerUsage, cell) > 0) powerHours++;
    if (ring.get(P.tempPower, cell) > 0) pairHours++;
    const n = ring.get(P.gpuTemp, cell);
    if (n === 0) continue;
    tempHours++;
    weighted += n * (hour - zeroHour);
  }
  const trendMean = total > 0 ? weighted / total : 0;
  let trendM2 = 0;
  let products = 0;
  if (tempHours > 0)
    for (let hour = from; hour < until; hour++) {
      const cell = cellOf(slot, hour);
      const n = ring.get(P.gpuTemp, cell);
      if (n === 0) continue;
      const dx = hour - zeroHour - trendMean;
      trendM2 += n * dx * dx;
      products += n * dx * (ring.get(P.gpuTemp + 1, cell) - tempMean);
    }
  out[extras + EXTRA.hours] = hours;
  out[extras + EXTRA.tempHours] = tempHours;
  out[extras + EXTRA.powerHours] = powerHours;
  out[extras + EXTRA.pairHours] = pairHours;
  out[extras + EXTRA.trendMean] = trendMean;
  out[extras + EXTRA.trendM2] = trendM2;
  out[extras + EXTRA.trendProducts] = products;
}

/** Folds closed panes into the layout of the 24-hour aggregate; feature set v2 only. */
export function foldDay(ring: Ring, slot: number, from: number, until: number, out: Float64Array, at: number): void {
  for (const group of DAY_GROUPS) foldGroup(group, ring, slot, from, until, out, at + group.dayAt);
}

function foldGroup(
  group: PaneGroup,
  ring: Ring,
  slot: number,
  from: number,
  until: number,
  out: Float64Array,
  at: number,
): void {
  switch (group.kind) {
    case 'moments':
      return foldMoments(group, ring, slot, from, until, out, at);
    case 'pairs':
      return foldPairs(group, ring, slot, from, until, out, at);
    case 'sum': {
      let sum = 0;
      for (let hour = from; hour < until; hour++) sum += ring.get(group.at, cellOf(slot, hour));
      out[at] = sum;
      return;
    }
    case 'least': {
      let least = Infinity;
      for (let hour = from; hour < until; hour++) {
        const value = ring.get(group.at, cellOf(slot, hour));
        if (value < least) least = value;
      }
      out[at] = least;
      return;
    }
    case 'most': {
      let most = -Infinity;
      for (let hour = from; hour < until; hour++) {
        const value = ring.get(group.at, cellOf(slot, hour));
        if (value > most) most = value;
      }
      out[at] = most;
      return;
    }
  }
}

function foldMoments(
  group: PaneGroup,
  ring: Ring,
  slot: number,
  from: number,
  until: number,
  out: Float64Array,
  at: number,
): void {
  const field = group.at;
  let n = 0;
  let sum = 0;
  for (let hour = from; hour < until; hour++) {
    const cell = cellOf(slot, hour);
    const count = ring.get(field, cell);
    if (count === 0) continue;
    n += count;
    sum += count * ring.get(field + 1, cell);
  }
  const mean = n > 0 ? sum / n : 0;
  out[at] = n;
  out[at + 1] = mean;
  if (!group.spread) return;
  let m2 = 0;
  if (n > 0)
    for (let hour = from; hour < until; hour++) {
      const cell = cellOf(slot, hour);
      const count = ring.get(field, cell);
      if (count === 0) continue;
      const deviation = ring.get(field + 1, cell) - mean;
      m2 += ring.get(field + 2, cell) + count * deviation * deviation;
    }
  out[at + 2] = m2;
}

function foldPairs(
  group: PaneGroup,
  ring: Ring,
  slot: number,
  from: number,
  until: number,
  out: Float64Array,
  at: number,
): void {
  const field = group.at;
  let n = 0;
  let sumX = 0;
  let sumY = 0;
  for (let hour = from; hour < until; hour++) {
    const cell = cellOf(slot, hour);
    const count = ring.get(field, cell);
    if (count === 0) continue;
    n += count;
    sumX += count * ring.get(field + 1, cell);
    sumY += count * ring.get(field + 2, cell);
  }
  const meanX = n > 0 ? sumX / n : 0;
  const meanY = n > 0 ? sumY / n : 0;
  let m2X = 0;
  let m2Y = 0;
  let products = 0;
  if (n > 0)
    for (let hour = from; hour < until; hour++) {
      const cell = cellOf(slot, hour);
      const count = ring.get(field, cell);
      if (count === 0) continue;
      const dx = ring.get(field + 1, cell) - meanX;
      const dy = ring.get(field + 2, cell) - meanY;
      m2X += ring.get(field + 3, cell) + count * dx * dx;
      m2Y += ring.get(field + 4, cell) + count * dy * dy;
      products += ring.get(field + 5, cell) + count * dx * dy;
    }
  out[at] = n;
  out[at + 1] = meanX;
  out[at + 2] = meanY;
  out[at + 3] = m2X;
  out[at + 4] = m2Y;
  out[at + 5] = products;
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
