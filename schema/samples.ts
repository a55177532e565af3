import type { AvroCodec } from './avro.js';
import { HEADER_BYTES } from './avro.js';
import { AvroReader, AvroWriter, textBytes } from './avro-bytes.js';
import { Interned, internedTexts } from './byte-table.js';
import type { Origin, SampleBatch, SampleMetadata } from './batch.js';
import { DecodeError } from './decode-error.js';
import { KnownTexts } from './known-texts.js';
import { SERIES } from './metrics.js';

/**
 * gpu.samples: a SampleBatch as the Avro record of gpu.samples.avsc and back. Typed arrays travel as their bytes,
 * little-endian, which costs a copy an array and nothing a sample.
 */

interface SamplesRecord {
  count: number;
  gpus: readonly string[];
  gpu_index: Buffer;
  event_time: Buffer;
  columns: { series: string; values: Buffer }[];
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
}

if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) throw new Error('gpu-actuary needs a little-endian machine');

const idsByName = new Map(SERIES.map((series) => [series.name, series.id]));
/** More samples than any batch holds: a guard against a count that would allocate without bound. */
const MAX_SAMPLES = 1_000_000;
/** UUIDs that are remembered as strings: more than a process has GPUs. */
const MAX_UUIDS = 2_000_000;
/** The same for what samples say besides readings: a fleet has one a host or so. */
const MAX_METADATA = 1 << 17;
/** Of a batch, beside its arrays: about what a GPU's UUID, a host's metadata and a column's name take. */
const BYTES_OF_NAMES = 96;

const bytesOf = (array: Float64Array | Uint32Array | Int32Array): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Writes and reads messages of gpu.samples; reads one at a time: memory is reused. */
export class SamplesCodec {
  private readonly arena = new Arena();
  private readonly uuids = internedTexts(MAX_UUIDS);
  private readonly uuidBytes = new KnownTexts(MAX_UUIDS, textBytes);
  private readonly metadata = new Interned(MAX_METADATA, (bytes, start) =>
    toMetadata(readMetadata(new AvroReader(bytes, start))),
  );
  private readonly header: Buffer;

  constructor(private readonly codec: AvroCodec) {
    this.header = codec.header('samples');
  }

