import type { SampleSink } from '../../schema/batch.js';
import type { DecodeOutcome, RejectReading } from '../../schema/outcome.js';

/** A message as it lay on Kafka, or a line of a file dressed as one. */
export interface RawMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Record timestamp, epoch ms; the event time where a shape carries none of its own. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** What a source's configuration tells its decoder. */
export interface DecodeOptions {
  /** Unit of profiling ratios in shapes whose field names promise percentages. */
  readonly profUnit: 'percent' | 'ratio';
  /** Larger messages are dead-lettered as `oversized`. */
  readonly maxMessageBytes: number;
}

/**
 * Turns messages of one shape into samples. One file a shape; registered in decoders.ts.
 *
 * Contract: `decode` appends whole samples to `into`, or none when it returns a dead letter. It never throws for
 * any bytes, keeps no reference to the message, and reports each reading that is not there to `reject`, once, with
 * the first reason that applies. It normalises units and applies plausible ranges; it does not judge time (future,
 * past, late, duplicate), which needs state.
 */
export interface Decoder {
  readonly format: string;
  decode(message: RawMessage, into: SampleSink, reject: RejectReading): DecodeOutcome;
  /**
   * A faster way for regular messages, where a shape has one: the value is `bytes[start, end)`, not empty or null, and
   * nothing else of the message is needed.
   * @param bytes the same object as the last time only where it holds the same bytes: what was read of it is kept
   * @returns true if it did just what `decode` would have done with samples for its outcome; false if it did nothing,
   * and `decode` is to be asked
   */
  decodeAt?(bytes: Buffer, start: number, end: number, into: SampleSink, reject: RejectReading): boolean;
  /** What looks wrong with the source as a whole, once; null otherwise. */
  warning?(): string | null;
}
