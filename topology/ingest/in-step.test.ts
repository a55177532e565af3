import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { InStep } from './in-step.js';

function batchOf(partition: number, firstOffset: number, times: readonly number[]): SampleBatch {
  const builder = new BatchBuilder(8);
  times.forEach((time, index) => {
    builder.from('raw', partition, firstOffset + index);
    builder.begin('GPU-a', time);
    builder.set(0, 40);
    builder.end();
  });
  return builder.build();
}

describe('partitions read in step', () => {
  it('hands samples over by event time across partitions, whatever order they are polled in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 20 }), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat(100)),
        (partitions, draw) => {
          const sorted = partitions.map((times) => [...times].sort((a, b) => a - b));
          const read = sorted.map(() => 0);
          const inStep = new InStep((partition, next) => next < sorted[Number(partition)].length);
          sorted.forEach((_, partition) => inStep.assign(String(partition), 0));
          const released: number[] = [];
          while (read.some((count, partition) => count < sorted[partition].length)) {
            const partition = draw.next().value % sorted.length;
            const size = 1 + (draw.next().value % 5);
            const times = sorted[partition].slice(read[partition], read[partition] + size);
            inStep.push(String(partition), batchOf(partition, read[partition], times), read[partition] + times.length);
            read[partition] += times.length;
            inStep.release((batch, row) => released.push(batch.eventTimeMs[row]));
          }
          inStep.release((batch, row) => released.push(batch.eventTimeMs[row]));
          expect(released).toEqual(sorted.flat().sort((a, b) => a - b));
          for (const [partition, next] of inStep.finished()) expect(next).toBe(sorted[Number(partition)].length);
        },
      ),
    );
  });

  it('hands over whole messages, so that what is finished is exactly what was handed over', () => {
    const builder = new BatchBuilder(8);
    for (const [offset, time] of [
      [0, 10],
      [0, 40],
      [1, 50],
    ]) {
      builder.from('raw', 0, offset);
      builder.begin('GPU-a', time);
      builder.set(0, 40);
      builder.end();
    }
    const inStep = new InStep((partition, next) => partition === 'b' && next === 1);
    inStep.assign('a', 0);
    inStep.assign('b', 0);
    inStep.push('a', builder.build(), 2);
    inStep.push('b', batchOf(1, 0, [30]), 1);
    const released: number[] = [];
    inStep.release((batch, row) => released.push(batch.eventTimeMs[row]));
    expect(released).toEqual([10, 40, 30]);
    expect([...inStep.finished()]).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  it('waits for a partition that is behind, and not for one that is at its end', () => {
    let behind = true;
    const inStep = new InStep((partition) => partition === 'slow' && behind);
    inStep.assign('slow', 0);
    inStep.assign('fast', 0);
    inStep.push('fast', batchOf(0, 0, [10, 20]), 2);
    const released: number[] = [];
    const take = (batch: SampleBatch, row: number): void => void released.push(batch.eventTimeMs[row]);
    inStep.release(take);
    expect(released).toEqual([]);
    expect([...inStep.finished()]).toEqual([
      ['slow', 0],
      ['fast', 0],
    ]);
    behind = false;
    inStep.release(take);
    expect(released).toEqual([10, 20]);
  });
});
