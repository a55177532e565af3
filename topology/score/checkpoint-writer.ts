import { ByteWriter } from '../../schema/state-bytes.js';
import { Turn } from '../../schema/turn.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import {
  DELTAS,
  HOT_GPUS,
  REMEMBERED_GPUS,
  RING_GPUS,
  cutKey,
  deltaKey,
  encodeCut,
  hotKey,
  rememberedKey,
  ringKey,
  type WindowConfiguration,
} from './checkpoint-format.js';
import type { PartitionState } from './partition-state.js';
import { frame, type StateKind } from './state-chunk.js';

/** Ring records that one cut takes at most: 16 MiB, about. */
export const MOST_RINGS = 64;
/** Spreads the cuts of a fleet's partitions over the interval. */
const PHASES = 12;
/** Deltas after which a cut is due whatever the time: long before the oldest that is needed is written over. */
const MOST_DELTAS = DELTAS / 4;

/** Where the checkpoints of a partition stand. */
export interface CheckpointPosition {
  /** Of the newest cut. */
  readonly number: number;
  readonly generation: number;
  /** Of the newest delta. */
  readonly sequence: number;
  /** Of the newest delta as of the cut that was used: those since are needed, whoever wrote them. */
  readonly sequenceOfCut: number;
  /** Generation of each ring chunk that was written; those whose GPUs are not where they were are left out. */
  readonly rings: ReadonlyMap<number, number>;
}

export const NO_CHECKPOINT: CheckpointPosition = {
  number: 0,
  generation: 1,
  sequence: 0,
  sequenceOfCut: 0,
  rings: new Map(),
};

export interface CheckpointOptions {
  /** Full name of gpu.checkpoints. */
  readonly topic: string;
  readonly partition: number;
  readonly windows: WindowConfiguration;
  /** checkpoint.intervalMs and checkpoint.ringEveryMs. */
  readonly intervalMs: number;
  readonly ringEveryMs: number;
}

/**
 * Writes the state of one partition down as it changes: a delta with each unit of work that said something, and now
 * and then a cut of everything. The records belong into the transaction of the unit after which the state is as they say.
 */
export class CheckpointWriter {
  private number: number;
  private generation: number;
  private sequence: number;
  private readonly rings: Map<number, number>;
  private readonly writer = new ByteWriter();
  private dueMs: number;
  private sequenceOfCut: number;
  private offsetOfCut = -1;

  /** @param nowMs wall clock, epoch ms */
  constructor(
    private readonly options: CheckpointOptions,
    position: CheckpointPosition,
    nowMs: number,
  ) {
    this.number = position.number;
    this.generation = position.generation;
    this.sequence = position.sequence;
    this.sequenceOfCut = position.sequenceOfCut;
    this.rings = new Map(position.rings);
    this.dueMs = nowMs + (options.intervalMs * (1 + (options.partition % PHASES))) / PHASES;
  }

  /**
   * What was said, and who waits, since it was last asked; null where neither has changed.
   * @param offset next of the source after the unit of work
   */
  delta(state: PartitionState, offset: number): OutputRecord | null {
    const slots = state.takeChanged();
    if (slots.length === 0) return null;
    const { writer } = this;
    this.sequence++;
    writer.float64(this.sequence);
    writer.float64(offset);
    writer.whole32(slots.length);
    for (const slot of slots) {
      writer.text(state.windows.uuidOf(slot));
      state.encodeSaid(slot, writer);
    }
    return this.record(deltaKey(this.sequence), 'delta', writer.take());
  }

  isDue(offset: number, nowMs: number): boolean {
    if (this.sequence - this.sequenceOfCut > MOST_DELTAS) return true;
    return nowMs >= this.dueMs && (offset !== this.offsetOfCut || this.sequence !== this.sequenceOfCut);
  }

  /**
   * All of the state, which must not change until it resolves. Large as it is, others have their turn meanwhile.
   * @param offset next of the source
   * @param panesEnd offset in gpu.panes below which all panes are that were closed by units before this one
   */
  async cut(state: PartitionState, offset: number, panesEnd: number, nowMs: number): Promise<OutputRecord[]> {
    const turn = new Turn();
    const records: OutputRecord[] = [];
    for (const record of this.parts(state, offset, panesEnd, nowMs)) {
      records.push(record);
      if (turn.isOver()) await turn.next();
    }
    return records;
  }

