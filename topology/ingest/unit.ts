import type { AvroWriter } from '../../schema/avro-bytes.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import { keyOf, type RecordBlock, type TopicPartitionOffset } from '../kafka/log.js';
import type { SourceShare } from '../kafka/source-writer.js';
import type { InTransaction } from '../kafka/unit-transactions.js';

/** Name of the share of a source that is written as one. */
export const WHOLE = '';

/** A share in the making. */
interface Share extends SourceShare {
  readonly records: OutputRecord[];
  readonly offsets: TopicPartitionOffset[];
}

/** Batches of samples as messages, and the memory that they lie in. */
export interface EncodedBatches {
  readonly records: readonly OutputRecord[];
  readonly memory: Pick<AvroWriter, 'release'>;
}

/** Ingest's unit of work: what is written and committed together, in a transaction for each share. */
export interface Unit extends InTransaction {
  /** By partition, or one for the whole source. */
  readonly shares: Map<string, Share>;
  /** Of the assignments it was read under. */
  readonly generation: number;
  /** Of the batches in it, to be released when they have been written. */
  readonly memory: EncodedBatches['memory'][];
  bytes: number;
  batches: number;
  /** Nothing more is taken into it after this moment of performance.now(). */
  untilMs: number;
  /** The same while there is more to read. */
  untilBehindMs: number;
}

export function newUnit(generation: number): Unit {
  return {
    shares: new Map(),
    generation,
    memory: [],
    bytes: 0,
    batches: 0,
    untilMs: Infinity,
    untilBehindMs: Infinity,
    isVoid: false,
  };
}

export function shareOf({ shares }: Unit, name: string): Share {
  let share = shares.get(name);
  if (share === undefined) {
    share = { records: [], offsets: [] };
    shares.set(name, share);
  }
  return share;
}

/** Blocks by partition, in order. */
export function byPartitionOf(blocks: readonly RecordBlock[]): Map<string, RecordBlock[]> {
  const partitions = new Map<string, RecordBlock[]>();
  for (const block of blocks) {
    const key = keyOf(block);
    const own = partitions.get(key);
    if (own === undefined) partitions.set(key, [block]);
    else own.push(block);
  }
  return partitions;
}
