import { describe, expect, it } from 'vitest';
import { leastIncrease, peakPssMb, peakRssMb, stretch, type Point } from './observation.js';

const point = (atMs: number, done: number, cpuSeconds: number, rssMb = 100, begun = done): Point => ({
  atMs,
  done,
  begun,
  cpuSeconds,
  rssMb,
  pssMb: rssMb - 10,
  brokerCpuSeconds: cpuSeconds / 10,
});

describe('observation of a run', () => {
  // A second of starting up that uses CPU and does nothing, then 1,000 records a second at 0.5 s of CPU a second.
  const run = [point(0, 0, 0), point(1_000, 0, 2), point(2_000, 1_000, 2.5, 300), point(3_000, 2_000, 3, 200)];

  it('leaves what lies before a stretch out of it', () => {
    const steady = stretch(run, 400, 2_000);
    expect(steady.records).toBe(1_600);
    expect(steady.seconds).toBeCloseTo(1.6, 9);
    expect(steady.perSecond).toBeCloseTo(1_000, 6);
    expect(steady.cpuMicros).toBeCloseTo(500, 6);
    expect(steady.brokerCpuMicros).toBeCloseTo(50, 6);
  });

  it('leaves no work out where the first stage runs ahead of the last', () => {
    const ahead = [
      point(0, 0, 0),
      point(1_000, 0, 1, 100, 2_000),
      point(2_000, 1_000, 2, 100, 2_000),
      point(3_000, 2_000, 3),
    ];
    const steady = stretch(ahead, 400, 2_000);
    expect(steady.seconds).toBeCloseTo(2.8, 9);
    expect(steady.cpuMicros).toBeCloseTo(1e6 * (2.8 / 1_600), 6);
  });

  it('refuses a stretch that the run did not reach, or that passed between two looks', () => {
    expect(() => stretch(run, 400, 2_001)).toThrow('2000 records were done, not 2001');
    expect(() => stretch([point(0, 0, 0), point(0, 100, 1)], 20, 100)).toThrow('measure more');
  });

  it('keeps the largest memory that was seen', () => {
    expect(peakRssMb(run)).toBe(300);
    expect(peakPssMb(run)).toBe(290);
  });

  it('finds the span in which a counter rose least', () => {
    const counts = [0, 10, 20, 21, 22, 32, 42].map((count, second) => ({ atMs: second * 1_000, count }));
    expect(leastIncrease(counts, 0, 6_000, 2_000)).toBe(2);
    expect(leastIncrease(counts, 0, 2_000, 2_000)).toBe(20);
    expect(leastIncrease(counts, 0, 1_000, 10_000)).toBe(100);
  });
});
