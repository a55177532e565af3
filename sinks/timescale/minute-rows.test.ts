import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { METRIC_COLUMNS, MinuteRows, ROW_MS } from './minute-rows.js';
import type { Cell } from './tables.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const START = Date.UTC(2026, 0, 1, 12);
type Reading = readonly [gpu: string, seconds: number, temperature: number];

function batchOf(readings: readonly Reading[]): SampleBatch {
  const builder = new BatchBuilder(8);
  for (const [gpu, seconds, temperature] of readings) {
    builder.begin(gpu, START + seconds * 1000);
    builder.set(S.gpuTemp, temperature);
    builder.set(S.eccSbeVol, Math.floor(seconds / 30));
    builder.end();
  }
  return builder.build();
}

const named = (cells: readonly Cell[]): Record<string, Cell> =>
  Object.fromEntries(METRIC_COLUMNS.map((column, index) => [column, cells[index]]));

describe('minutes of telemetry', () => {
  it('hold the mean of gauges and the last value of counters, once a later minute is seen', () => {
    const rows: Cell[][] = [];
    const minutes = new MinuteRows((cells) => rows.push(cells));
    minutes.add(
      batchOf([
        ['GPU-a', 0, 40],
        ['GPU-a', 30, 50],
        ['GPU-b', 10, 60],
      ]),
      0,
      START,
    );
    expect(rows).toEqual([]);
    minutes.add(batchOf([['GPU-a', 61, 70]]), 1, START + 1);
    expect(rows).toHaveLength(1);
    expect(named(rows[0])).toMatchObject({
      gpu_uuid: 'GPU-a',
      as_of: new Date(START).toISOString(),
      samples: 2,
      gpu_temp: 45,
      ecc_sbe_vol: 1,
      power_usage: null,
    });
  });

  it('take no reading twice and none of an earlier time', () => {
    const rows: Cell[][] = [];
    const minutes = new MinuteRows((cells) => rows.push(cells));
    const readings: Reading[] = [
      ['GPU-a', 0, 40],
      ['GPU-a', 0, 99],
      ['GPU-a', 30, 50],
      ['GPU-a', 10, 99],
      ['GPU-a', 60, 50],
      ['GPU-a', 20, 99],
    ];
    minutes.add(batchOf(readings), 0, START);
    minutes.add(batchOf([['GPU-a', 120, 1]]), 1, START);
    expect(rows.map((cells) => named(cells).gpu_temp)).toEqual([45, 50]);
  });

  it('are rows of single event times where every sample is wanted, under the same order rule', () => {
    const rows: Cell[][] = [];
    const samples = new MinuteRows((cells) => rows.push(cells), ROW_MS.raw);
    const readings: Reading[] = [
      ['GPU-a', 0, 40],
      ['GPU-a', 30, 50],
      ['GPU-a', 30, 99],
      ['GPU-a', 10, 99],
      ['GPU-a', 40, 60],
      ['GPU-a', 50, 0],
    ];
    samples.add(batchOf(readings), 0, START);
    expect(rows.map((cells) => [named(cells).as_of, named(cells).gpu_temp, named(cells).samples])).toEqual([
      [new Date(START).toISOString(), 40, 1],
      [new Date(START + 30_000).toISOString(), 50, 1],
      [new Date(START + 40_000).toISOString(), 60, 1],
    ]);
  });

  it('come out for a GPU that fell silent, an hour of the log later, and then hold nothing back', () => {
    const rows: Cell[][] = [];
    const minutes = new MinuteRows((cells) => rows.push(cells));
    minutes.add(batchOf([['GPU-dead', 5, 90]]), 0, START);
    for (let minute = 1; minute <= 59; minute++)
      minutes.add(batchOf([['GPU-a', 0, 40]]), minute, START + minute * 60_000);
    expect([rows.length, minutes.rebuildFrom(60)]).toEqual([0, 0]);
    minutes.add(batchOf([['GPU-a', 1, 40]]), 60, START + HOUR_MS);
    expect(rows.map((cells) => named(cells))).toMatchObject([{ gpu_uuid: 'GPU-dead', gpu_temp: 90, samples: 1 }]);
    expect(minutes.rebuildFrom(61)).toBe(1);
    // What still comes of that minute comes too late for its row.
    minutes.add(batchOf([['GPU-dead', 30, 80]]), 61, START + HOUR_MS);
    minutes.add(batchOf([['GPU-dead', 61, 70]]), 62, START + HOUR_MS);
    minutes.add(batchOf([['GPU-dead', 130, 70]]), 63, START + HOUR_MS);
    expect(rows.map((cells) => named(cells).gpu_temp)).toEqual([90, 70]);
  });

  it('come out once each, whenever loading stops and goes on from the offset to rebuild from', () => {
    const reading = fc.tuple(
      fc.constantFrom('GPU-a', 'GPU-b', 'GPU-c'),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 20, max: 90 }),
      // Milliseconds that the log goes on, now and then by so much that a GPU counts as silent.
      fc.oneof(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 2 * HOUR_MS })),
    );
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 60 }), fc.nat(), (steps, stop) => {
        const clock = new Map<string, number>();
        const heardMs = new Map<string, number>();
        let logMs = START;
        const batches = steps.map(([gpu, seconds, temperature, later]) => {
          logMs += later;
          // After a silence a GPU goes on in another minute.
          const wasSilent = logMs - (heardMs.get(gpu) ?? logMs) >= HOUR_MS - 60_000;
          heardMs.set(gpu, logMs);
          clock.set(gpu, (clock.get(gpu) ?? 0) + seconds + (wasSilent ? 3600 : 0));
          return { batch: batchOf([[gpu, clock.get(gpu)!, temperature]]), logMs };
        });
        const feed = (minutes: MinuteRows, offset: number): void =>
          minutes.add(batches[offset].batch, offset, batches[offset].logMs);
        const whole: Cell[][] = [];
        const undisturbed = new MinuteRows((cells) => whole.push(cells));
        for (const offset of batches.keys()) feed(undisturbed, offset);

        const written: Cell[][] = [];
        const processed = stop % batches.length;
        const before = new MinuteRows((cells) => written.push(cells));
        for (let offset = 0; offset < processed; offset++) feed(before, offset);
        const after = new MinuteRows((cells, offset) => {
          if (offset >= processed) written.push(cells);
        });
        for (let offset = before.rebuildFrom(processed); offset < batches.length; offset++) feed(after, offset);
        const sorted = (rows: readonly Cell[][]): string[] => rows.map((row) => JSON.stringify(row)).sort();
        expect(sorted(written)).toEqual(sorted(whole));
      }),
      { numRuns: propertyRuns(300) },
    );
  });
});
