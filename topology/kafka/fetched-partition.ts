import { BatchBlock, type RecordBatch } from './record-batch.js';

interface PartitionData {
  readonly partition: number;
  readonly highWatermark: string;
  /** First offset that is there, by kafkajs's name for it; left out by brokers from before 0.11. */
  readonly lastStartOffset?: string;
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[];
  readonly messages: readonly RecordBatch[];
}

/**
 * A partition's share of a fetch response, in place of kafkajs's Batch and with the same members, as far as the
 * consumer asks for them. What its `messages` holds are blocks.
 */
export class FetchedPartition {
  readonly partition: number;
  readonly highWatermark: string;
  /** First offset that was there when it was fetched; NaN where the broker does not tell. */
  readonly logStart: number;
  /** Batches of committed data, in order. */
  readonly messages: readonly (BatchBlock & { readonly offset: string })[];
  private readonly last: number;
  private readonly hasAny: boolean;

  constructor(
    readonly topic: string,
    readonly fetchedOffset: string,
    { partition, highWatermark, lastStartOffset, abortedTransactions, messages }: PartitionData,
  ) {
    this.partition = partition;
    this.logStart = Number(lastStartOffset);
    this.highWatermark = highWatermark;
    const asked = Number(fetchedOffset);
    const within = messages.filter(({ lastOffset }) => lastOffset >= asked);
    this.messages = committed(within, abortedTransactions ?? []).map((batch) =>
      Object.assign(new BatchBlock(topic, partition, batch, asked), { offset: String(batch.lastOffset) }),
    );
    // Nothing at all: there is nothing up to the end of the partition. Only older records: on past what was asked for.
    this.last =
      within.length > 0
        ? within[within.length - 1].lastOffset
        : messages.length > 0
          ? asked
          : Number(highWatermark) - 1;
    this.hasAny = messages.length > 0;
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  isEmptyDueToFiltering(): boolean {
    return this.isEmpty() && this.hasAny;
  }

  firstOffset(): string | null {
    return this.isEmpty() ? null : this.fetchedOffset;
  }

  lastOffset(): string {
    return String(this.last);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - 1 - this.last);
  }

  offsetLagLow(): string {
    return this.isEmpty() ? '0' : String(Number(this.highWatermark) - 1 - Number(this.fetchedOffset));
  }
}

/** Leaves out transaction markers, and batches of transactions that were aborted. */
function committed(
  batches: readonly RecordBatch[],
  aborted: readonly { readonly producerId: string; readonly firstOffset: string }[],
): RecordBatch[] {
  const starting = aborted
    .map(({ producerId, firstOffset }) => ({ producer: BigInt(producerId), offset: Number(firstOffset) }))
    .sort((a, b) => a.offset - b.offset);
  const aborting = new Set<bigint>();
  return batches.filter((batch) => {
    while (starting.length > 0 && starting[0].offset <= batch.lastOffset) aborting.add(starting.shift()!.producer);
    if (batch.control) {
      if (batch.isAbort()) aborting.delete(batch.producerId);
      return false;
    }
    return batch.count > 0 && !(batch.transactional && aborting.has(batch.producerId));
  });
}
