import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../operators/decode/decoders.js';
import { BatchBuilder, readingsOf, type SampleBatch } from '../../schema/batch.js';
import { DAY_MS } from '../../schema/clock.js';
import { partitionOf } from '../../schema/partition.js';
import type { LogRecord } from '../kafka/log.js';
import { RecordListBlock } from '../kafka/record-lists.js';
import { Intake, type IntakeTarget } from './intake.js';
import { Router } from './router.js';

const TIME = Date.UTC(2026, 10, 23, 10);
const LIMITS = { futureMs: 300_000, maxAgeMs: 8 * DAY_MS };

const message = (offset: number, value: string | null, timestampMs = TIME): LogRecord => ({
  topic: 'raw',
  partition: 3,
  offset,
  timestampMs,
  key: Buffer.from('a key'),
  value: value === null ? null : Buffer.from(value),
});
const flat = (gpu: string, timeMs: number, temperature: number | string = 61): string =>
  `{"gpu_uuid":"${gpu}","hostname":"n1","timestamp":${timeMs},"gpu_temp":${temperature}}`;

function intakeInto(target: IntakeTarget) {
  const rejected: string[] = [];
  const codes: string[] = [];
  const intake = new Intake({
    decoder: createDecoder('wide-json-flat', { profUnit: 'percent', maxMessageBytes: 1000 }),
    target,
    limits: LIMITS,
    deadLetterTopic: 'dead',
    reject: (reason, gpu, metric) => rejected.push(`${reason} ${gpu} ${metric}`),
    onLetter: (code) => codes.push(code),
    onWarning: (warning) => expect.unreachable(warning),
    gapMs: 300_000,
  });
  return { intake, rejected, codes };
}

const rowsOf = (batch: SampleBatch) =>
  Array.from({ length: batch.count }, (_, row) => ({
    gpu: batch.gpus[batch.gpuIndex[row]],
    timeMs: batch.eventTimeMs[row],
    offset: batch.originOffset[row],
    origin: batch.origins[batch.originIndex[row]],
    host: batch.metadataIndex[row] < 0 ? null : batch.metadata[batch.metadataIndex[row]].host,
    readings: readingsOf(batch, row),
  }));

describe('taking in records', () => {
  it('hands samples over with their origin, and makes letters of the rest with their bytes', () => {
    const builder = new BatchBuilder();
    const { intake, rejected, codes } = intakeInto(builder);
    const decoded = intake.decode(
      new RecordListBlock([
        message(4, flat('GPU-before', TIME)),
        message(5, flat('GPU-a', TIME)),
        message(6, 'not JSON'),
        message(7, null),
        message(9, flat('GPU-b', TIME, 999)),
        message(10, flat('GPU-b', TIME, 62)),
      ]),
      5,
    );
    expect([decoded.records, decoded.samples]).toEqual([5, 2]);
    expect(rowsOf(builder.build())).toEqual(
      [
        { gpu: 'GPU-a', offset: 5, readings: { gpu_temp: 61 } },
        { gpu: 'GPU-b', offset: 10, readings: { gpu_temp: 62 } },
      ].map((row) => ({ ...row, timeMs: TIME, host: 'n1', origin: { topic: 'raw', partition: 3 } })),
    );
    expect(codes).toEqual(['malformed', 'empty', 'empty']);
    expect(rejected).toEqual(['range GPU-b gpu_temp']);
    expect(decoded.letters.map(({ record: { topic, key, value } }) => [topic, key, value?.toString() ?? null])).toEqual(
      [
        ['dead', 'a key', 'not JSON'],
        ['dead', 'a key', null],
        ['dead', 'a key', flat('GPU-b', TIME, 999)],
      ],
    );
    expect(decoded.letters[0].record.headers).toEqual(
      expect.arrayContaining([
        ['error_code', 'malformed'],
        ['topic', 'raw'],
        ['partition', '3'],
        ['offset', '6'],
      ]),
    );
  });

  it('refuses times too far from the record’s, by either way through the decoder, a letter a sample', () => {
    const builder = new BatchBuilder();
    const { intake, rejected, codes } = intakeInto(builder);
    const future = TIME + LIMITS.futureMs + 1;
    const past = TIME - LIMITS.maxAgeMs - 1;
    const times = [future, past, future - 1, past + 1, future, past];
    const { letters, samples } = intake.decode(
      new RecordListBlock(times.map((time, offset) => message(offset, flat('GPU-a', time)))),
      0,
    );
    expect(samples).toBe(2);
    expect(rowsOf(builder.build()).map(({ timeMs }) => timeMs)).toEqual([future - 1, past + 1]);
    expect(codes).toEqual(['future', 'past', 'future', 'past']);
    expect(rejected).toEqual(codes.map((code) => `${code} GPU-a gpu_temp`));
    expect(JSON.parse(letters[2].record.value!.toString())).toEqual({
      gpu_uuid: 'GPU-a',
      event_time: new Date(future).toISOString(),
      readings: { gpu_temp: 61 },
    });
  });
});

describe('re-keying', () => {
  it('puts every sample into its GPU’s partition, in order, in batches of bounded size', () => {
    const partitions = 3;
    const seen = new Map<string, number[]>();
    const sizes: number[] = [];
    const router = new Router(partitions, 4, (partition, batch) => {
      sizes.push(batch.count);
      for (const { gpu, offset, readings, host } of rowsOf(batch)) {
        expect(partitionOf(gpu, partitions)).toBe(partition);
        expect([host, readings.gpu_temp]).toEqual(['n1', 30 + (offset % 50)]);
        seen.set(gpu, [...(seen.get(gpu) ?? []), offset]);
      }
      // A GPU has one place in a batch.
      expect(new Set(batch.gpus).size).toBe(batch.gpus.length);
    });
    const { intake } = intakeInto(router);
    const gpuOf = (offset: number): string => `GPU-${offset % 7}`;
    for (let from = 0; from < 100; from += 20) {
      const records = Array.from({ length: 20 }, (_, i) =>
        message(from + i, flat(gpuOf(from + i), TIME + from + i, 30 + ((from + i) % 50))),
      );
      // Every other message goes the parser's way.
      records.forEach((record, i) => {
        if (i % 2 === 1)
          records[i] = { ...record, value: Buffer.from(record.value!.toString().replace('}', ',"x":1e2}')) };
      });
      intake.decode(new RecordListBlock(records), 0);
      router.drain();
    }
    expect(Math.max(...sizes)).toBe(4);
    for (let gpu = 0; gpu < 7; gpu++)
      expect(seen.get(`GPU-${gpu}`)).toEqual(Array.from({ length: 100 }, (_, n) => n).filter((n) => n % 7 === gpu));
  });
});
