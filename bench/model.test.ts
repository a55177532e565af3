import { expect, it } from 'vitest';
import { benchModel, tooSlow } from './model.js';

const options = { model: 'models/champion', rows: 200, seed: 1, batches: [16, 64], repeats: 2 };

it('tells what a row takes of the CPU, by size of the batch', async () => {
  const { bench, batches } = (await benchModel(options)) as {
    bench: string;
    batches: Record<string, { rows: number; rowsPerCpuSecond: { median: number }; cpuMicrosPerRow: number }>;
  };
  expect(bench).toBe('model');
  // Whole batches only.
  expect(Object.entries(batches).map(([batch, { rows }]) => [batch, rows])).toEqual([
    ['16', 192],
    ['64', 192],
  ]);
  for (const { rowsPerCpuSecond, cpuMicrosPerRow } of Object.values(batches)) {
    expect(rowsPerCpuSecond.median).toBeGreaterThan(0);
    expect(cpuMicrosPerRow * rowsPerCpuSecond.median).toBeCloseTo(1e6, -4);
  }
});

it('is void where a size of the batch is slower than asked', () => {
  const of = (batch: number, median: number) => ({ batch, rowsPerCpuSecond: { median, min: median, max: median } });
  expect(tooSlow([of(16, 50_000), of(64, 90_000)])).toBeNull();
  expect(tooSlow([of(16, 49_999), of(64, 90_000)])).toMatch(/49999 in batches of 16; 50000 are asked for/);
});

it('refuses batches that are larger than all rows', async () => {
  await expect(benchModel({ ...options, batches: [512] })).rejects.toThrow('--rows 200 is less than a batch of 512');
});
