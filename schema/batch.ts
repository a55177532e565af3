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
 * A GPU as a sink knows it, to be kept by whoever puts samples in: it spares a look-up by UUID for each of them. Only
 * the sink that made it can use it.
 */
export class SinkGpu {
  /** Batch that the GPU was last put into, and its place there. */
  batch = -1;
  index = -1;
  /** What was last said of it, in which batch, and the place there. */
  metadata: SampleMetadata | undefined = undefined;
  metadataBatch = -1;
  metadataIndex = -1;

  constructor(
    readonly uuid: string,
    /** Which of the sink's batches in the making the GPU goes to. */
    readonly shard: number,
    /** Times that the sink had forgotten its GPUs. */
    readonly epoch: number,
  ) {}
}

/** GPUs that are remembered from batch to batch; beyond it something makes them up, and memory starts anew. */
const MAX_KNOWN_GPUS = 1 << 20;

/** The GPUs of a sink. */
export class SinkGpus {
  private known = new Map<string, SinkGpu>();
  epoch = 0;

  /** @param shardOf which batch in the making a GPU goes to */
  constructor(private readonly shardOf: (uuid: string) => number) {}

  of(uuid: string): SinkGpu {
    let gpu = this.known.get(uuid);
    if (gpu === undefined) {
      gpu = new SinkGpu(uuid, this.shardOf(uuid), this.epoch);
      this.known.set(uuid, gpu);
    }
    return gpu;
  }

  /** Keeps memory bounded; to be called while no batch in the making holds a sample. */
  tidy(): void {
    if (this.known.size <= MAX_KNOWN_GPUS) return;
    this.known = new Map();
    this.epoch++;
  }
}

/** The readings of a sample, all at once: the first `count` places, no series twice, no NaN. */
export interface Readings {
  count: number;
  readonly series: Uint8Array;
  readonly values: Float64Array;
}

/** @param places readings that it has room for */
export function emptyReadings(places: number): Readings {
  return { count: 0, series: new Uint8Array(places), values: new Float64Array(places) };
}

/**
 * Takes samples. Piece by piece: `begin`, any number of `set`, then `end` (kept if it holds at least one value) or
 * `abandon`. Or at once, for those who have a sample's readings together: `add` with a GPU from `gpu`.
 */
export interface SampleSink {
  /** Opens a sample; fractions of a millisecond are cut. */
  begin(gpuUuid: string, eventTimeMs: number): void;
  /** Sets a series of the open sample; a second value of the same series keeps the greater one. NaN is ignored. */
  set(seriesId: number, value: number): void;
  /** Attaches metadata to the open sample; equal metadata is stored once a batch. */
  describe(metadata: SampleMetadata): void;
  /** Closes the open sample. @returns whether it held a value */
  end(): boolean;
  /** Forgets the open sample. */
  abandon(): void;
  gpu(uuid: string): SinkGpu;
  /**
   * Takes a whole sample of at least one reading.
   * @param eventTimeMs whole
   * @param metadata told apart by identity: who puts in the same object for a GPU again stores it once
   */
  add(gpu: SinkGpu, eventTimeMs: number, readings: Readings, metadata: SampleMetadata | undefined): void;
}

/** Of a row, beside its readings: GPU index and UUID, time, metadata, origin. */
const FIXED_ROW_BYTES = 68;

/** As long as there are series: reading beyond the end of an array is slow. */
const noColumns = (): (Float64Array | undefined)[] =>
  new Array<Float64Array | undefined>(SERIES.length).fill(undefined);

/**
 * Collects samples into a {@link SampleBatch}: {@link build} hands the batch over and starts an empty one; {@link view}
 * and {@link clear} do without new memory where the batch is used up at once.
 */
export class BatchBuilder implements SampleSink {
  private capacity: number;
  private count = 0;
  /** Serial number of the batch in the making. */
  private batch = 0;
  private gpus: string[] = [];
  private readonly knownGpus: SinkGpus;
  private gpuIndex: Uint32Array;
  private eventTimeMs: Float64Array;
  /** By series: the columns of the batch, NaN where a sample has no value. */
  private columns = noColumns();
  private rowBytes = FIXED_ROW_BYTES;
  /** By series: a column that is not used in this batch, NaN all over. */
  private spare: (Float64Array | undefined)[] = [];
  private metadata: SampleMetadata[] = [];
  private metadataIds = new Map<string, number>();
  private metadataIndex: Int32Array;
  private origins: Origin[] = [];
  private originIndex: Uint32Array;
  private originOffset: Float64Array;
  private currentOrigin = 0;
  /** One number. A field would be allocated anew with every message, for being no small integer. */
  private readonly currentOffset = new Float64Array(1);
  private open = false;
  private values = 0;

