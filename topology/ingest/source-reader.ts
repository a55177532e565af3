import { lastValueFrom, type Observable } from 'rxjs';
import type { BatchBuilder } from '../../schema/batch.js';
import { ActuaryError } from '../../schema/errors.js';
import { placeBytes } from '../kafka/buffers.js';
import type { CommitIntervals } from '../kafka/commit-intervals.js';
import type { SourceParts } from '../kafka/connection.js';
import {
  keyOf,
  lagOf,
  type LogListener,
  type RecordBlock,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import { UnitTransactions } from '../kafka/unit-transactions.js';
import { Busy } from '../busy.js';
import { ingest } from '../topology.js';
import { InStep } from './in-step.js';
import type { Intake, SourceLetter } from './intake.js';
import type { Router } from './router.js';
import { UndecodableShare } from './undecodable-share.js';
import { byPartitionOf, newUnit, shareOf, WHOLE, type EncodedBatches, type Unit } from './unit.js';

/**
 * Records worth decoding: whoever has so many does not wait for more, which come anyway while these are decoded.
 * Waiting for more left the processor idle for half of the time. Nor are many more decoded at a time, which would hold
 * up all else that this thread does.
 */
const ENOUGH_BYTES = 2 * 1024 * 1024;
/** One unit of work never takes more than about this much, so that memory and transactions stay bounded; or less. */
const MAX_UNIT_BYTES = 16 * 1024 * 1024;
const POLL_WAIT_MS = 50;
/** A partition whose samples wait for slower ones is not read further beyond this many, or what the budget leaves. */
const PAUSE_ABOVE_SAMPLES = 20_000;
/** Of those: where it is read on. */
const RESUME_BELOW_SHARE = 0.25;
/** What a sample that waits takes, about. */
const SAMPLE_BYTES = 512;

export interface SourceReaderOptions extends SourceParts, CommitIntervals {
  readonly name: string;
  /** Puts what it accepts into the router or, where partitions are read in step, into the collector. */
  readonly intake: Intake;
  /** Null where a partition holds its GPUs in order; otherwise the partitions are read in step. */
  readonly collector: BatchBuilder | null;
  readonly lingerMs: number;
  /** What this source may hold of what was read and is not written. */
  readonly bufferBytes: number;
  /** Beyond this share of undecodable messages the source is not read on. */
  readonly maxUndecodable: number;
  readonly router: Router;
  /** Takes what the router handed over, encoded. */
  readonly batches: () => EncodedBatches;
  readonly warn: (message: string) => void;
  /** @param newestMs record timestamp of the last one, epoch ms */
  readonly onRecords: (records: number, samples: number, newestMs: number) => void;
  /** What is held now, bytes; and records that are there to be read. */
  readonly onHeld: (bytes: number, lag: number) => void;
  /** So many batches were committed. */
  readonly onBatches: (count: number) => void;
}

/**
 * Reads one source: poll, decode, put in order, re-key, publish, commit. An offset is committed with, or after, all
 * samples and dead letters of the messages before it, and none of those from it on: what waits in step waits with its
 * dead letters.
 */
export class SourceReader implements LogListener {
  private readonly inStep: InStep;
  private readonly positions = new Map<string, TopicPartitionOffset>();
  /** What the newest unit commits, or one before it. */
  private readonly handedOn = new Map<string, number>();
  private readonly paused = new Map<string, TopicPartition>();
  /** Dead letters of messages that are not finished, by partition, in the order of their offsets. */
  private readonly held = new Map<string, SourceLetter[]>();
  private readonly transactions: UnitTransactions;
  private stopping = false;
  private running: Promise<void> = Promise.resolve();
  private readonly busy = new Busy();
  private readonly undecodable = new UndecodableShare();
  private wrong: ActuaryError | undefined;
  private readonly maxUnitBytes: number;
  /** Of the outputs of the unit that is being written. */
  private writingBytes = 0;
  /** Counts assignments and revocations. */
  private generation = 0;
  hasAssignment = false;

  constructor(private readonly options: SourceReaderOptions) {
    this.maxUnitBytes = Math.min(MAX_UNIT_BYTES, placeBytes(options.bufferBytes));
    this.inStep = new InStep((key, next) => {
      const position = this.positions.get(key);
      if (position === undefined) return false;
      return options.consumer.endReachedAt(position) < next;
    });
    this.transactions = new UnitTransactions({
      // Its producers are replaced when partitions are assigned, and so they are by the restart.
      reopen: () => Promise.resolve(),
      restart: () => options.consumer.restart(),
      warn: options.warn,
    });
  }

  /** @param failed called if the source cannot be read on */
  async start(failed: (error: Error) => void): Promise<void> {
    await this.options.consumer.start(this);
    this.running = lastValueFrom(this.chain(), { defaultValue: undefined })
      .then(() => undefined, failed)
      .finally(() => this.busy.endAll());
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.transactions.cancel();
    await this.running;
    await this.options.consumer.close();
    await this.options.writer.close();
  }

  assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]> {
    this.generation++;
    const starts = new Map(committed.map((position) => [keyOf(position), position.offset]));
    for (const { topic, partition } of partitions) {
      const key = keyOf({ topic, partition });
      const offset = starts.get(key) ?? 0;
      this.positions.set(key, { topic, partition, offset });
      this.handedOn.set(key, offset);
      this.held.set(key, []);
      this.inStep.assign(key, offset);
    }
    // Of those that begin anew.
    if (this.paused.size > 0) this.options.consumer.resume([...this.paused.values()]);
    this.paused.clear();
    this.hasAssignment = true;
    return Promise.resolve([]);
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    // The unit in hand ends with its commit; what is gathered, or waits in step, is read again by the next owner.
    await this.busy.idle();
    this.generation++;
    for (const partition of partitions) {
      const key = keyOf(partition);
      this.positions.delete(key);
      this.handedOn.delete(key);
      this.held.delete(key);
      this.paused.delete(key);
      this.inStep.revoke(key);
    }
    this.hasAssignment = false;
  }

  private chain(): Observable<void> {
    return ingest<Unit>({
      poll: async () => {
        // Which dead letters show what is wrong with it: they are written before it is given up.
        if (this.wrong !== undefined) {
          await this.busy.idle();
          throw this.wrong;
        }
        await this.transactions.recover();
        return this.gather();
      },
      putInOrder: (unit) => this.putInOrder(unit),
      publish: (unit) => this.publish(unit),
      commit: (unit) => this.commit(unit),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  /** Polls and decodes until there is enough for a unit, or its time is over. */
  private async gather(): Promise<Unit> {
    let unit = newUnit(this.generation);
    for (;;) {
      const blocks = await this.collect(unit);
      // What was gathered under another assignment is read again by whoever has the partition now.
      if (unit.generation !== this.generation) {
        this.options.router.drain();
        this.options.batches().memory.release();
        unit = newUnit(this.generation);
      }
      this.decode(unit, blocks);
      const untilMs = lagOf(this.options.consumer, this.positions.values()) > 0 ? unit.untilBehindMs : unit.untilMs;
      const isOver = performance.now() >= untilMs || unit.bytes >= this.maxUnitBytes;
      if (!isOver && blocks.length > 0 && !this.stopping && this.wrong === undefined) continue;
      // In hand from here on, without a moment in which its partitions could be revoked.
      this.busy.begin();
      return unit;
    }
  }

  /** Polls until there is a fair load of records or the linger is over: few records at a time make dear batches. */
  private async collect(unit: Unit): Promise<RecordBlock[]> {
    const { consumer, lingerMs, commitIntervalMs, catchUpCommitIntervalMs } = this.options;
    const blocks: RecordBlock[] = [];
    const most = Math.min(ENOUGH_BYTES, this.maxUnitBytes - unit.bytes);
    let bytes = 0;
    // A unit that goes on beyond its interval, being behind, lingers no more for each load than one that begins.
    let untilMs = performance.now() < unit.untilMs ? unit.untilMs : Infinity;
    do {
      const { generation } = this;
      const waitMs = Math.max(0, Math.min(POLL_WAIT_MS, untilMs - performance.now()));
      const polled = await consumer.pollBlocks(Math.max(1, most - bytes), waitMs);
      if (generation !== this.generation) blocks.length = 0;
      for (const block of polled) {
        blocks.push(block);
        bytes += block.bytes;
      }
      if (blocks.length === 0) break;
      const now = performance.now();
      if (unit.untilMs === Infinity) {
        unit.untilMs = now + commitIntervalMs;
        unit.untilBehindMs = now + catchUpCommitIntervalMs;
      }
      if (untilMs === Infinity)
        untilMs = now + (commitIntervalMs > 0 ? Math.min(lingerMs, commitIntervalMs) : lingerMs);
    } while (!this.stopping && bytes < most && performance.now() < untilMs);
    unit.bytes += bytes;
    return blocks;
  }

  /** Samples into the router, or in step; dead letters to those that are held. */
  private decode(unit: Unit, blocks: readonly RecordBlock[]): void {
    const { intake, collector, router, byPartition, onRecords } = this.options;
    let records = 0;
    let samples = 0;
    let undecodable = 0;
    let newestMs = NaN;
    for (const [share, own] of byPartition ? byPartitionOf(blocks) : [[WHOLE, blocks] as const]) {
      for (const block of own) {
        const key = keyOf(block);
        const position = this.positions.get(key);
        // A partition that went and came back meanwhile is read again from its committed offset.
        if (position === undefined || block.nextOffset <= position.offset) continue;
        const decoded = intake.decode(block, position.offset);
        block.release();
        const next = block.nextOffset;
        this.positions.set(key, { topic: position.topic, partition: position.partition, offset: next });
        if (collector !== null) this.inStep.push(key, collector.build(), next);
        const held = this.held.get(key)!;
        for (const letter of decoded.letters) held.push(letter);
        records += decoded.records;
        samples += decoded.samples;
        undecodable += decoded.undecodable;
        if (!(newestMs >= decoded.newestMs)) newestMs = decoded.newestMs;
      }
      // A batch holds samples of one share.
      if (collector === null) this.drain(unit, share);
    }
    if (collector !== null) {
      this.inStep.release(router.take);
      this.regulate();
    }
    if (records > 0) onRecords(records, samples, newestMs);
    this.judge(records, undecodable);
  }

  private putInOrder(unit: Unit): Unit {
    if (this.options.collector !== null) this.drain(unit, WHOLE);
    const finished =
      this.options.collector === null
        ? [...this.positions].map(([key, { offset }]): [string, number] => [key, offset])
        : [...this.inStep.finished()];
    for (const [key, offset] of finished) {
      const position = this.positions.get(key);
      if (position === undefined || offset <= (this.handedOn.get(key) ?? 0)) continue;
      const share = shareOf(unit, this.options.byPartition ? key : WHOLE);
      share.offsets.push({ topic: position.topic, partition: position.partition, offset });
      const held = this.held.get(key)!;
      let count = 0;
      while (count < held.length && held[count].offset < offset) share.records.push(held[count++].record);
      held.splice(0, count);
      this.handedOn.set(key, offset);
    }
    this.tellHeld(unit);
    return unit;
  }

  /** All that is in memory at this moment, the fullest of a unit's life: the unit before is being written. */
  private tellHeld(unit: Unit): void {
    let outputBytes = 0;
    for (const { records } of unit.shares.values()) for (const { value } of records) outputBytes += value?.length ?? 0;
    let waiting = 0;
    for (const key of this.positions.keys()) waiting += this.inStep.waiting(key);
    const bytes = unit.bytes + outputBytes + this.writingBytes + SAMPLE_BYTES * waiting;
    this.options.onHeld(bytes, lagOf(this.options.consumer, this.positions.values()));
    this.writingBytes = outputBytes;
  }

  /** Batches in the making go into a share. */
  private drain(unit: Unit, name: string): void {
    this.options.router.drain();
    const batches = this.options.batches();
    if (batches.records.length === 0) return;
    unit.batches += batches.records.length;
    unit.memory.push(batches.memory);
    const { records } = shareOf(unit, name);
    for (const batch of batches.records) records.push(batch);
  }

  private async publish(unit: Unit): Promise<Unit> {
    if (unit.shares.size > 0)
      await this.transactions.step(unit, () => this.options.writer.write([...unit.shares.values()]));
    return unit;
  }

  private async commit(unit: Unit): Promise<void> {
    if (unit.shares.size === 0) return;
    if (!(await this.transactions.step(unit, () => this.options.writer.commit([...unit.shares.values()])))) return;
    this.transactions.succeeded();
    for (const memory of unit.memory) memory.release();
    this.options.onBatches(unit.batches);
  }

  private regulate(): void {
    const places = SAMPLE_BYTES * Math.max(1, this.positions.size);
    const most = Math.min(PAUSE_ABOVE_SAMPLES, placeBytes(this.options.bufferBytes) / places);
    for (const [key, position] of this.positions) {
      const waiting = this.inStep.waiting(key);
      if (waiting > most && !this.paused.has(key)) {
        this.options.consumer.pause([position]);
        this.paused.set(key, position);
      } else if (waiting < RESUME_BELOW_SHARE * most && this.paused.has(key)) {
        this.options.consumer.resume([position]);
        this.paused.delete(key);
      }
    }
  }

  /**
   * Too much of it undecodable means that the format is wrong, and going on would only drain the source into the
   * dead-letter topic. What is refused by its time does not count: one wrong clock is not a wrong format.
   */
  private judge(messages: number, undecodable: number): void {
    const share = this.undecodable.add(messages, undecodable);
    if (share > this.options.maxUndecodable)
      this.wrong = new ActuaryError(
        'dead_letter_limit',
        `source ${this.options.name}: ${Math.round(share * 100)} % of the last ${this.undecodable.judged} messages could not be decoded. ` +
          'Is its format right? gpu-actuary dead-letters list shows their codes and bytes; deadLetter.maxRatio moves this limit',
      );
  }
}
