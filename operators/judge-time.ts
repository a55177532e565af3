import { DAY_MS } from '../schema/clock.js';

export interface TimeLimits {
  /** Event times further ahead of the reference are `future`, ms. */
  readonly futureMs: number;
  /** Event times further behind it are `past`, ms; 0: never. */
  readonly maxAgeMs: number;
}

/** Limits as configured. */
export function timeLimits(ingest: { futureMs: number; maxAgeDays: number }): TimeLimits {
  return { futureMs: ingest.futureMs, maxAgeMs: ingest.maxAgeDays * DAY_MS };
}

/**
 * Judges an event time against a reference: the record's timestamp on Kafka, a given now in a replay. One bad clock
 * must neither close every pane of its GPU nor found a GPU in 1970.
 */
export function judgeTime(eventTimeMs: number, referenceMs: number, limits: TimeLimits): 'future' | 'past' | null {
  if (eventTimeMs > referenceMs + limits.futureMs) return 'future';
  if (limits.maxAgeMs > 0 && eventTimeMs < referenceMs - limits.maxAgeMs) return 'past';
  return null;
}
