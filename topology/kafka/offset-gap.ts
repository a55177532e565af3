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
 * @param low first offset that is there
 * @param high next offset to be written
 */
export function gapAt({ topic, partition, offset }: TopicPartitionOffset, low: number, high: number): OffsetGap | null {
  if (offset < 0 || (offset >= low && offset <= high)) return null;
  return { topic, partition, cause: offset < low ? 'expired' : 'anew', from: offset, to: low };
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
