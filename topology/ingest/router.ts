import {
  BatchBuilder,
  emptyReadings,
  SinkGpus,
  type Readings,
  type SampleBatch,
  type SampleMetadata,
  type SinkGpu,
} from '../../schema/batch.js';
import { SERIES } from '../../schema/metrics.js';
import { partitionOf } from '../../schema/partition.js';

/** Room for samples at first; grows to what the load asks for. */
const INITIAL_SAMPLES = 256;
/** Brokers take messages up to 1 MB unless told otherwise. */
const MAX_BATCH_BYTES = 800 * 1024;

/** Re-keys samples by GPU: one batch in the making for each partition of gpu.samples. */
export class Router {
  private readonly builders: BatchBuilder[];
  private readonly gpus: SinkGpus;
  private readonly readings = emptyReadings(SERIES.length);
  private topic = '';
  private partition = 0;
  /** One number, in an array for the reason that {@link BatchBuilder} has. */
  private readonly offset = new Float64Array(1);

  /**
   * @param batchSamples most samples in a batch
   * @param full takes a batch, which lies in memory that the next one is made in
   */
  constructor(
    partitionCount: number,
    private readonly batchSamples: number,
    private readonly full: (partition: number, batch: SampleBatch) => void,
  ) {
    this.gpus = new SinkGpus((uuid) => partitionOf(uuid, partitionCount));
    this.builders = Array.from(
      { length: partitionCount },
      () => new BatchBuilder(Math.min(batchSamples, INITIAL_SAMPLES), this.gpus),
    );
  }

  gpu(uuid: string): SinkGpu {
    return this.gpus.of(uuid);
  }

  /** Names the raw message that the next samples come from. */
  from(topic: string, partition: number, offset: number): void {
    this.topic = topic;
    this.partition = partition;
    this.offset[0] = offset;
  }

  /** Puts a sample into the batch of its GPU's partition. */
  add(gpu: SinkGpu, eventTimeMs: number, readings: Readings, metadata: SampleMetadata | undefined): void {
    const builder = this.builders[gpu.shard];
    builder.from(this.topic, this.partition, this.offset[0]);
    builder.add(gpu, eventTimeMs, readings, metadata);
    if (builder.length >= this.batchSamples || builder.bytes >= MAX_BATCH_BYTES) this.handOver(gpu.shard);
  }

  /** Copies a sample of another batch, with its origin. */
  readonly take = (batch: SampleBatch, row: number): void => {
    const origin = batch.origins[batch.originIndex[row]];
    this.from(origin.topic, origin.partition, batch.originOffset[row]);
    const { readings } = this;
    readings.count = 0;
    for (let id = 0; id < batch.columns.length; id++) {
      const column = batch.columns[id];
      if (column === undefined) continue;
      const value = column[row];
      if (value !== value) continue;
      readings.series[readings.count] = id;
      readings.values[readings.count++] = value;
    }
    const metadata = batch.metadataIndex[row];
    this.add(
      this.gpu(batch.gpus[batch.gpuIndex[row]]),
      batch.eventTimeMs[row],
      readings,
      metadata < 0 ? undefined : batch.metadata[metadata],
    );
  };

  /** Hands over all batches in the making. */
  drain(): void {
    for (let partition = 0; partition < this.builders.length; partition++)
      if (this.builders[partition].length > 0) this.handOver(partition);
    this.gpus.tidy();
  }

  private handOver(partition: number): void {
    const builder = this.builders[partition];
    this.full(partition, builder.view());
    builder.clear();
  }
}
