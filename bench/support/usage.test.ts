import { describe, expect, it } from 'vitest';
import { parseProportionalMb, parseUsage } from './usage.js';

describe('usage of a process', () => {
  it('reads CPU time and memory, whatever the name of the program', () => {
    const stat = '42 (odd) name (1)) S 1 42 42 0 -1 4194560 5000 0 0 0 250 50 7 7 20 0 11 0 12345 1000000 300';
    const status = 'Name:\tnode\nVmHWM:\t  200000 kB\nVmRSS:\t  100000 kB\nThreads:\t11\n';
    expect(parseUsage(stat, status)).toEqual({ cpuSeconds: 3, rssMb: 102.4, peakRssMb: 204.8 });
  });

  it('counts what processes share by their shares', () => {
    const rollup =
      '55d0a-7ffd [rollup]\nRss:    500000 kB\nPss:    400000 kB\nPss_Dirty:  300000 kB\nSwapPss:      7 kB\n';
    expect(parseProportionalMb(rollup)).toBe(409.6);
  });
});
