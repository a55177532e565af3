import { SERIES } from './metrics.js';

/**
 * The one form of telemetry inside the engine: a batch of samples as a struct of arrays. A row is a sample, the
 * readings of one GPU at one event time; a column is a series, NaN where the sample has no such reading.
 *
 * Batches are filled by a {@link BatchBuilder} and read by index; nothing allocates per sample on the way.
 */
export interface SampleBatch {
  /** Number of samples; every per-sample array has at least this length. */
  readonly count: number;
  /** UUIDs of the GPUs that occur in the batch. */
  readonly gpus: readonly string[];
  /** Per sample: index into {@link gpus}. */
  readonly gpuIndex: Uint32Array;
  /** Per sample: epoch ms, UTC, whole milliseconds. */
  readonly eventTimeMs: Float64Array;
  /** By series id (schema/metrics.ts): one value a sample, or undefined where no sample of the batch has the series. */
  readonly columns: readonly (Float64Array | undefined)[];
  /** Distinct metadata records that occur in the batch. */
  readonly metadata: readonly SampleMetadata[];
  /** Per sample: index into {@link metadata}, −1 for none. */
  readonly metadataIndex: Int32Array;
  /** Where the samples were read. */
  readonly origins: readonly Origin[];
  /** Per sample: index into {@link origins}. */
  readonly originIndex: Uint32Array;
  /** Per sample: offset of its raw message in its origin partition. */
  readonly originOffset: Float64Array;
}

/** A partition that samples came from. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
}

/** What a sample says about its GPU besides readings; every field may be missing. Dates are epoch ms of midnight UTC. */
export interface SampleMetadata {
  readonly model?: string;
  readonly host?: string;
  readonly deploymentDateMs?: number;
  readonly purchaseDateMs?: number;
  readonly warrantyEndMs?: number;
}

/**
 * Collects samples into a {@link SampleBatch}. Usage: `begin`, any number of `set`, then `end` (kept if it holds at
 * least one value) or `abandon`. `build` hands the batch over and starts an empty one.
 */
export class BatchBuilder {
  private capacity: number;
  private count = 0;
  private gpus: string[] = [];
  private gpuIds = new Map<string, number>();
  private gpuIndex: Uint32Array;
  private eventTimeMs: Float64Array;
  private columns: (Float64Array | undefined)[] = [];
  private metadata: SampleMetadata[] = [];
  private metadataIds = new Map<string, number>();
  private metadataIndex: Int32Array;
  private origins: Origin[] = [];
  private originIndex: Uint32Array;
  private originOffset: Float64Array;
  private currentOrigin = 0;
  private currentOffset = 0;
  private open = false;
  private values = 0;

  /** @param initialCapacity samples to make room for at first; grows by doubling */
  constructor(initialCapacity = 1024) {
    this.capacity = initialCapacity;
    this.gpuIndex = new Uint32Array(initialCapacity);
    this.eventTimeMs = new Float64Array(initialCapacity);
    this.metadataIndex = new Int32Array(initialCapacity);
    this.originIndex = new Uint32Array(initialCapacity);
    this.originOffset = new Float64Array(initialCapacity);
  }

  /** Samples ended so far. */
  get length(): number {
    return this.count;
  }

  /** Names the raw message that the next samples come from. */
  from(topic: string, partition: number, offset: number): void {
    let index = this.origins.findIndex((origin) => origin.partition === partition && origin.topic === topic);
    if (index < 0) index = this.origins.push({ topic, partition }) - 1;
    this.currentOrigin = index;
    this.currentOffset = offset;
  }

  /** Opens a sample; fractions of a millisecond are cut. */
  begin(gpuUuid: string, eventTimeMs: number): void {
    if (this.open) this.abandon();
    if (this.count === this.capacity) this.grow();
    let gpu = this.gpuIds.get(gpuUuid);
    if (gpu === undefined) {
      gpu = this.gpus.push(gpuUuid) - 1;
      this.gpuIds.set(gpuUuid, gpu);
    }
    const row = this.count;
    this.gpuIndex[row] = gpu;
    this.eventTimeMs[row] = Math.floor(eventTimeMs);
    this.metadataIndex[row] = -1;
    this.originIndex[row] = this.currentOrigin;
    this.originOffset[row] = this.currentOffset;
    this.open = true;
    this.values = 0;
  }

