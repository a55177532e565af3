import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, readingsOf, type SampleBatch } from './batch.js';
import { schemaText } from './avro.js';
import { SERIES } from './metrics.js';
import { fromSamplesRecord, toSamplesRecord } from './samples.js';

const type = avro.Type.forSchema(JSON.parse(schemaText('samples')) as avro.Schema);
const throughAvro = (batch: SampleBatch) => fromSamplesRecord(type.fromBuffer(type.toBuffer(toSamplesRecord(batch))));

const sample = fc.record({
  gpu: fc.constantFrom('GPU-a', 'GPU-b', 'GPU-c'),
  time: fc.integer({ min: 0, max: 2 ** 45 }),
  offset: fc.integer({ min: 0, max: 2 ** 50 }),
  partition: fc.integer({ min: 0, max: 3 }),
  model: fc.option(fc.constantFrom('NVIDIA H100', 'NVIDIA A100')),
  readings: fc.array(fc.tuple(fc.integer({ min: 0, max: SERIES.length - 1 }), fc.double({ noNaN: true })), {
    minLength: 1,
  }),
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

describe('gpu.samples', () => {
  it('gives back every sample that was put in', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
        const builder = new BatchBuilder(4);
        for (const { gpu, time, offset, partition, model, readings } of samples) {
          builder.from('raw', partition, offset);
          builder.begin(gpu, time);
          for (const [series, value] of readings) builder.set(series, value);
          if (model !== null) builder.describe({ model, host: 'n1' });
          expect(builder.end()).toBe(true);
        }
        const batch = builder.build();
        expect(batch.count).toBe(samples.length);
        expect(rows(throughAvro(batch))).toEqual(rows(batch));
      }),
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

  it('leaves nothing of an abandoned or truncated sample in the next one', () => {
    const builder = new BatchBuilder();
    builder.begin('GPU-a', 1);
    builder.set(0, 40);
    builder.abandon();
    builder.begin('GPU-a', 2);
    builder.set(1, 50);
    builder.end();
    builder.begin('GPU-a', 3);
    builder.set(2, 60);
    builder.end();
    builder.truncate(1);
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
    const record = toSamplesRecord(builder.build()) as Record<string, unknown>;
    for (const broken of [
      { ...record, count: 2 },
      { ...record, gpus: [] },
      { ...record, origin_offset: Buffer.alloc(0) },
      { ...record, event_time: Buffer.alloc(7) },
    ])
      expect(() => fromSamplesRecord(broken)).toThrow();
  });
});
