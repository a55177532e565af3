import type { TopicPartition } from '../kafka/log.js';

/** A partition as far as draining looks at it. */
export interface Draining {
  readonly partition: TopicPartition;
  /** Next offset to read. */
  readonly next: number;
  /** Below it, state is only being rebuilt. */
  readonly mutedUntil: number;
}

/** Where draining stands. */
export interface DrainProgress {
  /** Partitions of the source, and how many of them this instance has. */
  readonly partitions: number;
  readonly owned: number;
  readonly isOver: boolean;
}

/**
 * Whether it is time for the last unit of work, in which all open panes are closed: all partitions are here, and read
 * to their ends.
 */
export class Drain {
  /** Resolves once the last unit is committed. */
  readonly over: Promise<void>;
  private end: () => void = () => undefined;
  private isOver = false;

  constructor(private readonly partitions: number) {
    this.over = new Promise((resolve) => (this.end = resolve));
  }

  progress(owned: number): DrainProgress {
    return { partitions: this.partitions, owned, isOver: this.isOver };
  }

  /**
   * Asked after a poll that found nothing.
   * @param endReachedAt where the end of a partition was last met; the last records may be markers of transactions
   */
  isDue(
    owned: { readonly size: number; values(): Iterable<Draining> },
    endReachedAt: (partition: TopicPartition) => number,
  ): boolean {
    if (this.isOver || owned.size < this.partitions) return false;
    for (const { partition, next, mutedUntil } of owned.values())
      if (next < mutedUntil || endReachedAt(partition) < next) return false;
    return true;
  }

  /** The last unit is committed. */
  finish(): void {
    this.isOver = true;
    this.end();
  }
}

/** What draining waits for, in a line. */
export function waitsFor({ partitions, owned }: DrainProgress): string {
  return owned < partitions
    ? `${owned} of ${partitions} partitions are here: other instances with the score role have the rest, stop them`
    : 'reading to the end of gpu.samples';
}
