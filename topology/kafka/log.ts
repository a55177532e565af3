/**
 * Kafka as the roles see it: polled batches of records, assignments that may start anywhere, offsets committed last.
 * rdkafka-log.ts implements it over node-rdkafka.
 */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicPartitionOffset extends TopicPartition {
  /** Next offset to read. */
  readonly offset: number;
}

export interface LogListener {
  /**
   * Partitions were assigned; nothing is read of them until this resolves.
   * @returns where to start, for those partitions that are not to start at the group's committed offset
   */
  assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<TopicPartitionOffset[]>;
  /** Partitions are about to go: commit what is finished, then forget their state. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
}

/** A member of a consumer group, pulled. */
export interface LogConsumer {
  /** Joins the group. */
  start(listener: LogListener): Promise<void>;
  /**
   * Up to `max` records, in order within a partition; an empty array after `waitMs` without any.
   * The next poll may be issued before the last one's records are through.
   */
  poll(max: number, waitMs: number): Promise<LogRecord[]>;
  /** Commits next offsets for the group, synchronously with the broker. */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<void>;
  /** Moves the reading position of an assigned partition. */
  seek(position: TopicPartitionOffset): Promise<void>;
  /** Records between the read position and the end, over the assigned partitions; −1 where unknown. */
  lag(): Promise<number>;
  close(): Promise<void>;
}
