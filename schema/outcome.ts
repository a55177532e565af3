/**
 * What can become of a message or a reading, as values. Expected badness is data, never an exception: a dead letter
 * keeps the original bytes, a rejected reading is counted, and both carry one of the codes below.
 */

/** Why one reading is not there; the first that applies, in this order. */
export const READING_REASONS = [
  'mig_slice',
  'unparseable',
  'nan',
  'stale',
  'sentinel',
  'zero_is_missing',
  'range',
  'future',
  'past',
  'duplicate',
  'late',
] as const;
export type ReadingReason = (typeof READING_REASONS)[number];

/** Why a whole message gave no sample. */
export const MESSAGE_REASONS = [
  'empty',
  'oversized',
  'malformed',
  'missing_gpu',
  'missing_time',
  'bad_time',
  'unknown_schema',
] as const;
export type MessageReason = (typeof MESSAGE_REASONS)[number];

/** Codes of dead letters: whole messages, and samples judged by time. */
export const DEAD_LETTER_CODES = [...MESSAGE_REASONS, 'late', 'future', 'past', 'unloadable_row'] as const;
export type DeadLetterCode = (typeof DEAD_LETTER_CODES)[number];

/** What decoding a message came to. */
export type DecodeOutcome =
  | { readonly kind: 'samples'; readonly count: number }
  | { readonly kind: 'dead-letter'; readonly code: MessageReason; readonly detail: string };

/**
 * Receives each reading that is not there. Called in the middle of decoding or accepting, so it must not throw and
 * should only count or append.
 */
export type RejectReading = (
  reason: ReadingReason,
  gpuUuid: string | null,
  metric: string | null,
  detail: string,
) => void;
