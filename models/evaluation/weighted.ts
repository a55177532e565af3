/**
 * Metrics of weighted rows, as training reports them (models/training/weighted.py): both compute the same figures of the
 * same rows.
 */

/** Rows of a known outcome, of one horizon. */
export interface JudgedRows {
  readonly count: number;
  /** 1 where the GPU failed within the horizon, else 0. */
  readonly failed: Float64Array;
  /** What was predicted, 0–1. */
  readonly score: Float64Array;
  /** Rows that a row stands for. */
  readonly weight: Float64Array;
}

export const METRICS = [
  'base_rate',
  'auc',
  'average_precision',
  'recall_at_1_percent',
  'precision_at_1_percent',
  'recall_at_5_percent',
  'precision_at_5_percent',
  'brier',
  'brier_skill',
  'calibration_slope',
  'calibration_error',
  'mean_over_base_rate',
] as const;
export type Metric = (typeof METRICS)[number];
export type Metrics = Readonly<Record<Metric, number>>;

/** Probabilities of 0 and 1 have no log-odds. */
const LEAST = 1e-9;
/** Beyond it the regression has no single answer. */
const MAX_CONDITION = 1e12;

/** Row numbers by falling score, equal ones in their order. */
export function byFallingScore({ count, score }: JudgedRows): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row).sort((a, b) => score[b] - score[a] || a - b);
}

/**
 * All metrics.
 * @param order of {@link byFallingScore}
 * @param times how often a row counts, by row; once each if left out
 * @returns null where no row fails, or all do: there is nothing to measure
 */
export function metricsOf(rows: JudgedRows, order: ArrayLike<number>, times?: ArrayLike<number>): Metrics | null {
  const sorted = inOrder(rows, order, times);
  const { count, failed, weight } = sorted;
  let [total, failing] = [0, 0];
  for (let row = 0; row < count; row++) {
    total += weight[row];
    failing += weight[row] * failed[row];
  }
  if (!(failing > 0 && failing < total)) return null;
  const [recall1, precision1] = atTop(sorted, total, failing, 0.01);
  const [recall5, precision5] = atTop(sorted, total, failing, 0.05);
  const base = failing / total;
  const { brier, mean } = means(sorted, total);
  return {
    base_rate: base,
    auc: auc(sorted, total, failing),
    average_precision: averagePrecision(sorted, failing),
    recall_at_1_percent: recall1,
    precision_at_1_percent: precision1,
    recall_at_5_percent: recall5,
    precision_at_5_percent: precision5,
    brier,
    brier_skill: 1 - brier / (base * (1 - base)),
    calibration_slope: calibrationSlope(sorted),
    calibration_error: calibrationError(sorted, total, failing),
    mean_over_base_rate: mean / base,
  };
}

