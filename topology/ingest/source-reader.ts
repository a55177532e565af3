import { lastValueFrom, type Observable } from 'rxjs';
import type { BatchBuilder, SampleBatch } from '../../schema/batch.js';
import { ActuaryError } from '../../schema/errors.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import {
  keyOf,
  type BlockConsumer,
  type LogListener,
  type RecordBlock,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import { Busy } from '../busy.js';
import { ingest } from '../topology.js';
import { InStep } from './in-step.js';
import type { Intake } from './intake.js';
import type { Router } from './router.js';
import { UndecodableShare } from './undecodable-share.js';

/** One cycle never takes more than about this much, so that memory and commits stay bounded. */
const MAX_CYCLE_BYTES = 8 * 1024 * 1024;
/**
 * Records worth a cycle: whoever has so many does not wait for more, which come anyway while these are decoded. Waiting
 * for a full cycle left the processor idle for half of the time.
 */
const ENOUGH_BYTES = 2 * 1024 * 1024;
const POLL_WAIT_MS = 50;
/** A partition whose samples wait for slower ones is not read further beyond this many. */
const PAUSE_ABOVE_SAMPLES = 20_000;
const RESUME_BELOW_SAMPLES = 5_000;

export interface SourceReaderOptions {
  readonly name: string;
  readonly consumer: BlockConsumer;
  /** Puts what it accepts into the router or, where partitions are read in step, into the collector. */
  readonly intake: Intake;
  /** Null where a partition holds its GPUs in order; otherwise the partitions are read in step. */
  readonly collector: BatchBuilder | null;
  readonly lingerMs: number;
  /** Beyond this share of undecodable messages the source is not read on. */
  readonly maxUndecodable: number;
  readonly router: Router;
  /** Takes what the router handed over, encoded. */
  readonly batches: () => OutputRecord[];
  /** Writes batches and dead letters; resolves when all are acknowledged. */
  readonly publish: (batches: OutputRecord[], letters: OutputRecord[]) => Promise<void>;
  readonly onRecords: (records: number, samples: number) => void;
}

/** What one poll gave, on its way through the stages. */
interface Cycle {
  /** To be put in order. */
  readonly collected: { readonly key: string; readonly batch: SampleBatch; readonly next: number }[];
  readonly letters: OutputRecord[];
  /** For gpu.samples. */
  readonly batches: OutputRecord[];
  readonly offsets: TopicPartitionOffset[];
}

/**
 * Reads one source: poll, decode, put in order, re-key, publish, commit. Offsets are committed last, and only of
 * records whose samples have all been acknowledged.
 */
export class SourceReader implements LogListener {
  private readonly inStep: InStep;
  private readonly positions = new Map<string, TopicPartitionOffset>();
  private readonly committed = new Map<string, number>();
  private readonly paused = new Set<string>();
  private stopping = false;
  private running: Promise<void> = Promise.resolve();
  private readonly busy = new Busy();
  private readonly undecodable = new UndecodableShare();
  /** Counts revocations. */
  private generation = 0;
  hasAssignment = false;

