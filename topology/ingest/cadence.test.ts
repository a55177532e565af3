import { describe, expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { CadenceMonitor } from './cadence.js';

function samplesEvery(stepMs: number, count: number): SampleBatch {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++)
    for (const gpu of ['GPU-a', 'GPU-b']) {
      builder.begin(gpu, i * stepMs);
      builder.set(0, 40);
      builder.end();
    }
  return builder.build();
}

describe('the cadence of a source', () => {
  it('is warned about once where a missed scrape would already be a gap', () => {
    const slow = new CadenceMonitor(300_000);
    expect(slow.observe(samplesEvery(180_000, 700))).toMatch(/180 s apart/);
    expect(slow.observe(samplesEvery(180_000, 700))).toBeNull();
  });

  it('is fine at two fifths of the gap', () => {
    expect(new CadenceMonitor(300_000).observe(samplesEvery(120_000, 700))).toBeNull();
  });
});
