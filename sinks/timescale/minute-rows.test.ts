import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { S } from '../../schema/metrics.js';
import { METRIC_COLUMNS, MinuteRows } from './minute-rows.js';
import type { Cell } from './tables.js';

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
    );
    expect(rows).toEqual([]);
    minutes.add(batchOf([['GPU-a', 61, 70]]), 1);
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
    minutes.add(batchOf(readings), 0);
    minutes.add(batchOf([['GPU-a', 120, 1]]), 1);
    expect(rows.map((cells) => named(cells).gpu_temp)).toEqual([45, 50]);
  });

  it('come out once each, whenever loading stops and goes on from the offset to rebuild from', () => {
    const reading = fc.tuple(
      fc.constantFrom('GPU-a', 'GPU-b'),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 20, max: 90 }),
    );
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 60 }), fc.nat(), (steps, stop) => {
        const clock = new Map<string, number>();
        const batches = steps.map(([gpu, seconds, temperature]) => {
          clock.set(gpu, (clock.get(gpu) ?? 0) + seconds);
          return batchOf([[gpu, clock.get(gpu)!, temperature]]);
        });
        const whole: Cell[][] = [];
        const undisturbed = new MinuteRows((cells) => whole.push(cells));
        batches.forEach((batch, offset) => undisturbed.add(batch, offset));

        const written: Cell[][] = [];
        const processed = stop % batches.length;
        const before = new MinuteRows((cells) => written.push(cells));
        for (let offset = 0; offset < processed; offset++) before.add(batches[offset], offset);
        const after = new MinuteRows((cells, offset) => {
          if (offset >= processed) written.push(cells);
        });
        for (let offset = before.rebuildFrom(processed); offset < batches.length; offset++)
          after.add(batches[offset], offset);
        expect(written).toEqual(whole);
      }),
    );
  });
});
