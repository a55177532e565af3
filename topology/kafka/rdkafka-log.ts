import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, {
  type ConsumerGlobalConfig,
  type KafkaConsumer,
  type LibrdKafkaError,
  type Message,
} from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { fetchBounds, placeBytes } from './buffers.js';
import { disconnect } from './disconnect.js';
import { committedOffsets, WAIT_ERRORS } from './group-offsets.js';
import {
  BEGINNING,
  keyOf,
  type LogConsumer,
  type LogListener,
  type LogRecord,
  type TopicPartition,
  type TopicPartitionOffset,
} from './log.js';
import { expiredAt, gapBefore, type OffsetGap } from './offset-gap.js';

const { ERR__ASSIGN_PARTITIONS, ERR__REVOKE_PARTITIONS } = rdkafka.CODES.ERRORS;
/** The group is being rearranged; a commit comes too late or too early. */
const REBALANCE_ERRORS: ReadonlySet<number> = new Set([
  rdkafka.CODES.ERRORS.ERR_REBALANCE_IN_PROGRESS,
  rdkafka.CODES.ERRORS.ERR_ILLEGAL_GENERATION,
  rdkafka.CODES.ERRORS.ERR_UNKNOWN_MEMBER_ID,
]);
const UNKNOWN_TOPIC: ReadonlySet<number> = new Set([
  rdkafka.CODES.ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
  rdkafka.CODES.ERRORS.ERR__UNKNOWN_TOPIC,
]);
const COMMIT_RETRY_MS = 200;
/** Between two looks at an empty queue; short against the second within which a sample is to be scored. */
const IDLE_MS = 10;
const WATERMARK_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 30_000;
/** A disconnect can hang for ever while a rebalance is under way; the process is ending by then. */
const CLOSE_TIMEOUT_MS = 10_000;
/** Messages taken at a time while the outcome of a commit is awaited. */
const PUMP_RECORDS = 100;

/** Whether offsets were committed; or why they were not, where that is to be tried again. */
type CommitOutcome = boolean | LibrdKafkaError;

export interface RdKafkaLogOptions {
  readonly brokers: readonly string[];
  /** Further librdkafka properties (kafka.properties). */
  readonly properties: Readonly<Record<string, string | number | boolean>>;
  readonly group: string;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** What it may hold, its caller's units of work included (buffers.ts). */
  readonly bufferBytes: number;
  /** Makes the member a static one: it does not leave when it is closed, and gets its partitions back under this name. */
  readonly groupInstanceId?: string;
  /** Called with errors the client recovers from by itself (broker down, timeouts). */
  readonly onTransientError: (message: string) => void;
  /** Called with what was gone before it was read. */
  readonly onGap?: (gap: OffsetGap) => void;
  /** Awaited for all that is assigned, before its committed offsets are asked for. */
  readonly fence?: (partitions: readonly TopicPartition[]) => Promise<void>;
}

/**
 * A group member over node-rdkafka: best for few large messages, does every security setting and codec that
 * librdkafka was built with. Reads committed messages only. Rebalances eagerly: all partitions go and come together.
 */
