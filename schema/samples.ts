import type { Origin, SampleBatch, SampleMetadata } from './batch.js';
import { DecodeError } from './avro.js';
import { SERIES } from './metrics.js';

/**
 * gpu.samples: a SampleBatch as the Avro record of gpu.samples.avsc and back. Typed arrays travel as their bytes,
 * little-endian, which costs a copy an array and nothing a sample.
 */

interface SamplesRecord {
  count: number;
  gpus: string[];
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
  origins: Origin[];
  origin_index: Buffer;
  origin_offset: Buffer;
}

if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) throw new Error('gpu-actuary needs a little-endian machine');

const idsByName = new Map(SERIES.map((series) => [series.name, series.id]));
/** More samples than any batch holds: a guard against a count that would allocate without bound. */
const MAX_SAMPLES = 1_000_000;

const bytesOf = (array: Float64Array | Uint32Array | Int32Array): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** The Avro record of a batch; shares memory with it. */
export function toSamplesRecord(batch: SampleBatch): object {
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
  } satisfies Omit<SamplesRecord, 'gpus' | 'origins'> & { gpus: readonly string[]; origins: readonly Origin[] };
}

/** @throws DecodeError malformed: arrays whose lengths or indices do not fit */
export function fromSamplesRecord(value: unknown): SampleBatch {
  const record = value as SamplesRecord;
  const count = record.count;
  if (count < 0 || count > MAX_SAMPLES) throw new DecodeError('malformed', `a batch of ${count} samples`);
  const columns: (Float64Array | undefined)[] = [];
  for (const { series, values } of record.columns) {
    const id = idsByName.get(series);
    // A series of a newer version: this one has no use for it.
    if (id !== undefined) columns[id] = floats(values, count, series);
  }
  const batch: SampleBatch = {
    count,
    gpus: record.gpus,
    gpuIndex: indices(record.gpu_index, count, record.gpus.length, 'gpu_index'),
    eventTimeMs: floats(record.event_time, count, 'event_time'),
    columns,
    metadata: record.metadata.map(toMetadata),
    metadataIndex: new Int32Array(aligned(record.metadata_index, count * 4, 'metadata_index')),
    origins: record.origins,
    originIndex: indices(record.origin_index, count, record.origins.length, 'origin_index'),
    originOffset: decodeDeltas(record.origin_offset, count),
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

/** A copy at an address that typed arrays accept. */
function aligned(bytes: Buffer, length: number, name: string): ArrayBuffer {
  if (bytes.length !== length) throw new DecodeError('malformed', `${name} has ${bytes.length} bytes, not ${length}`);
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(bytes);
  return copy;
}

const floats = (bytes: Buffer, count: number, name: string) => new Float64Array(aligned(bytes, count * 8, name));

function indices(bytes: Buffer, count: number, limit: number, name: string): Uint32Array {
  const array = new Uint32Array(aligned(bytes, count * 4, name));
  for (let row = 0; row < count; row++)
    if (array[row] >= limit) throw new DecodeError('malformed', `${name} out of range`);
  return array;
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

function decodeDeltas(bytes: Buffer, count: number): Float64Array {
  const values = new Float64Array(count);
  let at = 0;
  let before = 0;
  for (let row = 0; row < count; row++) {
    let rest = 0;
    let scale = 1;
    for (;;) {
      if (at >= bytes.length) throw new DecodeError('malformed', 'origin_offset ends early');
      const byte = bytes[at++];
      rest += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
    }
    before += rest % 2 === 1 ? -(rest + 1) / 2 : rest / 2;
    values[row] = before;
  }
  if (at !== bytes.length) throw new DecodeError('malformed', 'origin_offset is too long');
  return values;
}
