import type { OffsetMove } from '../../sinks/timescale/sink.js';
import type { MinuteRows } from '../../sinks/timescale/minute-rows.js';
import { BEGINNING, keyOf, type TopicPartition, type TopicPartitionOffset } from '../kafka/log.js';

/** Names in sink_offsets: output rows; minute rows; and where their open minutes are rebuilt from. */
const OUTPUTS = 'outputs';
const METRICS = 'gpu_metrics';
const METRICS_REBUILD = 'gpu_metrics.rebuild';

/** What the database says of partitions, by sink and partition. */
export type DatabaseOffsets = ReadonlyMap<string, number>;

/** Asks for the offsets of all sinks. */
export async function databaseOffsets(
  ask: (sink: string) => Promise<ReadonlyMap<string, number>>,
): Promise<DatabaseOffsets> {
  const offsets = new Map<string, number>();
  for (const sink of [OUTPUTS, METRICS, METRICS_REBUILD])
    for (const [key, next] of await ask(sink)) offsets.set(`${sink} ${key}`, next);
  return offsets;
}

/** A partition while this instance owns it, and how far the database has it. */
export class LoadedPartition {
  /** What the database says of it; −1 where it says nothing yet. */
  committed: number;
  rebuild: number;
  next: number;
  /** Rows that batches before this offset finish are in the database already. */
  written: number;
  /** The topic was made anew: its offsets begin below those that the database knows. */
  anew = false;
  readonly minutes: MinuteRows | null;

  /** @param minutesOf makes the minute rows of a partition of gpu.samples; null for one of outputs */
  constructor(
    readonly partition: TopicPartition,
    known: DatabaseOffsets,
    minutesOf: ((owned: LoadedPartition) => MinuteRows) | null,
  ) {
    const key = keyOf(partition);
    this.committed = known.get(`${minutesOf === null ? OUTPUTS : METRICS} ${key}`) ?? -1;
    this.rebuild = minutesOf === null ? this.committed : (known.get(`${METRICS_REBUILD} ${key}`) ?? this.committed);
    this.next = this.rebuild;
    this.written = this.committed;
    this.minutes = minutesOf === null ? null : minutesOf(this);
  }

  /** Where reading begins. */
  get start(): TopicPartitionOffset {
    return { ...this.partition, offset: this.rebuild < 0 ? BEGINNING : this.rebuild };
  }

  /** What a transaction with all that was read moves in sink_offsets. */
  moves(): OffsetMove[] {
    // While open rows are rebuilt the position is behind what is committed already.
    if (!this.isAhead) return [];
    const { topic, partition } = this.partition;
    const main = { topic, partition, from: this.committed, to: this.next };
    if (this.minutes === null) return [{ sink: OUTPUTS, ...main }];
    const from = this.committed < 0 ? -1 : this.rebuild;
    return [
      { sink: METRICS, ...main },
      { sink: METRICS_REBUILD, topic, partition, from, to: this.rebuildFrom },
    ];
  }

  /** The transaction with {@link moves} was committed. */
  moved(): void {
    if (!this.isAhead) return;
    this.committed = this.next;
    this.rebuild = this.rebuildFrom;
    this.anew = false;
  }

  private get isAhead(): boolean {
    return this.next > this.committed || this.anew;
  }

  private get rebuildFrom(): number {
    return this.minutes === null ? this.next : this.minutes.rebuildFrom(this.next);
  }
}
