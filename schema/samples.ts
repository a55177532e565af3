import type { AvroCodec } from './avro.js';
import { HEADER_BYTES } from './avro.js';
import { AvroReader, AvroWriter, textBytes } from './avro-bytes.js';
import { Interned, internedTexts } from './byte-table.js';
import type { Origin, SampleBatch, SampleMetadata } from './batch.js';
import { DecodeError } from './decode-error.js';
import { KnownTexts } from './known-texts.js';
import { readDeltas, writeDeltas, type DeltaNumbers } from './deltas.js';
import { SERIES } from './metrics.js';
import { ColumnPacker, type PackedColumn } from './packed-column.js';

/**
 * gpu.samples: a SampleBatch as the Avro record of gpu.samples.avsc and back. Columns travel as packed-column.ts makes
 * them, all else that is said of each sample as deltas.ts does.
 */

interface SamplesRecord {
  count: number;
  gpus: readonly string[];
  gpu_index: Buffer;
  event_time: Buffer;
  columns: { series: string; values: Buffer; divisor: number }[];
  metadata: {
    model: string | null;
    host: string | null;
    deployment_date: number | null;
    purchase_date: number | null;
    warranty_end: number | null;
  }[];
  metadata_index: Buffer;
  origins: readonly Origin[];
  origin_index: Buffer;
  origin_offset: Buffer;
  deltas: boolean;
}

if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) throw new Error('gpu-actuary needs a little-endian machine');

const idsByName = new Map(SERIES.map((series) => [series.name, series.id]));
/** More samples than any batch holds: a guard against a count that would allocate without bound. */
const MAX_SAMPLES = 1_000_000;
/** Fields of a record that are written as differences. */
const DELTA_FIELDS = 5;
/** UUIDs that are remembered as strings: more than a process has GPUs. */
const MAX_UUIDS = 2_000_000;
/** Names of series: of those that there are, and of some of later versions. */
const MAX_SERIES = 1 << 10;
/** The same for what samples say besides readings: a fleet has one a host or so. */
const MAX_METADATA = 1 << 17;
/** So many of each may be remembered for nothing, and once as many again as there are GPUs. */
const SPARE_NAMES = 256;
/** Of a batch, beside its arrays: about what a GPU's UUID, a host's metadata and a column's name take. */
const BYTES_OF_NAMES = 96;

const packer = new ColumnPacker();

/** Writes and reads messages of gpu.samples; reads one at a time: memory is reused. */
export class SamplesCodec {
  private readonly arena = new Arena();
  private readonly packing = new Packing();
  private readonly uuids = internedTexts(MAX_UUIDS);
  private readonly uuidBytes = new KnownTexts(MAX_UUIDS, textBytes);
  private readonly series = internedTexts(MAX_SERIES);
  private readonly metadata = new Interned(MAX_METADATA, (bytes, start) =>
    toMetadata(readMetadata(new AvroReader(bytes, start))),
  );
  private readonly header: Buffer;

  constructor(private readonly codec: AvroCodec) {
    this.header = codec.header('samples');
  }

  /** @param writer where the message is put; in memory of its own if left out */
  encode(batch: SampleBatch, writer = new AvroWriter()): Buffer {
    const record = toSamplesRecord(batch, this.packing);
    writer.begin(this.header, sizeOf(record));
    writeRecord(writer, record, this.uuidBytes);
    return writer.take();
  }

  /**
   * A batch that is valid until the next call; by promise where it was written with another schema.
   * @throws DecodeError malformed, unknown_schema
   */
  decode(message: Buffer): SampleBatch | Promise<SampleBatch> {
    if (!this.codec.isOwn('samples', message)) return this.codec.decode('samples', message).then(fromSamplesRecord);
    const reader = new AvroReader(message, HEADER_BYTES);
    const record = readRecord(reader, this.uuids, this.series, this.metadata);
    if (reader.offset !== message.length)
      throw new DecodeError('malformed', `${message.length} bytes, of which the schema explains ${reader.offset}`);
    return batchOf(record, this.arena);
  }

  /**
   * Forgets UUIDs and what samples say beside readings where far more are remembered than GPUs are there: they are of
   * those that left the fleet. Whoever is there is learned anew.
   */
  tidy(gpus: number): void {
    for (const names of [this.uuids, this.metadata]) if (names.size > 2 * gpus + SPARE_NAMES) names.clear();
  }
}

/** About how many bytes a record takes. */
function sizeOf({ gpus, columns, metadata, ...record }: SamplesRecord): number {
  let bytes = BYTES_OF_NAMES * (gpus.length + metadata.length + columns.length);
  for (const { values } of columns) bytes += values.length;
  for (const view of [record.gpu_index, record.event_time, record.metadata_index, record.origin_index])
    bytes += view.length;
  return bytes + record.origin_offset.length;
}

