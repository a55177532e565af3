import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Consumer } from 'kafkajs';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { placeBytes } from './buffers.js';
import type { FetchedPartition } from './fetched-partition.js';
import { blockKafkaJs } from './kafkajs-blocks.js';
import { isBrokerAway, isRebalancing, mayPass } from './kafkajs-errors.js';
import {
  keyOf,
  type BlockConsumer,
  type LogListener,
  type RecordBlock,
  type TopicPartition,
  type TopicPartitionOffset,
} from './log.js';
import { expiredAt, gapBefore, type OffsetGap } from './offset-gap.js';
import type { KafkaJsSecurity } from './kafkajs-security.js';
import { ReadAhead } from './read-ahead.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { responseSockets } from './response-socket.js';
import { subscribedRange } from './subscribed-range.js';

/** Partitions whose batches are held ready side by side. */
const CONCURRENCY = 16;
const MAX_BYTES_PER_PARTITION = 2 * 1024 * 1024;
/** Of one fetch, or less. */
const MAX_BYTES = 8 * 1024 * 1024;
/**
 * The client fetches again once no more than this, or less, is left to be taken, so that whoever decodes need not wait
 * for a broker's answer and its way through a busy event loop.
 */
const AHEAD_BYTES = 2 * 1024 * 1024;
/** That are in memory at a time: one that is decoded, one on offer, one under way. */
const FETCHES = 3;
const RETRY_MS = 500;
/** In a rebalance the client may still hand out what it had fetched before; beyond so long it has lost its way. */
const STRAY_MS = 5_000;
/** In which the client says so, and nowhere else. */
const OUT_OF_RANGE = 'Offset out of range, resetting to default offset';

export interface KafkaJsLogOptions {
  readonly brokers: readonly string[];
  readonly security?: KafkaJsSecurity;
  readonly group: string;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** What it may hold, its caller's units of work included (buffers.ts). */
  readonly bufferBytes: number;
  readonly onTransientError: (message: string) => void;
  readonly onGap?: (gap: OffsetGap) => void;
  /** Says where the group is in what is assigned, in place of what the client asks itself, and fences it before. */
  readonly committed?: (partitions: readonly TopicPartition[]) => Promise<readonly TopicPartitionOffset[]>;
}

/** Whether a source failed for what kafkajs has no code for: another codec than gzip, most likely. */
export function isBeyondKafkaJs(error: Error): boolean {
  return error.cause instanceof blockKafkaJs().KafkaJSNonRetriableError && error.cause.name === 'KafkaJSNotImplemented';
}

/**
 * A group member over kafkajs, which reads small messages many times as fast as node-rdkafka. Of codecs it knows gzip
 * alone, and no property of librdkafka's consumer: the caller takes it where that is enough. The client pushes; what it
 * fetched is handed out by pollBlocks, and no more is fetched while much of it is left. What was on offer under an
 * assignment that has changed is never handed out: it is fetched again from where the group was.
 */
export class KafkaJsLog implements BlockConsumer {
  private readonly consumer: Consumer;
  private readonly admin: Admin;
  private readonly readAhead: ReadAhead<FetchedPartition>;
  private readonly ends = new Map<string, number>();
  private readonly told = new Set<string>();
  private readonly reached = new Map<string, number>();
  /** What is to be offered next; nothing of a partition whose beginning is not known yet. */
  private readonly next = new Map<string, number>();
  /** Where partitions begin that were found to be made anew, in place of what the group has committed. */
  private readonly anew = new Map<string, number>();
  /** Partitions of which the client has found that there is nothing where it was to read, and never will be. */
  private readonly outOfRange = new Set<string>();
  /** What the group had committed before this client joined, who overwrites it where there is nothing any more. */
  private readonly before = new Map<string, number>();
  private restarting: Promise<void> | undefined;
  private joining: Promise<void> = Promise.resolve();
  /** First batch since the last assignment of a partition that was not in it, by performance.now(). */
  private straySinceMs = NaN;
  private assignment = new Map<string, TopicPartition>();
  private assigning: Promise<void> = Promise.resolve();
  private listener: LogListener | undefined;
  private failure: Error | undefined;
  private closed = false;

