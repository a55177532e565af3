import { Censoring } from './censoring.js';
import { byFallingScore, METRICS, metricsOf, type JudgedRows, type Metric } from './weighted.js';

/** Predictions that were made, and what is known of what became of their GPUs. All by row. */
export interface ScoredRows {
  readonly count: number;
  /** Number of the GPU, from 0. */
  readonly gpu: Uint32Array;
  /** Days until it failed, or until it went out of sight. */
  readonly followedDays: Float64Array;
  /** Whether it failed then. */
  readonly failed: Uint8Array;
  /** Probabilities of failure, one array a horizon. */
  readonly probabilities: readonly Float64Array[];
}

/** A figure with its 90 % interval, from resampling GPUs; null where it cannot be computed. */
export interface Figure {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface HorizonReport {
  readonly horizon_days: number;
  /** Rows whose outcome is known, those that fail among them, and those that went out of sight before. */
  readonly known_rows: number;
  readonly failing_rows: number;
  readonly censored_rows: number;
  /** Rows that the one that counts most stands for. */
  readonly largest_weight: number | null;
  /** Null where there is nothing to measure; `reason` says why. */
  readonly metrics: Readonly<Record<Metric, Figure>> | null;
  readonly reason: 'no_failure' | 'not_followed' | null;
}

/**
 * Holds predictions against what happened, horizon by horizon.
 * @param draws resamplings of GPUs that intervals are made of
 * @param random uniform in [0, 1)
 */
export function evaluate(
  rows: ScoredRows,
  horizons: readonly number[],
  draws: number,
  random: () => number,
): HorizonReport[] {
  const censoring = new Censoring(rows.followedDays, rows.failed);
  return horizons.map((horizon, column) => reportOf(rows, horizon, column, censoring, draws, random));
}

function reportOf(
  rows: ScoredRows,
  horizon: number,
  column: number,
  censoring: Censoring,
  draws: number,
  random: () => number,
): HorizonReport {
  const { judged, gpus, lived } = judge(rows, horizon, column, censoring);
  const failing = judged.failed.reduce((sum, failed) => sum + failed, 0);
  const head = {
    horizon_days: horizon,
    known_rows: judged.count,
    failing_rows: failing,
    censored_rows: rows.count - judged.count,
    largest_weight: judged.count === 0 ? null : judged.weight.reduce((most, weight) => Math.max(most, weight)),
  };
  // Without a row that was watched to the end, nothing stands for those that live.
  if (lived === 0) return { ...head, metrics: null, reason: 'not_followed' };
  const order = byFallingScore(judged);
  const found = metricsOf(judged, order);
  if (found === null) return { ...head, metrics: null, reason: 'no_failure' };
  const drawn = METRICS.map((): number[] => []);
  const count = gpus.reduce((most, gpu) => Math.max(most, gpu), 0) + 1;
  for (let draw = 0; draw < draws; draw++) {
    const often = new Uint32Array(count);
    for (let pick = 0; pick < count; pick++) often[Math.floor(random() * count)]++;
    const metrics = metricsOf(
      judged,
      order,
      gpus.map((gpu) => often[gpu]),
    );
    // A draw without a failure measures nothing.
    if (metrics !== null) METRICS.forEach((metric, index) => drawn[index].push(metrics[metric]));
  }
  const metrics = Object.fromEntries(
    METRICS.map((metric, index) => [metric, figureOf(found[metric], drawn[index])]),
  ) as Record<Metric, Figure>;
  return { ...head, metrics, reason: null };
}

/** Rows whose outcome at the horizon is known, weighted for those whose is not; GPUs are numbered anew. */
function judge(
  { count, gpu, followedDays, failed, probabilities }: ScoredRows,
  horizon: number,
  column: number,
  censoring: Censoring,
): { judged: JudgedRows; gpus: Uint32Array; lived: number } {
  const [outcome, score, weight] = [0, 1, 2].map(() => new Float64Array(count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const gpus = new Uint32Array(count);
  const numbers = new Map<number, number>();
  const watched = censoring.watchedFor(horizon);
  let [known, lived] = [0, 0];
  for (let row = 0; row < count; row++) {
    const fails = failed[row] === 1 && followedDays[row] <= horizon;
    const lives = !fails && followedDays[row] >= horizon;
    if (!fails && !lives) continue;
    if (!numbers.has(gpu[row])) numbers.set(gpu[row], numbers.size);
    outcome[known] = fails ? 1 : 0;
    score[known] = probabilities[column][row];
    weight[known] = 1 / (fails ? censoring.watchedFor(followedDays[row]) : watched);
    gpus[known] = numbers.get(gpu[row])!;
    known++;
    if (lives) lived++;
  }
  const judged = {
    count: known,
    failed: outcome.subarray(0, known),
    score: score.subarray(0, known),
    weight: weight.subarray(0, known),
  };
  return { judged, gpus: gpus.subarray(0, known), lived };
}

function figureOf(value: number, drawn: readonly number[]): Figure {
  const finite = drawn.filter(Number.isFinite).sort((a, b) => a - b);
  const orNull = (figure: number): number | null => (Number.isFinite(figure) ? figure : null);
  return { value: orNull(value), low: orNull(quantile(finite, 0.05)), high: orNull(quantile(finite, 0.95)) };
}

/** Between the two nearest, linearly. NaN of nothing. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted.length === 0 ? NaN : sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}
