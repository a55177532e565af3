import { ActuaryError } from '../../schema/errors.js';
import type { TopicPartition, TopicPartitionOffset } from '../kafka/log.js';
import type { Owned } from './owned.js';

/** A broker that has just come back may tell of less than it has for a moment. */
const PATIENCE_MS = 30_000;

type Reading = Pick<Owned, 'partition' | 'mutedUntil' | 'next'>;
type Advancing = Reading & { next: number };

/**
 * Looks after partitions that are read again, silently, up to what was answered for, and have come to their end before
 * that. Without it they would be silent for as long as it takes until the source has grown as far again.
 */
export class SourceEnd {
  /**
   * Since when a partition has been at its end, and where: it is no end if it goes on. By assignment: of one that was
   * taken away and came back the end is met anew.
   */
  private readonly stuck = new WeakMap<Advancing, { next: number; sinceMs: number }>();

  /**
   * To be called when a poll has given nothing.
   * @param endReachedAt where the end of a partition was last met, -1 for nowhere
   * @param nowMs of a clock that never goes back
   * @throws ActuaryError topic_mismatch where a partition ends before what was scored of it, for longer than a moment
   */
  look(owned: Iterable<Advancing>, endReachedAt: (partition: TopicPartition) => number, nowMs: number): void {
    for (const one of owned) {
      const { partition, mutedUntil, next } = one;
      const end = endReachedAt(partition);
      // Retention took the rest, and there is no more to rebuild from.
      if (next < mutedUntil && end >= mutedUntil) one.next = mutedUntil;
      if (one.next >= mutedUntil || end < 0) {
        this.stuck.delete(one);
        continue;
      }
      const before = this.stuck.get(one);
      if (before?.next !== next) this.stuck.set(one, { next, sinceMs: nowMs });
      else if (nowMs - before.sinceMs >= PATIENCE_MS) throw madeAnew({ ...partition, offset: mutedUntil });
    }
  }
}

/**
 * A source that ends before what was scored of it. States as of offsets of a topic that is gone would be taken for
 * states as of the new one's.
 */
export function madeAnew({ topic, partition, offset }: TopicPartitionOffset): ActuaryError {
  return new ActuaryError(
    'topic_mismatch',
    `${topic}/${partition} ends before offset ${offset}, up to which it was scored: it was made anew, or its broker lost data. ` +
      'What is kept of it belongs to what is gone: begin with a new kafka.topicPrefix, or with all engine topics and groups made anew',
  );
}
