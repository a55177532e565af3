import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { partitionOf } from '../../schema/partition.js';

/** Remembered partitions of GPUs; a fleet is far smaller, and beyond it the hash is computed anew. */
const MAX_REMEMBERED = 2_000_000;

/** Re-keys samples by GPU: one batch in the making for each partition of gpu.samples. */
export class Router {
  private readonly builders: BatchBuilder[];
  private readonly partitions = new Map<string, number>();
  length = 0;

  /** @param batchSamples most samples in a batch */
  constructor(
    partitionCount: number,
    private readonly batchSamples: number,
    private readonly full: (partition: number, batch: SampleBatch) => void,
  ) {
    this.builders = Array.from({ length: partitionCount }, () => new BatchBuilder(Math.min(batchSamples, 256)));
  }

  /** Copies a sample to the batch of its GPU's partition. */
  readonly take = (batch: SampleBatch, row: number): void => {
    const partition = this.partitionOf(batch.gpus[batch.gpuIndex[row]]);
    const builder = this.builders[partition];
    builder.copy(batch, row);
    this.length++;
    if (builder.length >= this.batchSamples) this.full(partition, builder.build());
  };

  /** Hands over all batches in the making. */
  drain(): void {
    for (const [partition, builder] of this.builders.entries())
      if (builder.length > 0) this.full(partition, builder.build());
    this.length = 0;
  }

  private partitionOf(gpuUuid: string): number {
    let partition = this.partitions.get(gpuUuid);
    if (partition === undefined) {
      partition = partitionOf(gpuUuid, this.builders.length);
      if (this.partitions.size < MAX_REMEMBERED) this.partitions.set(gpuUuid, partition);
    }
    return partition;
  }
}