  constructor(private readonly options: SourceReaderOptions) {
    this.inStep = new InStep((key, next) => {
      const position = this.positions.get(key);
      if (position === undefined) return false;
      return options.consumer.endReachedAt(position) < next;
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
    await this.running;
    await this.options.consumer.close();
  }

  assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]> {
    const starts = new Map(committed.map((position) => [keyOf(position), position.offset]));
    for (const { topic, partition } of partitions) {
      const key = keyOf({ topic, partition });
      const offset = starts.get(key) ?? 0;
      this.positions.set(key, { topic, partition, offset });
      this.committed.set(key, offset);
      this.inStep.assign(key, offset);
    }
    this.hasAssignment = true;
    return Promise.resolve([]);
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    // The cycle in hand ends with its commit; what waits in step was not committed and is read again by the next owner.
    await this.busy.idle();
    this.generation++;
    for (const partition of partitions) {
      const key = keyOf(partition);
      this.positions.delete(key);
      this.committed.delete(key);
      this.paused.delete(key);
      this.inStep.revoke(key);
    }
    this.hasAssignment = false;
  }

  /** Polls until there is a fair load of records or the linger is over: few records at a time make dear batches. */
  private async collect(): Promise<RecordBlock[]> {
    const { consumer, lingerMs } = this.options;
    const blocks: RecordBlock[] = [];
    let bytes = 0;
    let until = Infinity;
    do {
      const { generation } = this;
      const polled = await consumer.pollBlocks(MAX_CYCLE_BYTES - bytes, POLL_WAIT_MS);
      // What was collected under another assignment is read again by whoever has the partition now.
      if (generation !== this.generation) blocks.length = 0;
      for (const block of polled) {
        blocks.push(block);
        bytes += block.bytes;
      }
      if (blocks.length > 0 && until === Infinity) until = performance.now() + lingerMs;
    } while (!this.stopping && blocks.length > 0 && bytes < ENOUGH_BYTES && performance.now() < until);
    return blocks;
  }

  private chain(): Observable<void> {
    return ingest<readonly RecordBlock[], Cycle>({
      poll: async () => {
        const blocks = await this.collect();
        this.busy.begin();
        return blocks;
      },
      decode: (blocks) => this.decode(blocks),
      putInOrder: (cycle) => this.putInOrder(cycle),
      publish: (cycle) => this.publish(cycle),
      commit: (cycle) => this.commit(cycle),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  private decode(blocks: readonly RecordBlock[]): Cycle {
    const { intake, collector, onRecords } = this.options;
    const collected: Cycle['collected'] = [];
    const letters: OutputRecord[] = [];
    let records = 0;
    let samples = 0;
    let undecodable = 0;
    for (const block of blocks) {
      const key = keyOf(block);
      const position = this.positions.get(key);
      // A partition that went and came back within this cycle is read again from its committed offset.
      if (position === undefined || block.nextOffset <= position.offset) continue;
      const decoded = intake.decode(block, position.offset);
      const next = block.nextOffset;
      this.positions.set(key, { topic: position.topic, partition: position.partition, offset: next });
      if (collector !== null) collected.push({ key, batch: collector.build(), next });
      for (const letter of decoded.letters) letters.push(letter);
      records += decoded.records;
      samples += decoded.samples;
      undecodable += decoded.undecodable;
    }
    if (records > 0) onRecords(records, samples);
    this.judge(records, undecodable);
    return { collected, letters, batches: [], offsets: [] };
  }

  private putInOrder(cycle: Cycle): Cycle {
    const { collector, router } = this.options;
    if (collector !== null) {
      for (const { key, batch, next } of cycle.collected) this.inStep.push(key, batch, next);
      this.inStep.release(router.take);
      this.regulate();
    }
    router.drain();
    return { ...cycle, batches: this.options.batches(), offsets: this.finishedOffsets() };
  }

  private async publish(cycle: Cycle): Promise<Cycle> {
    await this.options.publish(cycle.batches, cycle.letters);
    return cycle;
  }

  private async commit({ offsets }: Cycle): Promise<void> {
    if (offsets.length === 0) return;
    if (!(await this.options.consumer.commit(offsets))) return;
    for (const position of offsets) this.committed.set(keyOf(position), position.offset);
  }

  private finishedOffsets(): TopicPartitionOffset[] {
    const finished =
      this.options.collector === null
        ? [...this.positions].map(([key, { offset }]): [string, number] => [key, offset])
        : [...this.inStep.finished()];
    const offsets: TopicPartitionOffset[] = [];
    for (const [key, offset] of finished) {
      const position = this.positions.get(key);
      if (position !== undefined && offset > (this.committed.get(key) ?? 0))
        offsets.push({ topic: position.topic, partition: position.partition, offset });
    }
    return offsets;
  }

  private regulate(): void {
    for (const [key, position] of this.positions) {
      const waiting = this.inStep.waiting(key);
      if (waiting > PAUSE_ABOVE_SAMPLES && !this.paused.has(key)) {
        this.options.consumer.pause([position]);
        this.paused.add(key);
      } else if (waiting < RESUME_BELOW_SAMPLES && this.paused.has(key)) {
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
      throw new ActuaryError(
        'dead_letter_limit',
        `source ${this.options.name}: ${Math.round(share * 100)} % of the last ${this.undecodable.judged} messages could not be decoded. ` +
          'Is its format right? gpu-actuary dead-letters list shows their codes and bytes; deadLetter.maxRatio moves this limit',
      );
  }
}
