import type { DeadLetterCode } from '../schema/outcome.js';
import type { TopicKey } from '../schema/topics.js';
import type { ModelInstruments } from './score/models.js';

/**
 * What the roles tell of themselves, per batch or cycle, never per sample. serving/metrics.ts turns it into
 * Prometheus metrics; tests count with it.
 */
export interface Instruments extends ModelInstruments {
  /**
   * A cycle of a source: messages read, and the samples they gave.
   * @param newestMs record timestamp of the last message, epoch ms
   */
  ingested(source: string, messages: number, samples: number, newestMs: number): void;
  readingsRejected(reason: string, count: number): void;
  deadLettered(code: DeadLetterCode, count: number): void;
  /** A unit of work of the score role. */
  scored(unit: ScoredUnit): void;
  /** Decisions that were due and could not be made, by code. */
  undecided(counts: Readonly<Record<'no_health' | 'no_price', number>>): void;
  recordsWritten(topic: TopicKey, count: number): void;
  /** Records between what a role has committed and the end of its topics. */
  lag(role: string, records: number): void;
  /** Bytes that a role holds of what it has read and not written yet, and how many it may. */
  buffered(role: string, bytes: number, limitBytes: number): void;
  gpusTracked(count: number, windowBytes: number): void;
  /** Alerts that fire, by name; and GPUs that are silent. */
  alerting(firing: ReadonlyMap<string, number>, silentGpus: number): void;
  clientWarning(role: string): void;
}

export interface ScoredUnit {
  readonly samples: number;
  readonly rows: number;
  readonly skippedDuePoints: number;
  /** Longest that a GPU that is due has waited for the model: above 0 only while the role is behind. */
  readonly longestWaitSeconds: number;
  readonly modelSeconds: number;
  readonly unitSeconds: number;
  /** Event time of the newest sample, epoch ms; NaN without one. */
  readonly newestMs: number;
  /** From the write of the oldest batch to gpu.samples to the acknowledgement of its outputs; NaN while muted. */
  readonly latencySeconds: number;
}

/** Counts rejected readings of a cycle, so that instruments are told once per batch. */
export class RejectionCounter {
  private readonly counts = new Map<string, number>();

  readonly reject = (reason: string): void => {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
  };

  /** Reports and forgets. */
  flush(report: (reason: string, count: number) => void): void {
    for (const [reason, count] of this.counts) report(reason, count);
    this.counts.clear();
  }
}