  private *parts(state: PartitionState, offset: number, panesEnd: number, nowMs: number): Iterable<OutputRecord> {
    this.dueMs = nowMs + this.options.intervalMs;
    this.number++;
    this.generation = 1 - this.generation;
    this.sequenceOfCut = this.sequence;
    this.offsetOfCut = offset;
    const gpus = [...state.snapshot.slots];
    const remembered = state.snapshot.remembered();
    yield* this.inChunks(gpus, HOT_GPUS, 'hot', hotKey, ([gpuUuid, slot]) => {
      this.writer.text(gpuUuid);
      state.encode(slot, this.writer);
    });
    yield* this.inChunks(remembered, REMEMBERED_GPUS, 'remembered', rememberedKey, (gpuUuid) =>
      state.snapshot.encodeRemembered(gpuUuid, this.writer),
    );
    for (const chunk of this.ringsDue(gpus.length)) yield this.ring(state, gpus, chunk, panesEnd);
    state.snapshot.encodeTime(this.writer);
    const head = {
      number: this.number,
      generation: this.generation,
      offset,
      sequence: this.sequence,
      windows: this.options.windows,
      gpus: gpus.length,
      hotChunks: Math.ceil(gpus.length / HOT_GPUS),
      rememberedChunks: Math.ceil(remembered.length / REMEMBERED_GPUS),
    };
    // Last: whoever finds it finds the rest.
    yield this.message(cutKey(this.generation), encodeCut(head, this.writer.take()));
  }

  private *inChunks<T>(
    all: readonly T[],
    size: number,
    kind: StateKind,
    keyOf: (chunk: number, generation: number) => string,
    encode: (one: T) => void,
  ): Iterable<OutputRecord> {
    for (let from = 0; from < all.length; from += size) {
      const part = all.slice(from, from + size);
      this.writer.float64(this.number);
      this.writer.whole32(part.length);
      for (const one of part) encode(one);
      yield this.record(keyOf(from / size, this.generation), kind, this.writer.take());
    }
  }

  /** Chunks never written, then those whose turn it is. */
  private ringsDue(gpus: number): number[] {
    const chunks = Array.from({ length: Math.ceil(gpus / RING_GPUS) }, (_, chunk) => chunk);
    const turns = Math.max(1, Math.round(this.options.ringEveryMs / this.options.intervalMs));
    const missing = chunks.filter((chunk) => !this.rings.has(chunk));
    const inTurn = chunks.filter((chunk) => this.rings.has(chunk) && chunk % turns === this.number % turns);
    return [...missing, ...inTurn].slice(0, Math.max(MOST_RINGS, inTurn.length));
  }

  private ring(
    { snapshot }: PartitionState,
    gpus: readonly (readonly [string, number])[],
    chunk: number,
    panesEnd: number,
  ): OutputRecord {
    const { writer } = this;
    const generation = 1 - (this.rings.get(chunk) ?? 1);
    this.rings.set(chunk, generation);
    const part = gpus.slice(chunk * RING_GPUS, (chunk + 1) * RING_GPUS);
    writer.float64(this.number);
    writer.float64(panesEnd);
    writer.text(this.options.windows.featureSet);
    writer.whole32(part.length);
    for (const [gpuUuid, slot] of part) {
      writer.text(gpuUuid);
      writer.float64(snapshot.openHour(slot));
      const at = writer.length;
      writer.whole32(0);
      snapshot.encodeRing(slot, writer);
      writer.setWhole32(at, writer.length - at - 4);
    }
    return this.record(ringKey(chunk, generation), 'ring', writer.take());
  }

  private record(key: string, kind: StateKind, payload: Buffer): OutputRecord {
    return this.message(key, frame(kind, payload));
  }

  private message(key: string, value: Buffer): OutputRecord {
    const { topic, partition } = this.options;
    return { topic, partition, key, value };
  }
}
