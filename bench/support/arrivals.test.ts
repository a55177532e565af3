import { describe, expect, it } from 'vitest';
import { Arrivals } from './arrivals.js';

describe('arrivals', () => {
  it('tells how long each reading of some rounds took, and how many never came', () => {
    const arrivals = new Arrivals(2, 3);
    for (const round of [0, 1, 2]) for (const gpu of [0, 1]) arrivals.sent(gpu, round, 1_000 * round + gpu);
    arrivals.met(0, 0, 900);
    arrivals.met(1, 1, 1_031);
    arrivals.met(0, 1, 1_010);
    arrivals.met(1, 2, 2_051);
    expect(arrivals.latencies(1, 3)).toEqual({ sorted: Float64Array.of(10, 30, 50), missing: 1 });
  });

  it('counts a reading that is met twice by the first time', () => {
    const arrivals = new Arrivals(1, 1);
    arrivals.sent(0, 0, 100);
    arrivals.met(0, 0, 150);
    arrivals.met(0, 0, 900);
    expect([...arrivals.latencies(0, 1).sorted]).toEqual([50]);
  });

  it('leaves out what was never sent', () => {
    expect(new Arrivals(5, 5).latencies(0, 5)).toEqual({ sorted: new Float64Array(0), missing: 0 });
  });
});