export class RdKafkaLog implements LogConsumer {
  /** For those who commit its offsets in a transaction. */
  readonly consumer: KafkaConsumer;
  private listener: LogListener | undefined;
  private assignment = new Map<string, TopicPartition>();
  /** What is to be read next; nothing of a partition whose beginning is not known yet. */
  private readonly next = new Map<string, number>();
  /** Where partitions begin that were found to be made anew, in place of what the group has committed. */
  private readonly anew = new Map<string, number>();
  private rebalance: Promise<void> = Promise.resolve();
  private failure: Error | undefined;
  private pendingCommit: { resolve: (outcome: CommitOutcome) => void; reject: (error: Error) => void } | undefined;
  private commitQueue: Promise<unknown> = Promise.resolve();
  private readonly stash: Message[] = [];
  /** Not read while the outcome of a commit is awaited: the stash is full. */
  private readonly held = new Map<string, TopicPartition>();
  /** Counts assignments and revocations. */
  private generation = 0;
  private readonly ends = new Map<string, number>();
  private readonly paused = new Map<string, TopicPartition>();
  private pumping: Promise<void> = Promise.resolve();
  private consuming: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(private readonly options: RdKafkaLogOptions) {
    const config: ConsumerGlobalConfig = {
      'enable.auto.offset.store': false,
      'auto.commit.interval.ms': 0,
      // Messages beyond this wait in the broker, not in memory.
      ...fetchBounds(options.bufferBytes),
      'fetch.wait.max.ms': 100,
      'fetch.error.backoff.ms': 100,
      'allow.auto.create.topics': true,
      'topic.metadata.refresh.interval.ms': 10_000,
      ...(options.properties as ConsumerGlobalConfig),
      'metadata.broker.list': options.brokers.join(','),
      'group.id': options.group,
      'client.id': options.clientId,
      'session.timeout.ms': options.sessionTimeoutMs,
      ...(options.groupInstanceId === undefined ? {} : { 'group.instance.id': options.groupInstanceId }),
      'heartbeat.interval.ms': Math.min(3_000, Math.floor(options.sessionTimeoutMs / 3)),
      'enable.auto.commit': false,
      'isolation.level': 'read_committed',
      'enable.partition.eof': true,
      'partition.assignment.strategy': 'range',
      rebalance_cb: (error: LibrdKafkaError | undefined, partitions: TopicPartition[]) => {
        this.rebalance = this.rebalance.then(() => this.onRebalance(error?.code, partitions));
      },
      offset_commit_cb: (error: LibrdKafkaError | undefined) => {
        const pending = this.pendingCommit;
        this.pendingCommit = undefined;
        if (!error) pending?.resolve(true);
        else if (REBALANCE_ERRORS.has(error.code)) pending?.resolve(false);
        else if (WAIT_ERRORS.has(error.code)) pending?.resolve(error);
        else pending?.reject(new ActuaryError('kafka_failed', `offset commit: ${error.message}`, { cause: error }));
      },
    };
    this.consumer = new rdkafka.KafkaConsumer(config, { 'auto.offset.reset': 'earliest' });
    this.consumer.on('event.error', (error) => {
      if (error.isFatal) this.failure = new ActuaryError('kafka_failed', error.message, { cause: error });
      else options.onTransientError(error.message);
    });
    this.consumer.on('partition.eof', (end) => this.ends.set(keyOf(end), end.offset));
  }

  async start(listener: LogListener): Promise<void> {
    this.listener = listener;
    await new Promise<void>((resolve, reject) => {
      this.consumer.connect({ timeout: CONNECT_TIMEOUT_MS }, (error) => {
        if (error)
          reject(
            new ActuaryError('kafka_unreachable', `Kafka at ${this.options.brokers.join(', ')}: ${error.message}`, {
              cause: error,
            }),
          );
        else resolve();
      });
    });
    this.consumer.setDefaultConsumeTimeout(0);
    this.consumer.subscribe([...this.options.topics]);
  }

  async poll(max: number, waitMs: number): Promise<readonly LogRecord[]> {
    const until = performance.now() + waitMs;
    for (;;) {
      await this.rebalance;
      // What it has under way comes before anything that is fetched from here on.
      await this.pumping;
      if (this.failure) throw this.failure;
      if (this.closed) return [];
      const { generation } = this;
      const messages = this.stash.length > 0 ? this.stash.splice(0) : await this.consume(max);
      // Fetched under an assignment that has changed since: what is still ours is read again from where it was committed.
      if (generation !== this.generation) continue;
      const records: LogRecord[] = [];
      for (const message of messages) {
        const key = keyOf(message);
        if (!this.assignment.has(key)) continue;
        const gap = this.gapBefore(key, message);
        if (gap !== null) this.options.onGap?.(gap);
        if (gap?.cause === 'anew') this.anew.set(key, gap.to);
        this.next.set(key, message.offset + 1);
        records.push(toRecord(message));
      }
      if (this.anew.size > 0) {
        void this.restart();
        continue;
      }
      if (records.length > 0 || performance.now() >= until) return records;
      await delay(IDLE_MS);
    }
  }

  async attend(): Promise<void> {
    const { generation } = this;
    const messages = await this.consume(PUMP_RECORDS);
    if (generation === this.generation) this.stash.push(...messages);
  }

  commit(offsets: readonly TopicPartitionOffset[]): Promise<boolean> {
    const mine = offsets.filter((offset) => this.assignment.has(keyOf(offset)));
    if (mine.length === 0) return Promise.resolve(offsets.length === 0);
    const commit = this.commitQueue.then(() => this.commitPatiently(mine));
    this.commitQueue = commit.catch(() => undefined);
    return commit;
  }

  restart(): Promise<void> {
    this.rebalance = this.rebalance.then(() =>
      this.change(() =>
        this.assignment.size > 0 ? this.onAssigned([...this.assignment.values()]) : Promise.resolve(),
      ),
    );
    return this.rebalance;
  }