  /**
   * @param initialCapacity samples to make room for at first; grows by doubling
   * @param gpus where several builders share them; who hands them in tidies them
   */
  constructor(
    initialCapacity = 1024,
    private readonly sharedGpus?: SinkGpus,
  ) {
    this.knownGpus = sharedGpus ?? new SinkGpus(() => 0);
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

  /** About what the batch takes in memory and on Kafka, names apart. */
  get bytes(): number {
    return this.count * this.rowBytes;
  }

  /** Names the raw message that the next samples come from. */
  from(topic: string, partition: number, offset: number): void {
    this.currentOffset[0] = offset;
    const current = this.origins[this.currentOrigin];
    if (current !== undefined && current.partition === partition && current.topic === topic) return;
    this.enterOrigin(topic, partition);
  }

  gpu(uuid: string): SinkGpu {
    return this.knownGpus.of(uuid);
  }

  add(gpu: SinkGpu, eventTimeMs: number, readings: Readings, metadata: SampleMetadata | undefined): void {
    this.start(gpu, eventTimeMs);
    const { count: row, columns } = this;
    const { count, series, values } = readings;
    for (let i = 0; i < count; i++) (columns[series[i]] ?? this.column(series[i]))[row] = values[i];
    if (metadata !== undefined) {
      if (gpu.metadata !== metadata || gpu.metadataBatch !== this.batch) this.enterMetadata(gpu, metadata);
      this.metadataIndex[row] = gpu.metadataIndex;
    }
    this.count++;
  }

  begin(gpuUuid: string, eventTimeMs: number): void {
    if (this.open) this.abandon();
    this.start(this.gpu(gpuUuid), Math.floor(eventTimeMs));
    this.open = true;
    this.values = 0;
  }

  set(seriesId: number, value: number): void {
    if (value !== value) return;
    const column = this.columns[seriesId] ?? this.column(seriesId);
    const before = column[this.count];
    if (before !== before) {
      column[this.count] = value;
      this.values++;
    } else if (value > before) column[this.count] = value;
  }

  describe(metadata: SampleMetadata): void {
    const key = metadataKey(metadata);
    if (key === null) return;
    let index = this.metadataIds.get(key);
    if (index === undefined) {
      index = this.metadata.push(metadata) - 1;
      this.metadataIds.set(key, index);
    }
    this.metadataIndex[this.count] = index;
  }

  end(): boolean {
    if (!this.open) return false;
    this.open = false;
    if (this.values === 0) return false;
    this.count++;
    return true;
  }

  abandon(): void {
    if (!this.open) return;
    this.open = false;
    this.clearRows(this.count, this.count + 1);
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

  /** What was collected, in the builder's own memory: good until the next call of the builder. */
  view(): SampleBatch {
    this.abandon();
    const { count } = this;
    return {
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
  }

  /** Forgets what was collected, and keeps the memory for what comes. */
  clear(): void {
    this.abandon();
    this.clearRows(0, this.count);
    for (const [id, column] of this.columns.entries()) if (column !== undefined) this.spare[id] = column;
    this.startAnew();
  }

  /** Hands over what was collected and starts anew. */
  build(): SampleBatch {
    const batch = this.view();
    this.gpuIndex = new Uint32Array(this.capacity);
    this.eventTimeMs = new Float64Array(this.capacity);
    this.metadataIndex = new Int32Array(this.capacity);
    this.originIndex = new Uint32Array(this.capacity);
    this.originOffset = new Float64Array(this.capacity);
    this.startAnew();
    return batch;
  }

  private startAnew(): void {
    this.count = 0;
    this.batch++;
    this.gpus = [];
    this.columns = noColumns();
    this.metadata = [];
    this.metadataIds = new Map();
    this.origins = [];
    this.currentOrigin = 0;
    this.rowBytes = FIXED_ROW_BYTES;
    if (this.sharedGpus === undefined) this.knownGpus.tidy();
  }

  /** Fills in the row that comes next. */
  private start(gpu: SinkGpu, eventTimeMs: number): void {
    if (this.count === this.capacity) this.grow();
    const row = this.count;
    this.gpuIndex[row] = gpu.batch === this.batch ? gpu.index : this.enterGpu(gpu);
    this.eventTimeMs[row] = eventTimeMs;
    this.metadataIndex[row] = -1;
    this.originIndex[row] = this.currentOrigin;
    this.originOffset[row] = this.currentOffset[0];
  }

  /** Place of a GPU in the batch, for its first sample there. */
  private enterGpu(gpu: SinkGpu): number {
    // The GPU may have been made anew since whoever puts it in has got it: one GPU has one place.
    const known = gpu.epoch === this.knownGpus.epoch ? gpu : this.gpu(gpu.uuid);
    if (known.batch !== this.batch) {
      known.batch = this.batch;
      known.index = this.gpus.push(known.uuid) - 1;
    }
    return known.index;
  }

  /** Not part of {@link from}, for which a scope would be allocated with every message then. */
  private enterOrigin(topic: string, partition: number): void {
    const index = this.origins.findIndex((origin) => origin.partition === partition && origin.topic === topic);
    this.currentOrigin = index < 0 ? this.origins.push({ topic, partition }) - 1 : index;
  }

  /** Gives a GPU's metadata a place: that of the GPU before where it is the same, as within a host. */
  private enterMetadata(gpu: SinkGpu, metadata: SampleMetadata): void {
    const { length } = this.metadata;
    gpu.metadata = metadata;
    gpu.metadataBatch = this.batch;
    gpu.metadataIndex =
      length > 0 && this.metadata[length - 1] === metadata ? length - 1 : this.metadata.push(metadata) - 1;
  }

  private column(seriesId: number): Float64Array {
    const column = this.spare[seriesId] ?? new Float64Array(this.capacity).fill(NaN);
    this.spare[seriesId] = undefined;
    this.columns[seriesId] = column;
    this.rowBytes += 8;
    return column;
  }

  private clearRows(from: number, to: number): void {
    for (const column of this.columns) column?.fill(NaN, from, to);
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
    this.spare = [];
    this.capacity = capacity;
  }
}

/** Equal for equal metadata; null where it says nothing. */
export function metadataKey(metadata: SampleMetadata): string | null {
  const { model, host, deploymentDateMs, purchaseDateMs, warrantyEndMs } = metadata;
  const key = `${model ?? ''}\0${host ?? ''}\0${deploymentDateMs ?? ''}\0${purchaseDateMs ?? ''}\0${warrantyEndMs ?? ''}`;
  return key === '\0\0\0\0' ? null : key;
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
