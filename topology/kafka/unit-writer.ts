import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import type { TransactionalSink } from '../../sinks/kafka-transactions.js';
import type { GroupMember, TopicPartitionOffset } from './log.js';
import type { RdKafkaLog } from './rdkafka-log.js';

/** How a unit of work reaches the broker: its records, then the source offsets that they were made from. */
export interface UnitWriter {
  /**
   * Resolves when all records are acknowledged.
   * @param checkpoint is written after the others
   * @throws TransactionFailed where the unit is to be made again
   */
  write(records: readonly OutputRecord[], checkpoint?: readonly OutputRecord[]): Promise<void>;
  /** Ends what `write` began. @throws TransactionFailed as above */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<void>;
  /**
   * After a TransactionFailed: gets rid of what was begun and makes ready for more. The committed offsets are settled
   * when it resolves.
   */
  reopen(): Promise<void>;
  partitions(topic: string): Promise<number>;
  close(): Promise<void>;
}

/** Exactly once: records and offsets in one transaction, fenced by the group's generation (KIP-447). */
export class TransactionalWriter implements UnitWriter {
  constructor(
    private readonly sink: TransactionalSink,
    private readonly source: RdKafkaLog,
  ) {}

  write(records: readonly OutputRecord[], checkpoint: readonly OutputRecord[] = []): Promise<void> {
    return this.sink.write(records, checkpoint);
  }

  commit(offsets: readonly TopicPartitionOffset[]): Promise<void> {
    return this.sink.commit(offsets, this.source.consumer);
  }

  reopen(): Promise<void> {
    return this.sink.reopen();
  }

  partitions(topic: string): Promise<number> {
    return this.sink.partitions(topic);
  }

  close(): Promise<void> {
    return this.sink.close();
  }
}

/** At least once: offsets are committed when the records are acknowledged; a crash in between repeats these. */
export class PlainWriter implements UnitWriter {
  constructor(
    private readonly sink: KafkaSink,
    private readonly source: Pick<GroupMember, 'commit'>,
  ) {}

  async write(records: readonly OutputRecord[], checkpoint: readonly OutputRecord[] = []): Promise<void> {
    if (records.length === 0 && checkpoint.length === 0) return;
    await this.sink.write([...records, ...checkpoint]);
    await this.sink.flush();
  }

  async commit(offsets: readonly TopicPartitionOffset[]): Promise<void> {
    if (offsets.length > 0) await this.source.commit(offsets);
  }

  /** Never asked: what fails here ends the process, and its successor repeats the unit. */
  reopen(): Promise<void> {
    return Promise.resolve();
  }

  partitions(topic: string): Promise<number> {
    return this.sink.partitions(topic);
  }

  close(): Promise<void> {
    return this.sink.close();
  }
}
