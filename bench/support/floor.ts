import { leastIncrease, type Count } from './observation.js';

/**
 * The least that an engine must do while its throughput is measured; without it a run says nothing, for scoring and
 * feature records are what the samples are read for.
 */
export interface FloorEvidence {
  readonly gpus: number;
  /** Rows scored, over the run. */
  readonly rows: readonly Count[];
  /** Longest that a due GPU had waited for its score, ms, by look: the engine's own word, GPU by GPU. */
  readonly waits: readonly Count[];
  /** The steady stretch. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly featureRecords: number;
  /** One for each GPU and event minute. */
  readonly featureRecordsOwed: number;
}

/** Each GPU is scored at least once in so much wall-clock time. */
const SCORED_WITHIN_MS = 10_000;
/** The counters are looked at a few times a second, so the ends of a span are known to about this share. */
const TOLERANCE = 0.02;

/** @returns why the run is void; null where it counts */
export function judgeFloor(evidence: FloorEvidence): string | null {
  const { gpus, rows, waits, fromMs, untilMs, featureRecords, featureRecordsOwed } = evidence;
  const least = leastIncrease(rows, fromMs, untilMs, SCORED_WITHIN_MS);
  if (least < gpus * (1 - TOLERANCE))
    return `${Math.round(least)} rows were scored in 10 s at the least, and each of ${gpus} GPUs is owed one`;
  const longest = longestOf(waits, fromMs, untilMs);
  if (longest > SCORED_WITHIN_MS * (1 + TOLERANCE))
    return `a GPU that was due waited ${Math.round(longest)} ms for its score`;
  if (featureRecords < featureRecordsOwed)
    return `${featureRecords} records were written to gpu.features, and ${featureRecordsOwed} are owed: one a GPU and event minute`;
  return null;
}

/** Largest value that was seen within a time; 0 where nothing was. */
export function longestOf(values: readonly Count[], fromMs: number, untilMs: number): number {
  return values.reduce(
    (longest, { atMs, count }) => (atMs >= fromMs && atMs <= untilMs ? Math.max(longest, count) : longest),
    0,
  );
}
