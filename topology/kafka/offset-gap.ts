import type { TopicPartition, TopicPartitionOffset } from './log.js';

/** What a reader was to read next is not there any more. */
export interface OffsetGap extends TopicPartition {
  /**
   * expired: retention took `[from, to)` before it was read. anew: the partition ends before `from`, for the topic was
   * deleted and made anew (or its broker lost what it had); it is read from `to`, its beginning.
   */
  readonly cause: 'expired' | 'anew';
  readonly from: number;
  readonly to: number;
}

/**
 * What retention took of what was to be read next. That a position lies beyond an end says nothing: a broker that has
 * just come back, or has just begun to lead, tells of less than it has for a moment.
 * @param low first offset that is there
 */
export function expiredAt({ topic, partition, offset }: TopicPartitionOffset, low: number): OffsetGap | null {
  return offset >= 0 && offset < low ? { topic, partition, cause: 'expired', from: offset, to: low } : null;
}

/**
 * What is missing between what was to be read next and what came in its place. Markers of transactions and what was
 * aborted take offsets and are no records: such a step is no gap, for they were still there.
 * @param came offset of the first record that was not read before. One before `next` comes only if the broker has said
 *   that there is nothing at `next`, and never will be
 * @param low first offset that was there when it came, or soon after
 */
export function gapBefore(
  { topic, partition, offset: next }: TopicPartitionOffset,
  came: number,
  low: number,
): OffsetGap | null {
  if (next < 0 || came === next) return null;
  if (came < next) return { topic, partition, cause: 'anew', from: next, to: came };
  return expiredAt({ topic, partition, offset: next }, Math.min(low, came));
}

/** Offsets that nobody will read; of a topic made anew nobody knows. */
export function lostOffsets({ cause, from, to }: OffsetGap): number {
  return cause === 'expired' ? to - from : 0;
}

/** For a person: what is gone, and what to do about it. */
export function describeGap({ topic, partition, cause, from, to }: OffsetGap): string {
  return cause === 'expired'
    ? `${topic}/${partition}: offsets ${from} to ${to - 1} are gone, taken by retention before they were read; reading on from ${to}. ` +
        'Give the topic a retention longer than an outage may last'
    : `${topic}/${partition}: was to be read from offset ${from}, but ends before it: the topic was made anew, or its broker lost data; reading it from ${to}`;
}