/** The fields of gpu.samples.avsc in their order. */
function writeRecord(writer: AvroWriter, record: SamplesRecord, uuids: KnownTexts): void {
  writer.long(record.count);
  writer.array(record.gpus, (uuid) => writer.knownText(uuids, uuid));
  writer.view(record.gpu_index);
  writer.view(record.event_time);
  writer.array(record.columns, ({ series, values, divisor }) => {
    writer.text(series);
    writer.view(values);
    writer.long(divisor);
  });
  const text = (value: string): void => writer.text(value);
  const long = (value: number): void => writer.long(value);
  writer.array(record.metadata, (metadata) => {
    writer.optional(metadata.model, text);
    writer.optional(metadata.host, text);
    writer.optional(metadata.deployment_date, long);
    writer.optional(metadata.purchase_date, long);
    writer.optional(metadata.warranty_end, long);
  });
  writer.view(record.metadata_index);
  writer.array(record.origins, ({ topic, partition }) => {
    writer.text(topic);
    writer.long(partition);
  });
  writer.view(record.origin_index);
  writer.view(record.origin_offset);
  writer.boolean(record.deltas);
}

/** A record whose metadata are as batches have them. */
interface ReadRecord extends Omit<SamplesRecord, 'metadata'> {
  readonly metadata: readonly SampleMetadata[];
}

/** The same backwards; byte strings are views of the message. */
function readRecord(
  reader: AvroReader,
  uuids: Interned<string>,
  series: Interned<string>,
  metadata: Interned<SampleMetadata>,
): ReadRecord {
  const skip = (): void => skipMetadata(reader);
  return {
    count: reader.long(),
    gpus: reader.array(() => reader.text(uuids)),
    gpu_index: reader.view(),
    event_time: reader.view(),
    columns: reader.array(() => ({ series: reader.text(series), values: reader.view(), divisor: reader.long() })),
    metadata: reader.array(() => reader.known(metadata, skip)),
    metadata_index: reader.view(),
    origins: reader.array(() => ({ topic: reader.text(), partition: reader.long() })),
    origin_index: reader.view(),
    origin_offset: reader.view(),
    deltas: reader.boolean(),
  };
}

function readMetadata(reader: AvroReader): SamplesRecord['metadata'][number] {
  const text = (): string => reader.text();
  const long = (): number => reader.long();
  return {
    model: reader.optional(text),
    host: reader.optional(text),
    deployment_date: reader.optional(long),
    purchase_date: reader.optional(long),
    warranty_end: reader.optional(long),
  };
}

/** Reads over what {@link readMetadata} reads. */
function skipMetadata(reader: AvroReader): void {
  for (let texts = 0; texts < 2; texts++) if (reader.branch() === 1) reader.skip();
  for (let dates = 0; dates < 3; dates++) if (reader.branch() === 1) reader.long();
}

/** The Avro record of a batch. @param packing memory for it: it is valid until that is used again */
export function toSamplesRecord(batch: SampleBatch, packing = new Packing()): SamplesRecord {
  packing.begin(batch);
  const columns: SamplesRecord['columns'] = [];
  for (let id = 0; id < batch.columns.length; id++) {
    const column = batch.columns[id];
    if (column !== undefined) columns.push({ series: SERIES[id].name, ...packing.column(column) });
  }
  return {
    count: batch.count,
    gpus: batch.gpus,
    gpu_index: packing.deltas(batch.gpuIndex),
    event_time: packing.deltas(batch.eventTimeMs),
    columns,
    metadata: batch.metadata.map((metadata) => ({
      model: metadata.model ?? null,
      host: metadata.host ?? null,
      deployment_date: metadata.deploymentDateMs ?? null,
      purchase_date: metadata.purchaseDateMs ?? null,
      warranty_end: metadata.warrantyEndMs ?? null,
    })),
    metadata_index: packing.deltas(batch.metadataIndex),
    origins: batch.origins,
    origin_index: packing.deltas(batch.originIndex),
    origin_offset: packing.deltas(batch.originOffset),
    deltas: true,
  };
}

/** The batch of an Avro record. @throws DecodeError malformed: arrays whose lengths or indices do not fit */
export function fromSamplesRecord(value: unknown): SampleBatch {
  const record = value as SamplesRecord;
  return batchOf({ ...record, metadata: record.metadata.map(toMetadata) }, new Arena());
}