  /** @param writer where the message is put; in memory of its own if left out */
  encode(batch: SampleBatch, writer = new AvroWriter()): Buffer {
    const record = toSamplesRecord(batch);
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
    const record = readRecord(reader, this.uuids, this.metadata);
    if (reader.offset !== message.length)
      throw new DecodeError('malformed', `${message.length} bytes, of which the schema explains ${reader.offset}`);
    return batchOf(record, this.arena);
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
  writer.array(record.columns, ({ series, values }) => {
    writer.text(series);
    writer.view(values);
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
}

/** A record whose metadata are as batches have them. */
interface ReadRecord extends Omit<SamplesRecord, 'metadata'> {
  readonly metadata: readonly SampleMetadata[];
}

/** The same backwards; byte strings are views of the message. */
function readRecord(reader: AvroReader, uuids: Interned<string>, metadata: Interned<SampleMetadata>): ReadRecord {
  const skip = (): void => skipMetadata(reader);
  return {
    count: reader.long(),
    gpus: reader.array(() => reader.text(uuids)),
    gpu_index: reader.view(),
    event_time: reader.view(),
    columns: reader.array(() => ({ series: reader.text(), values: reader.view() })),
    metadata: reader.array(() => reader.known(metadata, skip)),
    metadata_index: reader.view(),
    origins: reader.array(() => ({ topic: reader.text(), partition: reader.long() })),
    origin_index: reader.view(),
    origin_offset: reader.view(),
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

/** The Avro record of a batch; shares memory with it. */
export function toSamplesRecord(batch: SampleBatch): SamplesRecord {
  const columns: SamplesRecord['columns'] = [];
  for (let id = 0; id < batch.columns.length; id++) {
    const column = batch.columns[id];
    if (column !== undefined) columns.push({ series: SERIES[id].name, values: bytesOf(column) });
  }
  return {
    count: batch.count,
    gpus: batch.gpus,
    gpu_index: bytesOf(batch.gpuIndex),
    event_time: bytesOf(batch.eventTimeMs),
    columns,
    metadata: batch.metadata.map((metadata) => ({
      model: metadata.model ?? null,
      host: metadata.host ?? null,
      deployment_date: metadata.deploymentDateMs ?? null,
      purchase_date: metadata.purchaseDateMs ?? null,
      warranty_end: metadata.warrantyEndMs ?? null,
    })),
    metadata_index: bytesOf(batch.metadataIndex),
    origins: batch.origins,
    origin_index: bytesOf(batch.originIndex),
    origin_offset: encodeDeltas(batch.originOffset),
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
  for (const { series, values } of record.columns) {
    const id = idsByName.get(series);
    // A series of a newer version: this one has no use for it.
    if (id !== undefined) columns[id] = arena.floats(values, count, series);
  }
  const batch: SampleBatch = {
    count,
    gpus: record.gpus,
    gpuIndex: arena.indices(record.gpu_index, count, record.gpus.length, 'gpu_index'),
    eventTimeMs: arena.floats(record.event_time, count, 'event_time'),
    columns,
    metadata: record.metadata,
    metadataIndex: arena.integers(record.metadata_index, count, 'metadata_index'),
    origins: record.origins,
    originIndex: arena.indices(record.origin_index, count, record.origins.length, 'origin_index'),
    originOffset: decodeDeltas(record.origin_offset, arena.room(count)),
  };
  for (let row = 0; row < count; row++)
    if (batch.metadataIndex[row] >= record.metadata.length)
      throw new DecodeError('malformed', 'metadata_index out of range');
  return batch;
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

  /** Copies bytes to the next address that suits float64. @returns that address */
  private take(bytes: Buffer, length: number, name: string): number {
    if (bytes.length !== length) throw new DecodeError('malformed', `${name} has ${bytes.length} bytes, not ${length}`);
    const from = this.at;
    new Uint8Array(this.memory, from, length).set(bytes);
    this.at = Math.ceil((from + length) / 8) * 8;
    return from;
  }

  /** Numbers to be filled in. */
  room(count: number): Float64Array {
    const from = this.at;
    this.at += 8 * count;
    return new Float64Array(this.memory, from, count);
  }

  floats(bytes: Buffer, count: number, name: string): Float64Array {
    return new Float64Array(this.memory, this.take(bytes, count * 8, name), count);
  }

  integers(bytes: Buffer, count: number, name: string): Int32Array {
    return new Int32Array(this.memory, this.take(bytes, count * 4, name), count);
  }

  indices(bytes: Buffer, count: number, limit: number, name: string): Uint32Array {
    const array = new Uint32Array(this.memory, this.take(bytes, count * 4, name), count);
    for (let row = 0; row < count; row++)
      if (array[row] >= limit) throw new DecodeError('malformed', `${name} out of range`);
    return array;
  }
}

/** Differences as zigzag varints of up to 53 bits: mostly one byte a sample. */
function encodeDeltas(values: Float64Array): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  let at = 0;
  let before = 0;
  for (let row = 0; row < values.length; row++) {
    const delta = values[row] - before;
    before = values[row];
    let rest = delta < 0 ? -2 * delta - 1 : 2 * delta;
    while (rest >= 128) {
      bytes[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    bytes[at++] = rest;
  }
  return bytes.subarray(0, at);
}

function decodeDeltas(bytes: Buffer, values: Float64Array): Float64Array {
  const { length } = bytes;
  let at = 0;
  let before = 0;
  for (let row = 0; row < values.length; row++) {
    if (at >= length) throw new DecodeError('malformed', 'origin_offset ends early');
    let byte = bytes[at++];
    if (byte < 128) {
      // Nearly all of them.
      before += (byte >>> 1) ^ -(byte & 1);
      values[row] = before;
      continue;
    }
    let rest = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      if (at >= length) throw new DecodeError('malformed', 'origin_offset ends early');
      byte = bytes[at++];
      rest += (byte & 127) * scale;
    }
    before += rest % 2 === 1 ? -(rest + 1) / 2 : rest / 2;
    values[row] = before;
  }
  if (at !== length) throw new DecodeError('malformed', 'origin_offset is too long');
  return values;
}
