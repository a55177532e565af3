import type { SampleBatch } from '../../schema/batch.js';

/**
 * Keeps the order of a source whose partitions are not keyed by GPU: its partitions are read in step by event time.
 * Decoded samples wait in a queue a partition; the earliest goes first, and none goes while a partition that is
 * behind has nothing to show, for its next sample might be earlier.
 */
export class InStep {
  private readonly queues = new Map<string, PartitionQueue>();

  /** @param isBehind whether a partition has records on the broker beyond the given next offset */
  constructor(private readonly isBehind: (partition: string, nextOffset: number) => boolean) {}

  assign(partition: string, nextOffset: number): void {
    this.queues.set(partition, new PartitionQueue(nextOffset));
  }

  revoke(partition: string): void {
    this.queues.delete(partition);
  }

  /** Appends what was decoded of a partition, in offset order; `nextOffset` follows its last record. */
  push(partition: string, batch: SampleBatch, nextOffset: number): void {
    this.queues.get(partition)?.push(batch, nextOffset);
  }

  /** Samples that wait, of one partition. */
  waiting(partition: string): number {
    return this.queues.get(partition)?.length ?? 0;
  }

  /**
   * Hands over all samples whose turn has come, earliest event time first, in offset order within a partition. A
   * message goes whole, when its first sample's turn has come: so an offset says exactly what was handed over.
   */
  release(take: (batch: SampleBatch, row: number) => void): void {
    const queues = [...this.queues];
    for (;;) {
      let best: PartitionQueue | undefined;
      let second = Infinity;
      for (const [partition, queue] of queues) {
        if (queue.length === 0) {
          if (this.isBehind(partition, queue.readThrough)) return;
          continue;
        }
        if (best === undefined || queue.headTimeMs < best.headTimeMs) {
          second = Math.min(second, best?.headTimeMs ?? Infinity);
          best = queue;
        } else second = Math.min(second, queue.headTimeMs);
      }
      if (best === undefined) return;
      do best.shift(take);
      while (best.length > 0 && best.headTimeMs <= second);
    }
  }

  /** Per partition: the next offset that has not been handed over whole. */
  *finished(): Iterable<[partition: string, nextOffset: number]> {
    for (const [partition, queue] of this.queues) yield [partition, queue.finished];
  }
}

/** Decoded samples of a partition, oldest offset first. */
class PartitionQueue {
  private readonly batches: SampleBatch[] = [];
  private row = 0;
  length = 0;

  constructor(public readThrough: number) {}

  get headTimeMs(): number {
    return this.batches[0].eventTimeMs[this.row];
  }

  /** A record is finished when all its samples were handed over. */
  get finished(): number {
    return this.length === 0 ? this.readThrough : this.batches[0].originOffset[this.row];
  }

  push(batch: SampleBatch, nextOffset: number): void {
    this.readThrough = nextOffset;
    if (batch.count === 0) return;
    this.batches.push(batch);
    this.length += batch.count;
  }

  /** Hands over the samples of the oldest message. */
  shift(take: (batch: SampleBatch, row: number) => void): void {
    const batch = this.batches[0];
    const offset = batch.originOffset[this.row];
    while (this.row < batch.count && batch.originOffset[this.row] === offset) {
      take(batch, this.row++);
      this.length--;
    }
    if (this.row === batch.count) {
      this.batches.shift();
      this.row = 0;
    }
  }
}