/** @param arena memory for the batch, which is valid until the arena is used again @throws DecodeError malformed */
function batchOf(record: ReadRecord, arena: Arena): SampleBatch {
  const { count } = record;
  if (count < 0 || count > MAX_SAMPLES) throw new DecodeError('malformed', `a batch of ${count} samples`);
  const columns: (Float64Array | undefined)[] = [];
  // Event times, offsets and columns of 8 bytes a sample, three columns of indices of 4 and what rounding them up takes.
  arena.begin((8 * (2 + record.columns.length) + 3 * 4) * count + 3 * 8);
  for (const column of record.columns) {
    const id = idsByName.get(column.series);
    // A series of a newer version: this one has no use for it.
    if (id !== undefined) columns[id] = arena.column(column, count);
  }
  const numbersOf = <T extends DeltaNumbers>(field: keyof ReadRecord, numbers: T, asDeltas = record.deltas): T =>
    arena.fill(numbers, record[field] as Buffer, asDeltas, field);
  return {
    count,
    gpus: record.gpus,
    gpuIndex: below(record.gpus.length, numbersOf('gpu_index', arena.unsigned(count)), 'gpu_index'),
    eventTimeMs: numbersOf('event_time', arena.floats(count)),
    columns,
    metadata: record.metadata,
    metadataIndex: below(record.metadata.length, numbersOf('metadata_index', arena.signed(count)), 'metadata_index'),
    origins: record.origins,
    originIndex: below(record.origins.length, numbersOf('origin_index', arena.unsigned(count)), 'origin_index'),
    originOffset: numbersOf('origin_offset', arena.floats(count), true),
  };
}

/** @throws DecodeError malformed: an index beyond what it points to */
function below<T extends Uint32Array | Int32Array>(limit: number, indices: T, name: string): T {
  for (let row = 0; row < indices.length; row++)
    if (indices[row] >= limit) throw new DecodeError('malformed', `${name} out of range`);
  return indices;
}

function toMetadata(record: SamplesRecord['metadata'][number]): SampleMetadata {
  return {
    ...(record.model === null ? {} : { model: record.model }),
    ...(record.host === null ? {} : { host: record.host }),
    ...(record.deployment_date === null ? {} : { deploymentDateMs: record.deployment_date }),
    ...(record.purchase_date === null ? {} : { purchaseDateMs: record.purchase_date }),
    ...(record.warranty_end === null ? {} : { warrantyEndMs: record.warranty_end }),
  };
}

/** Memory for the typed arrays of one batch, which need addresses that a message does not offer. */
class Arena {
  private memory = new ArrayBuffer(0);
  private at = 0;

  /** What was taken before may be overwritten from now on. */
  begin(bytes: number): void {
    if (bytes > this.memory.byteLength) this.memory = new ArrayBuffer(bytes);
    this.at = 0;
  }

  floats(count: number): Float64Array {
    return new Float64Array(this.memory, this.take(8 * count), count);
  }

  unsigned(count: number): Uint32Array {
    return new Uint32Array(this.memory, this.take(4 * count), count);
  }

  signed(count: number): Int32Array {
    return new Int32Array(this.memory, this.take(4 * count), count);
  }

  column(column: SamplesRecord['columns'][number], count: number): Float64Array {
    return packer.unpack(column, this.floats(count), column.series);
  }

  /** Numbers as they are, or as their differences. @throws DecodeError malformed */
  fill<T extends DeltaNumbers>(numbers: T, bytes: Buffer, asDeltas: boolean, name: string): T {
    if (asDeltas) return readDeltas(bytes, numbers, name);
    if (bytes.length !== numbers.byteLength)
      throw new DecodeError('malformed', `${name} has ${bytes.length} bytes, not ${numbers.byteLength}`);
    new Uint8Array(numbers.buffer, numbers.byteOffset, bytes.length).set(bytes);
    return numbers;
  }

  /** @returns an address that suits float64 */
  private take(bytes: number): number {
    const from = this.at;
    this.at = Math.ceil((from + bytes) / 8) * 8;
    return from;
  }
}

/** Memory for what a record says of each sample. */
class Packing {
  private memory = Buffer.alloc(0);
  private at = 0;

  /** What was packed before may be overwritten from now on. */
  begin({ count, columns }: SampleBatch): void {
    let fields = DELTA_FIELDS;
    for (const column of columns) if (column !== undefined) fields++;
    if (8 * count * fields > this.memory.length) this.memory = Buffer.alloc(2 * 8 * count * fields);
    this.at = 0;
  }

  column(values: Float64Array): PackedColumn {
    const packed = packer.pack(values, this.memory.subarray(this.at));
    this.at += packed.values.length;
    return packed;
  }

  deltas(values: DeltaNumbers): Buffer {
    const from = this.at;
    this.at = writeDeltas(values, this.memory, from);
    return this.memory.subarray(from, this.at);
  }
}
