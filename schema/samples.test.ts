import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, readingsOf, type SampleBatch } from './batch.js';
import { AvroCodec, DecodeError, earlierSchemaText, schemaText } from './avro.js';
import { SERIES } from './metrics.js';
import { fromSamplesRecord, SamplesCodec, toSamplesRecord } from './samples.js';
import { propertyRuns } from '../test/support/property-runs.js';

const type = avro.Type.forSchema(JSON.parse(schemaText('samples')) as avro.Schema);
const avroCodec = await AvroCodec.open(null, '');
const codec = new SamplesCodec(avroCodec);
const throughAvro = (batch: SampleBatch) => fromSamplesRecord(type.fromBuffer(type.toBuffer(toSamplesRecord(batch))));

const sample = fc.record({
  gpu: fc.constantFrom('GPU-a', 'GPU-b', 'GPU-c'),
  time: fc.integer({ min: 0, max: 2 ** 45 }),
  offset: fc.integer({ min: 0, max: 2 ** 50 }),
  partition: fc.integer({ min: 0, max: 3 }),
  model: fc.option(fc.constantFrom('NVIDIA H100', 'NVIDIA A100')),
  readings: fc.array(
    fc.tuple(
      fc.integer({ min: 0, max: SERIES.length - 1 }),
      fc.oneof(
        fc.double({ noNaN: true }),
        fc.integer({ min: 0, max: 100_000 }).map((tenths) => tenths / 10),
      ),
    ),
    { minLength: 1 },
  ),
});

const rows = (batch: SampleBatch) =>
  Array.from({ length: batch.count }, (_, row) => ({
    gpu: batch.gpus[batch.gpuIndex[row]],
    time: batch.eventTimeMs[row],
    origin: { ...batch.origins[batch.originIndex[row]] },
    offset: batch.originOffset[row],
    metadata: batch.metadataIndex[row] < 0 ? null : { ...batch.metadata[batch.metadataIndex[row]] },
    readings: readingsOf(batch, row),
  }));

const samples = fc.array(sample, { maxLength: 30 });

type Drawn = typeof sample extends fc.Arbitrary<infer T> ? T : never;

function batchOf(drawn: readonly Drawn[]): SampleBatch {
  const builder = new BatchBuilder(4);
  for (const { gpu, time, offset, partition, model, readings } of drawn) {
    builder.from('raw', partition, offset);
    builder.begin(gpu, time);
    for (const [series, value] of readings) builder.set(series, value);
    if (model !== null) builder.describe({ model, host: 'n1', warrantyEndMs: time - 2 ** 44 });
    expect(builder.end()).toBe(true);
  }
  return builder.build();
}

describe('gpu.samples', () => {
  it('gives back every sample that was put in', () => {
    fc.assert(
      fc.property(samples, (drawn) => {
        const batch = batchOf(drawn);
        expect(batch.count).toBe(drawn.length);
        expect(rows(throughAvro(batch))).toEqual(rows(batch));
        expect(rows(codec.decode(codec.encode(batch)) as SampleBatch)).toEqual(rows(batch));
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('is written byte for byte as avsc writes it', () => {
    fc.assert(
      fc.property(samples, (drawn) => {
        const batch = batchOf(drawn);
        const expected = avroCodec.encode('samples', toSamplesRecord(batch));
        expect(codec.encode(batch).toString('hex')).toBe(expected.toString('hex'));
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('is refused as malformed wherever it is cut or changed so that it no longer fits, and never read beyond', () => {
    fc.assert(
      fc.property(samples, fc.nat(), fc.integer({ min: 0, max: 255 }), (drawn, at, byte) => {
        const message = codec.encode(batchOf(drawn));
        expect(() => codec.decode(message.subarray(0, 5 + (at % (message.length - 5))))).toThrow(DecodeError);
        const changed = Buffer.from(message);
        changed[5 + (at % (message.length - 5))] = byte;
        try {
          const batch = codec.decode(changed) as SampleBatch;
          for (let row = 0; row < batch.count; row++) expect(batch.gpus[batch.gpuIndex[row]]).toBeTypeOf('string');
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('keeps the greater of two values of one series, and no sample without a value', () => {
    const builder = new BatchBuilder();
    builder.begin('GPU-a', 1.9);
    builder.set(0, 40);
    builder.set(0, 42);
    builder.set(0, 41);
    builder.end();
    builder.begin('GPU-a', 2);
    builder.set(0, NaN);
    expect(builder.end()).toBe(false);
    const batch = builder.build();
    expect(rows(batch).map(({ time, readings }) => [time, readings.gpu_temp])).toEqual([[1, 42]]);
  });

  it('leaves nothing of an abandoned sample in the next one', () => {
    const builder = new BatchBuilder();
    builder.begin('GPU-a', 1);
    builder.set(0, 40);
    builder.abandon();
    builder.begin('GPU-a', 2);
    builder.set(1, 50);
    builder.end();
    builder.begin('GPU-a', 3);
    builder.set(2, 60);
    builder.begin('GPU-a', 4);
    builder.set(3, 70);
    builder.end();
    expect(rows(builder.build()).map(({ readings }) => readings)).toEqual([{ memory_temp: 50 }, { sm_active: 70 }]);
  });

  it('refuses arrays that do not fit the count', () => {
    const builder = new BatchBuilder();
    builder.begin('GPU-a', 1);
    builder.set(0, 1);
    builder.end();
    const record = toSamplesRecord(builder.build());
    for (const broken of [
      { ...record, count: 2 },
      { ...record, gpus: [] },
      { ...record, origin_offset: Buffer.alloc(0) },
      { ...record, event_time: Buffer.alloc(7) },
      { ...record, deltas: false },
      { ...record, gpu_index: Buffer.from([2]) },
      { ...record, metadata_index: Buffer.from([0]) },
      { ...record, columns: [{ ...record.columns[0], divisor: 0 }] },
    ])
      expect(() => fromSamplesRecord(broken)).toThrow(DecodeError);
  });

  it('of the former version, whose arrays are as they lie in memory, is read', async () => {
    const formerType = avro.Type.forSchema(JSON.parse(earlierSchemaText('samples', 1001)) as avro.Schema);
    const bytesOf = (array: Float64Array | Uint32Array | Int32Array): Buffer =>
      Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    await fc.assert(
      fc.asyncProperty(samples, async (drawn) => {
        const batch = batchOf(drawn);
        const record = {
          ...toSamplesRecord(batch),
          gpu_index: bytesOf(batch.gpuIndex),
          event_time: bytesOf(batch.eventTimeMs),
          columns: batch.columns.flatMap((column, id) =>
            column === undefined ? [] : [{ series: SERIES[id].name, values: bytesOf(column) }],
          ),
          metadata_index: bytesOf(batch.metadataIndex),
          origin_index: bytesOf(batch.originIndex),
        };
        const header = Buffer.from([0, 0, 0, 1001 >> 8, 1001 & 255]);
        const message = Buffer.concat([header, formerType.toBuffer(record)]);
        expect(rows(await codec.decode(message))).toEqual(rows(batch));
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('of readings with a few decimals takes a few bytes a sample', () => {
    const builder = new BatchBuilder();
    for (let row = 0; row < 1_000; row++) {
      builder.begin(`GPU-${row % 50}`, 1_700_000_000_000 + 20 * row);
      for (let id = 0; id < 15; id++) builder.set(id, (row % 300) / 10 + id);
      builder.end();
    }
    // Fifteen readings of 2 bytes, five differences of 1 or 2.
    expect(codec.encode(builder.build()).length / 1_000).toBeLessThan(38);
  });
});
