import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaConsumer, LibrdKafkaError } from 'node-rdkafka';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { failPoint, type TransactionStep } from '../schema/fail-point.js';
import { KafkaSink, type KafkaSinkOptions, type OutputRecord } from './kafka.js';

/**
 * After so long without an end the broker aborts a transaction: what a process that was killed left open holds up
 * readers, and the next owner of its partitions, no longer than this and the broker's own look-out (10 s).
 */
export const TRANSACTION_TIMEOUT_MS = 10_000;
/** Of one call to the client, which is repeated while the broker does not answer. */
const CALL_TIMEOUT_MS = 5_000;
const RETRY_MS = 200;
const REOPEN_WAIT_MS = 500;

/** The position of a group in a partition, as the transaction takes it. */
export interface SourceOffset {
  readonly topic: string;
  readonly partition: number;
  /** Next to read. */
  readonly offset: number;
  readonly metadata?: string;
}

export interface TransactionOptions extends KafkaSinkOptions {
  readonly transactionalId: string;
  /** Prefix of its fail points. */
  readonly name: string;
  /** Ends its waiting for a broker that does not answer. */
  readonly stopping: () => boolean;
}

/**
 * A transaction did not come to its end: nothing of it is to be seen, or, where the answer to its commit was lost, all
 * of it. Which of the two, the committed offsets say once {@link TransactionalSink.reopen} has resolved.
 */
export class TransactionFailed extends Error {
  constructor(what: string, cause: unknown) {
    super(`${what}: ${messageOf(cause)}`, { cause });
    this.name = 'TransactionFailed';
  }
}

/**
 * Writes records and the source offsets they were made from in one transaction: `write`, then `commit`. After a
 * failure, whatever it was, `reopen` is the one way on: a new producer under the same transactional id, whose
 * initialisation aborts what its predecessor left open, or finishes it if it was about to be committed, and fences
 * the predecessor and whoever else writes under this id.
 */
export class TransactionalSink {
  private producer: TransactionalProducer;
  /** Records above this many bytes go in their smaller form: the broker has refused such a one. */
  private readonly learnt = { largestBytes: Infinity };
  private readonly retired = new Set<Promise<void>>();

  constructor(private readonly options: TransactionOptions) {
    this.producer = this.newProducer();
  }

  /** @throws ActuaryError kafka_unreachable; transaction_failed if the broker refuses the transactional id */
  async open(): Promise<void> {
    await this.producer.open();
    await this.initialise();
  }

  partitions(topic: string): Promise<number> {
    return this.producer.partitions(topic);
  }

  /**
   * Begins a transaction and writes; resolves when all is acknowledged.
   * @param checkpoint records to be written after the others, a step of its own where there are any
   * @throws TransactionFailed
   */
  async write(records: readonly OutputRecord[], checkpoint: readonly OutputRecord[] = []): Promise<void> {
    for (;;) {
      await this.step('begin', () => this.producer.begin());
      const { largestBytes } = this.learnt;
      await this.step('produce', () => this.produce(records, largestBytes));
      const fits = this.learnt.largestBytes === largestBytes;
      if (fits && checkpoint.length > 0) await this.step('checkpoint', () => this.produce(checkpoint, largestBytes));
      if (fits) return;
      // A record was too large, which spoils a transaction: the same again, with its smaller form.
      await this.reopen();
    }
  }

  /**
   * Adds the group's offsets to what was written and commits. @param group member that has read up to them
   * @throws TransactionFailed
   */
  async commit(offsets: readonly SourceOffset[], group: KafkaConsumer): Promise<void> {
    await this.step('offsets', () => this.producer.sendOffsets(offsets, group));
    await this.step('commit', () => this.producer.commit());
  }

  /**
   * Replaces the producer; waits for the broker as long as it takes.
   * @throws ActuaryError transaction_failed if the broker refuses the transactional id
   */
  async reopen(): Promise<void> {
    while (!this.options.stopping()) {
      this.retire(this.producer);
      this.producer = this.newProducer();
      try {
        await this.producer.open();
        await this.initialise();
        return;
      } catch (error) {
        if (!(error instanceof ActuaryError) || error.code !== 'kafka_unreachable') throw error;
        this.options.onTransientError(error.message);
        await delay(REOPEN_WAIT_MS);
      }
    }
  }

  async close(): Promise<void> {
    await this.producer.close();
    await Promise.all(this.retired);
  }

