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

/** A member of a consumer group, pulled. */
export interface LogConsumer {
  /** Joins the group. @throws ActuaryError kafka_unreachable */
  start(listener: LogListener): Promise<void>;
  /**
   * Up to `max` records, in order within a partition; an empty array after `waitMs` without any.
   * @throws ActuaryError kafka_failed when the client cannot go on
   */
  poll(max: number, waitMs: number): Promise<readonly LogRecord[]>;
  /**
   * Commits next offsets for the group; resolves when the broker has them.
   * @returns false where the group is being rearranged: nothing is committed, the partitions are going, and their
   * next owner repeats the work
   */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<boolean>;
  /** Moves the reading position of an assigned partition. */
  seek(position: TopicPartitionOffset): Promise<void>;
  /** Stops and resumes reading of assigned partitions. */
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
  close(): Promise<void>;
}

export const keyOf = (partition: TopicPartition): string => `${partition.topic}/${partition.partition}`;