  /** Sets a series of the open sample; a second value of the same series keeps the greater one. NaN is ignored. */
  set(seriesId: number, value: number): void {
    if (value !== value) return;
    let column = this.columns[seriesId];
    if (column === undefined) {
      column = new Float64Array(this.capacity).fill(NaN);
      this.columns[seriesId] = column;
    }
    const before = column[this.count];
    if (before !== before) {
      column[this.count] = value;
      this.values++;
    } else if (value > before) column[this.count] = value;
  }

  /** Value of a series of the open sample; NaN if it has none. */
  get(seriesId: number): number {
    const column = this.columns[seriesId];
    return column === undefined ? NaN : column[this.count];
  }

  /** Attaches metadata to the open sample; equal metadata is stored once a batch. */
  describe(metadata: SampleMetadata): void {
    const key = `${metadata.model ?? ''}\0${metadata.host ?? ''}\0${metadata.deploymentDateMs ?? ''}\0${metadata.purchaseDateMs ?? ''}\0${metadata.warrantyEndMs ?? ''}`;
    if (key === '\0\0\0\0') return;
    let index = this.metadataIds.get(key);
    if (index === undefined) {
      index = this.metadata.push(metadata) - 1;
      this.metadataIds.set(key, index);
    }
    this.metadataIndex[this.count] = index;
  }

  /** Closes the open sample; it is kept only if a value was set. @returns whether it was kept */
  end(): boolean {
    if (!this.open) return false;
    this.open = false;
    if (this.values === 0) return false;
    this.count++;
    return true;
  }

  /** Forgets the open sample. */
  abandon(): void {
    if (!this.open) return;
    this.open = false;
    this.clearRow(this.count);
  }

  /** Forgets every sample from a row on: a message that broke half way leaves nothing. */
  truncate(length: number): void {
    this.abandon();
    for (let row = length; row < this.count; row++) this.clearRow(row);
    this.count = Math.min(this.count, length);
  }

  /** Copies one sample of another batch, origin and metadata included. */
  copy(batch: SampleBatch, row: number): void {
    const origin = batch.origins[batch.originIndex[row]];
    this.from(origin.topic, origin.partition, batch.originOffset[row]);
    this.begin(batch.gpus[batch.gpuIndex[row]], batch.eventTimeMs[row]);
    for (let id = 0; id < batch.columns.length; id++) {
      const column = batch.columns[id];
      if (column !== undefined) this.set(id, column[row]);
    }
    const metadata = batch.metadataIndex[row];
    if (metadata >= 0) this.describe(batch.metadata[metadata]);
    this.end();
  }

  /** Hands over what was collected and starts anew. */
  build(): SampleBatch {
    this.abandon();
    const count = this.count;
    const batch: SampleBatch = {
      count,
      gpus: this.gpus,
      gpuIndex: this.gpuIndex.subarray(0, count),
      eventTimeMs: this.eventTimeMs.subarray(0, count),
      columns: this.columns.map((column) => column?.subarray(0, count)),
      metadata: this.metadata,
      metadataIndex: this.metadataIndex.subarray(0, count),
      origins: this.origins,
      originIndex: this.originIndex.subarray(0, count),
      originOffset: this.originOffset.subarray(0, count),
    };
    const fresh = new BatchBuilder(this.capacity);
    Object.assign(this, fresh);
    return batch;
  }

  private clearRow(row: number): void {
    for (const column of this.columns) if (column !== undefined) column[row] = NaN;
  }

  private grow(): void {
    const capacity = this.capacity * 2;
    const larger = <T extends Float64Array | Uint32Array | Int32Array>(array: T, copy: T): T => {
      copy.set(array);
      return copy;
    };
    this.gpuIndex = larger(this.gpuIndex, new Uint32Array(capacity));
    this.eventTimeMs = larger(this.eventTimeMs, new Float64Array(capacity));
    this.metadataIndex = larger(this.metadataIndex, new Int32Array(capacity));
    this.originIndex = larger(this.originIndex, new Uint32Array(capacity));
    this.originOffset = larger(this.originOffset, new Float64Array(capacity));
    this.columns = this.columns.map((column) =>
      column === undefined ? undefined : larger(column, new Float64Array(capacity).fill(NaN)),
    );
    this.capacity = capacity;
  }
}

/** The readings of one sample by series name; what a dead letter shows of it. */
export function readingsOf(batch: SampleBatch, row: number): Record<string, number> {
  const readings: Record<string, number> = {};
  for (let id = 0; id < batch.columns.length; id++) {
    const value = batch.columns[id]?.[row];
    if (value !== undefined && value === value) readings[SERIES[id].name] = value;
  }
  return readings;
}