  /** Writes, unless it turns out that a record is too large: of that, `learnt` tells. */
  private async produce(records: readonly OutputRecord[], largestBytes: number): Promise<void> {
    try {
      await this.producer.write(records.map((record) => fitting(record, largestBytes)));
      await this.producer.flush();
    } catch (error) {
      if (this.learnt.largestBytes === largestBytes) throw error;
    }
  }

  private async initialise(): Promise<void> {
    while (!this.options.stopping()) {
      const error = await this.producer.initialise();
      if (error === null) return;
      if (error.isRetriable !== true)
        throw new ActuaryError(
          'transaction_failed',
          `the broker refuses transactional id ${this.options.transactionalId}: ${error.message}`,
          { cause: error },
        );
      this.options.onTransientError(`transactions of ${this.options.transactionalId}: ${error.message}`);
      await delay(RETRY_MS);
    }
  }

  /** Its transaction, if it has one, ends when the next producer is initialised; nobody waits for its disconnect. */
  private retire(producer: TransactionalProducer): void {
    const closed = producer.close().catch(() => undefined);
    this.retired.add(closed);
    void closed.finally(() => this.retired.delete(closed));
  }

  private newProducer(): TransactionalProducer {
    return new TransactionalProducer(this.options, this.learnt);
  }

  private async step(step: TransactionStep, work: () => Promise<void>): Promise<void> {
    const { name } = this.options;
    failPoint(`${name}.${step}.before`);
    try {
      await work();
    } catch (error) {
      throw new TransactionFailed(`transaction of ${this.options.transactionalId}, ${step}`, error);
    }
    failPoint(`${name}.${step}.after`);
  }
}

function fitting(record: OutputRecord, largestBytes: number): OutputRecord {
  const { ifTooLarge, value } = record;
  return ifTooLarge !== undefined && (value?.length ?? 0) > largestBytes ? ifTooLarge : record;
}

/** One producer, from its initialisation to its first failure. */
class TransactionalProducer extends KafkaSink {
  constructor(
    options: TransactionOptions,
    private readonly learnt: { largestBytes: number },
  ) {
    super({
      ...options,
      overrides: {
        'transactional.id': options.transactionalId,
        'transaction.timeout.ms': TRANSACTION_TIMEOUT_MS,
        'message.timeout.ms': TRANSACTION_TIMEOUT_MS,
      },
    });
  }

  /** @returns what went wrong; null if it is ready */
  initialise(): Promise<LibrdKafkaError | null> {
    return outcome((done) => this.producer.initTransactions(CALL_TIMEOUT_MS, done));
  }

  async begin(): Promise<void> {
    const error = await outcome((done) => this.producer.beginTransaction(done));
    if (error !== null) throw new ActuaryError('kafka_failed', error.message, { cause: error });
  }

  sendOffsets(offsets: readonly SourceOffset[], group: KafkaConsumer): Promise<void> {
    return this.insist((done) =>
      this.producer.sendOffsetsToTransaction(
        offsets.map((offset) => ({ ...offset })),
        group,
        CALL_TIMEOUT_MS,
        done,
      ),
    );
  }

  commit(): Promise<void> {
    return this.insist((done) => this.producer.commitTransaction(CALL_TIMEOUT_MS, done));
  }

  protected override refused(record: OutputRecord): void {
    const bytes = record.value?.length ?? 0;
    this.learnt.largestBytes = Math.min(this.learnt.largestBytes, bytes - 1);
    this.failure ??= new ActuaryError('kafka_failed', `a record of ${bytes} bytes is too large for the broker`);
  }

  /** Repeats a call that was not answered, for as long as the broker keeps the transaction. */
  private async insist(call: (done: Done) => void): Promise<void> {
    const until = performance.now() + TRANSACTION_TIMEOUT_MS;
    for (;;) {
      const error = await outcome(call);
      if (error === null) return;
      if (error.isRetriable !== true || performance.now() >= until)
        throw new ActuaryError('kafka_failed', error.message, { cause: error });
      await delay(RETRY_MS);
    }
  }
}

type Done = (error: LibrdKafkaError | null | undefined) => void;

/** What went wrong; null if nothing did. */
function outcome(call: (done: Done) => void): Promise<LibrdKafkaError | null> {
  return new Promise((resolve) => call((error) => resolve(error ?? null)));
}
