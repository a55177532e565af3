/**
 * Kafka as the roles see it: polled batches of records, assignments that may start anywhere, offsets committed last.
 * rdkafka-log.ts implements it over node-rdkafka, kafkajs-log.ts over kafkajs.
 */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicPartitionOffset extends TopicPartition {
  /** Next offset to read. */
  readonly offset: number;
}

/** Start of a partition, in place of an offset. */
export const BEGINNING = -2;

export interface LogListener {
  /**
   * Partitions were assigned; nothing is read of them until this resolves.
   * @param committed what the group has committed, for those partitions where it has
   * @returns where to start, for those partitions that are not to start at the committed offset (else the beginning)
   */
  assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]>;
  /** Partitions are about to go: commit what is finished, then forget their state. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
}

/** A member of a consumer group. */
export interface GroupMember {
  /** Joins the group. @throws ActuaryError kafka_unreachable */
  start(listener: LogListener): Promise<void>;
  /**
   * Commits next offsets for the group; resolves when the broker has them.
   * @returns false where the group is being rearranged: nothing is committed, the partitions are going, and their
   * next owner repeats the work
   */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<boolean>;
  /** Moves the reading position of an assigned partition. */
  seek(position: TopicPartitionOffset): Promise<void>;
  /** Stops and resumes reading of assigned partitions; a new assignment begins resumed. */
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** End of a partition as far as the client knows it, −1 where it does not yet. */
  endOffset(partition: TopicPartition): number;
  /**
   * Offset at which the end of a partition was last come upon while reading, −1 if it never was. A partition is read
   * to its end while this is not below the next offset; unlike an end counted to, it is right with transactions,
   * whose markers take offsets but are no records.
   */
  endReachedAt(partition: TopicPartition): number;
  /**
   * Begins anew with what is assigned, as if it had just been: the listener is told, and reading goes on from where it
   * says. What was fetched before is never handed out.
   */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A member of a consumer group, pulled a record at a time. */
export interface LogConsumer extends GroupMember {
  /**
   * Up to `max` records, in order within a partition; an empty array after `waitMs` without any.
   * @throws ActuaryError kafka_failed when the client cannot go on
   */
  poll(max: number, waitMs: number): Promise<readonly LogRecord[]>;
  /**
   * Stays in the group while its partitions are paused and nothing is polled: rebalances are heard of. Gives nothing,
   * loses nothing; never waits for a rebalance.
   */
  attend(): Promise<void>;
}

/**
 * Records between the next one to read and the ends of partitions. What follows the last record, the marker of a
 * transaction, is nothing to be read.
 */
export function lagOf(
  consumer: Pick<GroupMember, 'endOffset' | 'endReachedAt'>,
  positions: Iterable<TopicPartitionOffset>,
): number {
  let lag = 0;
  for (const { topic, partition, offset } of positions) {
    const read = Math.max(offset, consumer.endReachedAt({ topic, partition }), 0);
    lag += Math.max(0, consumer.endOffset({ topic, partition }) - read);
  }
  return lag;
}

/** A member of a consumer group, pulled a block at a time: for topics of many small records. */
export interface BlockConsumer extends GroupMember {
  /**
   * Blocks of about `maxBytes` together, in order within a partition; an empty array after `waitMs` without any.
   * @throws ActuaryError kafka_failed when the client cannot go on
   */
  pollBlocks(maxBytes: number, waitMs: number): Promise<readonly RecordBlock[]>;
}

/** Consecutive records of one partition, held in memory until the block is let go. */
export interface RecordBlock extends TopicPartition {
  /** Follows the offset of the block's last record, read or skipped. */
  readonly nextOffset: number;
  /** What the records take in memory, bytes. */
  readonly bytes: number;
  /** Reads the block's records in order, from an offset on. */
  cursor(fromOffset: number): RecordCursor;
  /**
   * The block is not looked at any more, nor is what its cursors have handed out: its memory may be used again. To let
   * go of it without this is no fault, only dearer.
   */
  release(): void;
}

/**
 * A place in a block: stands on one record after the other and is overwritten by the next, so that no object is made
 * a record. Before the first `next` it stands on none.
 */
export interface RecordCursor {
  /** Where the value lies: `bytes[valueStart, valueEnd)`; no value at all where `valueStart` is −1. */
  readonly bytes: Buffer;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** @returns false at the end of the block. @throws ActuaryError kafka_failed: the block's bytes are no records */
  next(): boolean;
  /** The record on which it stands, as an object; shares memory with the block. */
  record(): LogRecord;
}

export const keyOf = (partition: TopicPartition): string => `${partition.topic}/${partition.partition}`;