  seek(position: TopicPartitionOffset): Promise<void> {
    // What was taken from before the new position would pass for what comes after it.
    const kept = this.stash.filter((message) => keyOf(message) !== keyOf(position));
    this.stash.splice(0, this.stash.length, ...kept);
    this.ends.delete(keyOf(position));
    // Whether what is there begins later is for the caller to ask (tellGaps).
    this.next.delete(keyOf(position));
    return new Promise((resolve, reject) => {
      this.consumer.seek(position, 5_000, (error) => {
        if (error) reject(new ActuaryError('kafka_failed', `seek: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  pause(partitions: readonly TopicPartition[]): void {
    const mine = partitions.filter((partition) => this.assignment.has(keyOf(partition)));
    if (mine.length === 0) return;
    for (const partition of mine) this.paused.set(keyOf(partition), partition);
    this.consumer.pause(mine.map((partition) => ({ ...partition })));
  }

  resume(partitions: readonly TopicPartition[]): void {
    const mine = partitions.filter((partition) => this.assignment.has(keyOf(partition)));
    if (mine.length === 0) return;
    for (const partition of mine) this.paused.delete(keyOf(partition));
    this.consumer.resume(mine.map((partition) => ({ ...partition })));
  }

  endOffset(partition: TopicPartition): number {
    try {
      return this.consumer.getWatermarkOffsets(partition.topic, partition.partition).highOffset;
    } catch {
      // Not fetched yet: librdkafka knows no watermark.
      return -1;
    }
  }

  endReachedAt(partition: TopicPartition): number {
    return this.ends.get(keyOf(partition)) ?? -1;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.rebalance;
    await Promise.race([disconnect(this.consumer), delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** Commits again where a broker that has just come back does not look after the group yet. */
  private async commitPatiently(offsets: readonly TopicPartitionOffset[]): Promise<boolean> {
    for (;;) {
      const mine = offsets.filter((offset) => this.assignment.has(keyOf(offset)));
      if (mine.length === 0 || this.closed) return false;
      const outcome = await new Promise<CommitOutcome>((resolve, reject) => {
        this.pendingCommit = { resolve, reject };
        this.consumer.commit(mine.map((offset) => ({ ...offset })));
        this.pumping = this.pump().catch(reject);
      });
      if (typeof outcome === 'boolean') return outcome;
      this.options.onTransientError(`offset commit: ${outcome.message}`);
      await delay(COMMIT_RETRY_MS);
    }
  }

  /**
   * The client hands over the outcome of a commit only while messages are asked for: asks on, and keeps what comes
   * for the next poll.
   */
  private async pump(): Promise<void> {
    while (this.pendingCommit !== undefined && !this.closed) {
      const { generation } = this;
      const messages = await this.consume(PUMP_RECORDS);
      if (generation === this.generation) this.stash.push(...messages);
      if (this.held.size === 0 && this.stashedBytes() > placeBytes(this.options.bufferBytes)) this.hold();
      if (this.pendingCommit !== undefined) await delay(1);
    }
    this.release();
  }

  private stashedBytes(): number {
    return this.stash.reduce((sum, { size }) => sum + size, 0);
  }

  /** A broker that takes its time with a commit, and none with records, would fill the stash without an end. */
  private hold(): void {
    for (const [key, partition] of this.assignment) if (!this.paused.has(key)) this.held.set(key, partition);
    this.consumer.pause([...this.held.values()].map((partition) => ({ ...partition })));
  }

  private release(): void {
    // Of those that have gone meanwhile too: the client remembers a pause beyond the assignment.
    const going = [...this.held].filter(([key]) => !this.paused.has(key));
    this.held.clear();
    if (going.length > 0) this.consumer.resume(going.map(([, partition]) => ({ ...partition })));
  }

  /** One call after the other: two at once would part the messages of a partition between them. */
  private consume(max: number): Promise<Message[]> {
    const consumed = this.consuming.then(
      () =>
        new Promise<Message[]>((resolve, reject) => {
          this.consumer.consume(max, (error: LibrdKafkaError | null, messages) => {
            // Nobody asked for messages for long, as while the broker was away: the group is joined anew.
            if (error?.code === rdkafka.CODES.ERRORS.ERR__MAX_POLL_EXCEEDED) resolve([]);
            else if (error !== null && UNKNOWN_TOPIC.has(error.code))
              reject(
                new ActuaryError(
                  'topic_missing',
                  `${error.message}. Of ${this.options.topics.join(', ')} one does not exist: create it, or correct sources`,
                  { cause: error },
                ),
              );
            else if (error) reject(this.failure ?? this.consumeFailure(error));
            else resolve(messages);
          });
        }),
    );
    this.consuming = consumed.catch(() => undefined);
    return consumed;
  }

  private consumeFailure(error: LibrdKafkaError): ActuaryError {
    const { groupInstanceId } = this.options;
    // A static member has one reason above all to be refused for good.
    const hint =
      groupInstanceId !== undefined && error.code === rdkafka.CODES.ERRORS.ERR__FATAL
        ? `; another process seems to have joined as instance ${groupInstanceId}: give each a name of its own`
        : '';
    return new ActuaryError('kafka_failed', `consume: ${error.message}${hint}`, { cause: error });
  }

  private onRebalance(code: number | undefined, partitions: TopicPartition[]): Promise<void> {
    return this.change(async () => {
      if (code === ERR__ASSIGN_PARTITIONS) await this.onAssigned(partitions);
      else if (code === ERR__REVOKE_PARTITIONS) {
        await this.listener?.revoked(partitions);
        this.assignment.clear();
        this.consumer.unassign();
      } else throw new Error(`rebalance failed with code ${code}`);
    });
  }

  /** What was fetched before the change is not handed out after it. */
  private async change(step: () => Promise<void>): Promise<void> {
    this.generation++;
    this.stash.length = 0;
    try {
      await step();
    } catch (error) {
      if (!this.consumer.isConnected()) return;
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  private async onAssigned(partitions: readonly TopicPartition[]): Promise<void> {
    await this.options.fence?.(partitions);
    const answered = await committedOffsets(this.consumer, partitions, {
      closed: () => this.closed,
      onTransientError: this.options.onTransientError,
    });
    // What was committed of a topic that is gone says nothing of the one that is there.
    const anew = partitions.flatMap((partition) => {
      const offset = this.anew.get(keyOf(partition));
      return offset === undefined ? [] : [{ ...partition, offset }];
    });
    this.anew.clear();
    const committed = [...byKey([...answered, ...anew]).values()];
    const wanted = await this.listener!.assigned(partitions, committed);
    const starts = byKey([...committed, ...wanted, ...anew]);
    this.next.clear();
    await this.tellGaps([...byKey([...committed, ...wanted.filter(({ offset }) => offset >= 0), ...anew]).values()]);
    for (const [key, { offset }] of starts) if (offset < 0) this.next.delete(key);
    this.generation++;
    this.stash.length = 0;
    this.assignment = new Map(partitions.map((partition) => [keyOf(partition), partition]));
    this.ends.clear();
    // The client remembers a pause beyond the assignment, and would never read a partition that comes back.
    const paused = [...this.paused.values(), ...this.held.values()];
    if (paused.length > 0) this.consumer.resume(paused.map((partition) => ({ ...partition })));
    this.paused.clear();
    this.held.clear();
    this.consumer.assign(
      partitions.map(({ topic, partition }) => ({
        topic,
        partition,
        offset: starts.get(keyOf({ topic, partition }))?.offset ?? BEGINNING,
      })),
    );
  }

  /** Tells of those positions that are not there any more; reading goes on at the beginning of what is. */
  async tellGaps(positions: readonly TopicPartitionOffset[]): Promise<void> {
    const { onGap, onTransientError } = this.options;
    const tell = (position: TopicPartitionOffset): Promise<void> =>
      new Promise((resolve) => {
        const { topic, partition, offset } = position;
        this.next.set(keyOf(position), offset);
        this.consumer.queryWatermarkOffsets(topic, partition, WATERMARK_TIMEOUT_MS, (error, offsets) => {
          if (error) onTransientError(`offsets of ${keyOf(position)} not looked at: ${error.message}`);
          const gap = error ? null : expiredAt(position, offsets.lowOffset);
          if (gap !== null) {
            onGap?.(gap);
            this.next.set(keyOf(position), gap.to);
          }
          resolve();
        });
      });
    await Promise.all(positions.filter(({ offset }) => offset >= 0).map(tell));
  }

  /** What is missing between the record before and this one. */
  private gapBefore(key: string, { topic, partition, offset }: Message): OffsetGap | null {
    const next = this.next.get(key);
    if (next === undefined || next === offset) return null;
    const { lowOffset } = this.consumer.getWatermarkOffsets(topic, partition);
    return gapBefore({ topic, partition, offset: next }, offset, lowOffset);
  }
}

/** The last of each. */
function byKey(positions: readonly TopicPartitionOffset[]): Map<string, TopicPartitionOffset> {
  return new Map(positions.map((position) => [keyOf(position), position]));
}

function toRecord(message: Message): LogRecord {
  const { topic, partition, offset, timestamp, value } = message;
  const key = message.key;
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp ?? 0,
    key: key === null || key === undefined ? null : Buffer.isBuffer(key) ? key : Buffer.from(key),
    value,
  };
}
