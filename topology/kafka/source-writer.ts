import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import type { TransactionalSink } from '../../sinks/kafka-transactions.js';
import type { GroupOffsets } from './group-offsets.js';
import type { GroupMember, TopicPartition, TopicPartitionOffset } from './log.js';

/** What ingest made of raw messages, and the offsets that follow these: together they are written, or not at all. */
export interface SourceShare {
  readonly records: readonly OutputRecord[];
  /** At least one. */
  readonly offsets: readonly TopicPartitionOffset[];
}

/** How what was read of a source reaches the broker. */
export interface SourceWriter {
  /**
   * Partitions, and only these, were assigned to this process: refuses from here on whoever wrote for them before. To
   * be called before their committed offsets are asked for, which are settled then.
   * @throws ActuaryError transaction_failed if the broker refuses a transactional id
   */
  fence(partitions: readonly TopicPartition[]): Promise<void>;
  /** Resolves when all records are acknowledged. @throws TransactionFailed where they are to be made again */
  write(shares: readonly SourceShare[]): Promise<void>;
  /** Ends what `write` began. @throws TransactionFailed as above */
  commit(shares: readonly SourceShare[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Exactly once: a transaction for each share, side by side, by a producer of its own that whoever reads the same
 * partition next replaces. Members of the group cannot be told apart by its generation here, for the client that reads
 * may be another one than the one that writes; the producer's epoch does it alone.
 */
export class SourceTransactions implements SourceWriter {
  private readonly sinks = new Map<string, TransactionalSink>();

  /**
   * @param nameOf the producer that writes for a partition: those of one share have one
   * @param sinkOf makes it
   */
  constructor(
    private readonly nameOf: (partition: TopicPartition) => string,
    private readonly sinkOf: (name: string) => TransactionalSink,
    private readonly group: GroupOffsets,
  ) {}

  async fence(partitions: readonly TopicPartition[]): Promise<void> {
    const names = new Set(partitions.map(this.nameOf));
    const gone = [...this.sinks].filter(([name]) => !names.has(name));
    for (const [name] of gone) this.sinks.delete(name);
    for (const name of names) if (!this.sinks.has(name)) this.sinks.set(name, this.sinkOf(name));
    await all([...gone.map(([, sink]) => sink.close()), ...[...this.sinks.values()].map((sink) => sink.reopen())]);
  }

  write(shares: readonly SourceShare[]): Promise<void> {
    return all(shares.map((share) => this.sinkFor(share).write(share.records)));
  }

  commit(shares: readonly SourceShare[]): Promise<void> {
    return all(shares.map((share) => this.sinkFor(share).commit(share.offsets, this.group.consumer)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.sinks.values()].map((sink) => sink.close()));
    await this.group.close();
  }

  private sinkFor({ offsets }: SourceShare): TransactionalSink {
    return this.sinks.get(this.nameOf(offsets[0]))!;
  }
}

/** Waits for all, also where one fails: nothing is under way any more when this rejects. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** At least once: offsets are committed when the records are acknowledged; a crash in between repeats these. */
export class PlainSource implements SourceWriter {
  /** @param sink the caller's, who closes it */
  constructor(
    private readonly sink: KafkaSink,
    private readonly source: Pick<GroupMember, 'commit'>,
  ) {}

  fence(): Promise<void> {
    return Promise.resolve();
  }

  async write(shares: readonly SourceShare[]): Promise<void> {
    const records = shares.flatMap((share) => share.records);
    if (records.length === 0) return;
    await this.sink.write(records);
    await this.sink.flush();
  }

  async commit(shares: readonly SourceShare[]): Promise<void> {
    const offsets = shares.flatMap((share) => share.offsets);
    if (offsets.length > 0) await this.source.commit(offsets);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
