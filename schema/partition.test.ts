import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { murmur2, partitionOf } from './partition.js';

const kafkajsMurmur2 = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (
  key: Buffer,
) => number;

describe('partitioning', () => {
  it('hashes every key as another client of the same protocol does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        expect(murmur2(bytes) | 0).toBe(kafkajsMurmur2(Buffer.from(bytes)) | 0);
      }),
    );
  });

  it('spreads GPU UUIDs over all partitions', () => {
    const counts = new Array<number>(12).fill(0);
    for (let gpu = 0; gpu < 12_000; gpu++) counts[partitionOf(`GPU-${gpu.toString(16).padStart(8, '0')}`, 12)]++;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1200);
  });
});