  constructor(private readonly options: KafkaJsLogOptions) {
    const placed = placeBytes(options.bufferBytes);
    const aheadBytes = Math.min(AHEAD_BYTES, Math.floor(placed / 4));
    const maxBytes = Math.min(MAX_BYTES, placed - aheadBytes);
    this.readAhead = new ReadAhead(aheadBytes, (fetched) => this.taken(fetched));
    const { Kafka, logLevel } = blockKafkaJs();
    const kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId,
      ...options.security,
      socketFactory: options.security?.ssl ? undefined : responseSockets(new RecycledMemory(FETCHES * maxBytes)),
      logLevel: logLevel.ERROR,
      logCreator:
        () =>
        ({ log }) => {
          if (log.message === OUT_OF_RANGE) this.outOfRange.add(keyOf(log as unknown as TopicPartition));
          options.onTransientError(typeof log.error === 'string' ? `${log.message}: ${log.error}` : log.message);
        },
    });
    this.admin = kafka.admin();
    this.consumer = kafka.consumer({
      groupId: options.group,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: Math.min(3_000, Math.floor(options.sessionTimeoutMs / 3)),
      maxWaitTimeInMs: 100,
      maxBytesPerPartition: Math.min(MAX_BYTES_PER_PARTITION, maxBytes),
      maxBytes,
      partitionAssigners: [subscribedRange],
      // What has given up begins again by `restart`, which sees to it that nothing runs twice.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
  }

  async start(listener: LogListener): Promise<void> {
    this.listener = listener;
    const { consumer } = this;
    try {
      await this.admin.connect();
      await consumer.connect();
      await consumer.subscribe({ topics: [...this.options.topics], fromBeginning: true });
    } catch (error) {
      const brokers = this.options.brokers.join(', ');
      throw new ActuaryError('kafka_unreachable', `Kafka at ${brokers}: ${messageOf(error)}`, { cause: error });
    }
    consumer.on(consumer.events.CRASH, ({ payload }) => this.ended(payload.error));
    consumer.on(consumer.events.REBALANCING, () => this.change(() => this.revoke()));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // Of a membership that is over. Nothing is fetched yet under this one.
      this.outOfRange.clear();
      this.change(() => this.assign(payload.memberAssignment));
    });
    // The client commits the beginning over an offset that is gone, as soon as it has joined: look before.
    await this.lookForGaps();
    this.run();
  }

  async pollBlocks(maxBytes: number, waitMs: number): Promise<readonly RecordBlock[]> {
    const until = performance.now() + waitMs;
    for (;;) {
      await this.assigning;
      if (this.failure) throw this.failure;
      const blocks = this.readAhead.take(maxBytes);
      const leftMs = until - performance.now();
      if (blocks.length > 0 || this.closed || leftMs <= 0) return blocks;
      await this.readAhead.more(leftMs);
    }
  }

  async commit(offsets: readonly TopicPartitionOffset[]): Promise<boolean> {
    const mine = offsets.filter((offset) => this.assignment.has(keyOf(offset)));
    if (mine.length === 0) return offsets.length === 0;
    try {
      await this.consumer.commitOffsets(
        mine.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })),
      );
      return true;
    } catch (error) {
      if (isRebalancing(error)) return false;
      throw new ActuaryError('kafka_failed', `offset commit: ${messageOf(error)}`, { cause: error });
    }
  }

  seek({ topic, partition, offset }: TopicPartitionOffset): Promise<void> {
    this.readAhead.withdraw((fetched) => fetched.topic === topic && fetched.partition === partition);
    this.consumer.seek({ topic, partition, offset: String(offset) });
    return Promise.resolve();
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.consumer.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.consumer.resume(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  endOffset(partition: TopicPartition): number {
    return this.ends.get(keyOf(partition)) ?? -1;
  }

  endReachedAt(partition: TopicPartition): number {
    return this.reached.get(keyOf(partition)) ?? -1;
  }

  /** Leaves the group and joins it again: what the client has under way ends with its membership. */
  restart(): Promise<void> {
    return this.restartAfter(0);
  }

  private restartAfter(waitMs: number): Promise<void> {
    this.restarting ??= this.rejoin(waitMs).finally(() => (this.restarting = undefined));
    return this.restarting;
  }

  private async rejoin(waitMs: number): Promise<void> {
    this.readAhead.withdraw();
    if (waitMs > 0) await delay(waitMs);
    // A client that is told to stop while it joins goes on joining, as a second member beside the one that is run next.
    await this.joining;
    await this.consumer.stop();
    this.change(() => this.revoke());
    await this.assigning;
    if (!this.closed) this.run();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.readAhead.withdraw();
    await this.consumer.disconnect();
    await this.admin.disconnect();
  }

  private run(): void {
    // Resolves when the group is joined, which takes seconds: partitions come by the listener anyway.
    const joining = this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENCY,
      eachBatch: async (payload) => {
        const fetched = payload.batch as unknown as FetchedPartition;
        await this.assigning;
        const partition = { topic: fetched.topic, partition: fetched.partition };
        if (!this.assignment.has(keyOf(partition))) {
          if (payload.isRunning()) this.strayed();
          return;
        }
        this.ends.set(keyOf(partition), Number(fetched.highWatermark));
        if (this.isAnew(partition, fetched)) {
          // It waits for this handler to end.
          void this.restart();
          return;
        }
        const kept = await this.readAhead.offer(fetched, {
          heartbeat: () => payload.heartbeat(),
          stale: () => this.closed || !payload.isRunning() || payload.isStale(),
        });
        // It is to be fetched again, by whoever has the partition then.
        if (!kept) return;
        payload.resolveOffset(fetched.lastOffset());
        this.next.set(keyOf(partition), Number(fetched.lastOffset()) + 1);
      },
    });
    this.joining = joining.catch((error: Error) => this.ended(error));
  }

  /**
   * The client hands out a partition that it has not said it holds. After a join that failed for a coordinator that was
   * loading it goes on as the member it was, and never says so.
   */
  private strayed(): void {
    const now = performance.now();
    if (Number.isNaN(this.straySinceMs)) this.straySinceMs = now;
    if (now - this.straySinceMs < STRAY_MS) return;
    this.straySinceMs = NaN;
    this.restart().catch((cause: Error) => (this.failure ??= cause));
  }

  /** The client has given up: it is set to work again if what it gave up for may pass. */
  private ended(error: Error): void {
    if (!mayPass(error)) {
      this.failure = new ActuaryError('kafka_failed', error.message, { cause: error });
      return;
    }
    this.options.onTransientError(error.message);
    this.restartAfter(RETRY_MS).catch((cause: Error) => (this.failure ??= cause));
  }

  private taken(fetched: FetchedPartition): void {
    const next = Number(fetched.lastOffset()) + 1;
    if (next >= Number(fetched.highWatermark)) this.reached.set(keyOf(fetched), next);
  }

  /**
   * Tells of what is missing between the batch before and this one: the client itself begins again at what is there.
   * @returns whether the topic was made anew
   */
  private isAnew(partition: TopicPartition, { fetchedOffset, logStart }: FetchedPartition): boolean {
    const key = keyOf(partition);
    const wasOut = this.outOfRange.delete(key);
    if (Number.isNaN(logStart)) return false;
    const gap = gapBefore({ ...partition, offset: this.next.get(key) ?? -1 }, Number(fetchedOffset), logStart);
    // The client may begin before what was committed: it does not wait for transactions that are about to end.
    if (gap === null || (gap.cause === 'anew' && !wasOut)) return false;
    this.tellGap(gap);
    if (gap.cause !== 'anew') return false;
    this.anew.set(key, gap.to);
    return true;
  }

  private async lookForGaps(): Promise<void> {
    if (this.options.onGap === undefined) return;
    for (const topic of this.options.topics) {
      try {
        const ends = new Map((await this.admin.fetchTopicOffsets(topic)).map((end) => [end.partition, end]));
        const [known] = await this.admin.fetchOffsets({ groupId: this.options.group, topics: [topic] });
        for (const { partition, offset } of known.partitions) {
          const end = ends.get(partition);
          if (end === undefined) continue;
          this.tellGap(expiredAt({ topic, partition, offset: Number(offset) }, Number(end.low)));
          if (Number(offset) > Number(end.high)) this.before.set(keyOf({ topic, partition }), Number(offset));
        }
      } catch (error) {
        // A topic that is not there yet, or a group that nobody was ever in.
        this.options.onTransientError(`offsets of ${topic} not looked at: ${messageOf(error)}`);
      }
    }
  }

  /** Tells of each gap once. */
  private tellGap(gap: OffsetGap | null): void {
    if (gap === null) return;
    const identity = `${keyOf(gap)} ${gap.from}`;
    if (this.told.has(identity)) return;
    this.told.add(identity);
    this.options.onGap?.(gap);
  }

  /** Assignments and revocations one after the other; nothing is handed out in between. */
  private change(step: () => Promise<void>): void {
    this.assigning = this.assigning.then(step).catch((error: unknown) => {
      this.failure = error instanceof Error ? error : new Error(String(error));
    });
  }

  private async revoke(): Promise<void> {
    const going = [...this.assignment.values()];
    this.readAhead.withdraw();
    if (going.length > 0) await this.listener!.revoked(going);
    this.assignment.clear();
  }

  /** Asks until the broker answers: one that has just come back may not know yet what it leads. */
  private async ask<T>(question: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await question();
      } catch (error) {
        const { retriable, cause } = error as { retriable?: boolean; cause?: { retriable?: boolean } };
        if (this.closed || !(retriable || cause?.retriable || isBrokerAway(error))) throw error;
        this.options.onTransientError(messageOf(error));
        await delay(RETRY_MS);
      }
    }
  }

  private async assign(memberAssignment: Record<string, number[]>): Promise<void> {
    this.straySinceMs = NaN;
    if (this.assignment.size > 0) await this.revoke();
    const partitions = Object.entries(memberAssignment).flatMap(([topic, numbers]) =>
      numbers.map((partition) => ({ topic, partition })),
    );
    const committed = await (this.options.committed?.(partitions) ?? this.committed(partitions));
    const positions = new Map(committed.map((position) => [keyOf(position), position.offset]));
    this.reached.clear();
    for (const [topic, numbers] of Object.entries(memberAssignment)) {
      const ends = new Map(
        (await this.ask(() => this.admin.fetchTopicOffsets(topic))).map((end) => [end.partition, end]),
      );
      for (const partition of numbers) {
        const end = ends.get(partition);
        if (end === undefined) continue;
        const key = keyOf({ topic, partition });
        const at = this.anew.get(key) ?? positions.get(key);
        this.ends.set(key, Number(end.high));
        const gap = at === undefined ? null : expiredAt({ topic, partition, offset: at }, Number(end.low));
        this.tellGap(gap);
        const begins = gap?.to ?? at;
        if (begins !== undefined) positions.set(key, begins);
        // Nothing there: no fetch will ever say that the end is reached.
        if ((at ?? Number(end.low)) >= Number(end.high)) this.reached.set(key, Number(end.high));
      }
    }
    this.assignment = new Map(partitions.map((partition) => [keyOf(partition), partition]));
    this.anew.clear();
    this.next.clear();
    for (const [key, offset] of [...this.before, ...positions]) this.next.set(key, offset);
    this.before.clear();
    const known = partitions.flatMap((partition) => {
      const offset = positions.get(keyOf(partition));
      return offset === undefined ? [] : [{ ...partition, offset }];
    });
    for (const start of await this.listener!.assigned(partitions, known)) await this.seek(start);
  }

  private async committed(partitions: readonly TopicPartition[]): Promise<TopicPartitionOffset[]> {
    const mine = new Set(partitions.map(keyOf));
    const committed: TopicPartitionOffset[] = [];
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      const [known] = await this.ask(() => this.admin.fetchOffsets({ groupId: this.options.group, topics: [topic] }));
      for (const { partition, offset } of known.partitions)
        if (Number(offset) >= 0 && mine.has(keyOf({ topic, partition })))
          committed.push({ topic, partition, offset: Number(offset) });
    }
    return committed;
  }
}
