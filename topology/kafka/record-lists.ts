import {
  keyOf,
  type BlockConsumer,
  type LogConsumer,
  type LogListener,
  type LogRecord,
  type RecordBlock,
  type RecordCursor,
  type TopicPartition,
  type TopicPartitionOffset,
} from './log.js';

/** Records polled at a time. */
const POLL_RECORDS = 1_000;

/** A consumer of records as one of blocks: a block is what one poll gave of a partition. */
export class RecordLists implements BlockConsumer {
  constructor(private readonly log: LogConsumer) {}

  async pollBlocks(_maxBytes: number, waitMs: number): Promise<readonly RecordBlock[]> {
    const partitions = new Map<string, LogRecord[]>();
    for (const record of await this.log.poll(POLL_RECORDS, waitMs)) {
      const key = keyOf(record);
      const own = partitions.get(key);
      if (own === undefined) partitions.set(key, [record]);
      else own.push(record);
    }
    return [...partitions.values()].map((records) => new RecordListBlock(records));
  }

  start(listener: LogListener): Promise<void> {
    return this.log.start(listener);
  }

  commit(offsets: readonly TopicPartitionOffset[]): Promise<boolean> {
    return this.log.commit(offsets);
  }

  seek(position: TopicPartitionOffset): Promise<void> {
    return this.log.seek(position);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.log.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.log.resume(partitions);
  }

  endOffset(partition: TopicPartition): number {
    return this.log.endOffset(partition);
  }

  endReachedAt(partition: TopicPartition): number {
    return this.log.endReachedAt(partition);
  }

  restart(): Promise<void> {
    return this.log.restart();
  }

  close(): Promise<void> {
    return this.log.close();
  }
}

/** Records that came as objects, of one partition, as a block. */
export class RecordListBlock implements RecordBlock {
  constructor(private readonly records: readonly LogRecord[]) {}

  get topic(): string {
    return this.records[0].topic;
  }

  get partition(): number {
    return this.records[0].partition;
  }

  get nextOffset(): number {
    return this.records[this.records.length - 1].offset + 1;
  }

  get bytes(): number {
    return this.records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  }

  cursor(fromOffset: number): RecordCursor {
    return new ListCursor(this.records, fromOffset);
  }

  release(): void {
    // Each record has memory of its own.
  }
}

const NO_BYTES = Buffer.alloc(0);

class ListCursor implements RecordCursor {
  bytes: Buffer = NO_BYTES;
  valueStart = -1;
  valueEnd = -1;
  offset = -1;
  timestampMs = NaN;
  private index = -1;

  constructor(
    private readonly records: readonly LogRecord[],
    private readonly fromOffset: number,
  ) {}

  next(): boolean {
    do this.index++;
    while (this.index < this.records.length && this.records[this.index].offset < this.fromOffset);
    if (this.index >= this.records.length) return false;
    const { value, offset, timestampMs } = this.records[this.index];
    this.bytes = value ?? NO_BYTES;
    this.valueStart = value === null ? -1 : 0;
    this.valueEnd = value === null ? -1 : value.length;
    this.offset = offset;
    this.timestampMs = timestampMs;
    return true;
  }

  record(): LogRecord {
    return this.records[this.index];
  }
}