function inOrder(rows: JudgedRows, order: ArrayLike<number>, times: ArrayLike<number> | undefined): JudgedRows {
  const [failed, score, weight] = [0, 1, 2].map(() => new Float64Array(order.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let count = 0;
  for (let at = 0; at < order.length; at++) {
    const row = order[at];
    const counts = times === undefined ? 1 : times[row];
    if (counts === 0) continue;
    failed[count] = rows.failed[row];
    score[count] = Math.min(1 - LEAST, Math.max(LEAST, rows.score[row]));
    weight[count] = rows.weight[row] * counts;
    count++;
  }
  return { count, failed, score, weight };
}

/** Rows of one score together: their weight, and the weight of those that fail. From the highest score down. */
function* ties({ count, failed, score, weight }: JudgedRows): Generator<readonly [all: number, failing: number]> {
  for (let first = 0; first < count;) {
    let [all, failing] = [0, 0];
    let end = first;
    for (; end < count && score[end] === score[first]; end++) {
      all += weight[end];
      failing += weight[end] * failed[end];
    }
    // Rows that count no times stand for nobody.
    if (all > 0) yield [all, failing];
    first = end;
  }
}

/** Probability that a failing row scores above one that does not fail; ties count half. */
function auc(rows: JudgedRows, total: number, failing: number): number {
  let above = 0;
  let pairs = 0;
  for (const [all, failingHere] of ties(rows)) {
    const here = all - failingHere;
    const below = total - failing - above - here;
    pairs += failingHere * (below + here / 2);
    above += here;
  }
  return pairs / (failing * (total - failing));
}

/** Mean of the precision at each failing row, from the top; rows of one score are taken together. */
function averagePrecision(rows: JudgedRows, failing: number): number {
  let [hits, upTo, sum] = [0, 0, 0];
  for (const [all, failingHere] of ties(rows)) {
    hits += failingHere;
    upTo += all;
    sum += (hits / upTo) * failingHere;
  }
  return sum / failing;
}

/** Recall and precision in the riskiest share; rows of one score at its border count in part, all alike. */
function atTop(rows: JudgedRows, total: number, failing: number, share: number): [recall: number, precision: number] {
  let left = share * total;
  let [hits, inside] = [0, 0];
  for (const [all, failingHere] of ties(rows)) {
    if (!(left > 0)) break;
    const part = Math.min(left, all);
    hits += (part / all) * failingHere;
    inside += part;
    left -= part;
  }
  return [hits / failing, hits / inside];
}

function means({ count, failed, score, weight }: JudgedRows, total: number): { brier: number; mean: number } {
  let [squares, scores] = [0, 0];
  for (let row = 0; row < count; row++) {
    const miss = score[row] - failed[row];
    squares += weight[row] * miss * miss;
    scores += weight[row] * score[row];
  }
  return { brier: squares / total, mean: scores / total };
}

/**
 * Slope of the logistic regression of the outcome on the logit of the score: 1 is right, below it overconfident. NaN
 * where failing rows and others are separate: any slope beyond would do.
 */
function calibrationSlope({ count, failed, score, weight }: JudgedRows): number {
  const logit = new Float64Array(count);
  for (let row = 0; row < count; row++) logit[row] = Math.log(score[row]) - Math.log1p(-score[row]);
  let [intercept, slope] = [0, 1];
  for (let round = 0; round < 200; round++) {
    let [a, b, d, gradient, gradientSlope] = [0, 0, 0, 0, 0];
    for (let row = 0; row < count; row++) {
      const x = logit[row];
      const p = 1 / (1 + Math.exp(-Math.min(500, Math.max(-500, intercept + slope * x))));
      const curve = weight[row] * p * (1 - p);
      const miss = weight[row] * (failed[row] - p);
      a += curve;
      b += curve * x;
      d += curve * x * x;
      gradient += miss;
      gradientSlope += miss * x;
    }
    const determinant = a * d - b * b;
    // Largest eigenvalue over the smallest, of which the product is the determinant.
    const largest = (a + d + Math.hypot(a - d, 2 * b)) / 2;
    if (!(determinant > 0) || (largest * largest) / determinant > MAX_CONDITION) return NaN;
    const steps = [(d * gradient - b * gradientSlope) / determinant, (a * gradientSlope - b * gradient) / determinant];
    const size = Math.max(Math.abs(steps[0]), Math.abs(steps[1]));
    // Newton with steps of at most 1: far from the maximum full ones go astray.
    intercept += steps[0] / Math.max(1, size);
    slope += steps[1] / Math.max(1, size);
    if (size < 1e-9) return slope;
  }
  return NaN;
}

/** Mean distance of the prediction from what happened, over the base rate, in tenths of the rows by prediction. */
function calibrationError({ count, failed, score, weight }: JudgedRows, total: number, failing: number): number {
  const gaps = new Float64Array(10);
  let upTo = 0;
  // From the least risky on, equal scores in the order of the rows: as training does it.
  for (let end = count; end > 0;) {
    let first = end - 1;
    while (first > 0 && score[first - 1] === score[end - 1]) first--;
    for (let row = first; row < end; row++) {
      upTo += weight[row];
      const tenth = Math.min(Math.floor((10 * (upTo - weight[row] / 2)) / total), 9);
      gaps[tenth] += weight[row] * (score[row] - failed[row]);
    }
    end = first;
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / failing;
}
