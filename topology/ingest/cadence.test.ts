import { describe, expect, it } from 'vitest';
import { CadenceMonitor } from './cadence.js';

function warnings(monitor: CadenceMonitor, stepMs: number): string[] {
  const said: string[] = [];
  for (let i = 0; i < 700; i++)
    for (const gpu of ['GPU-a', 'GPU-b']) {
      const warning = monitor.observe(gpu, i * stepMs);
      if (warning !== null) said.push(warning);
    }
  return said;
}

describe('the cadence of a source', () => {
  it('is warned about once where a missed scrape would already be a gap', () => {
    const monitor = new CadenceMonitor(300_000);
    expect(warnings(monitor, 180_000)).toEqual([expect.stringMatching(/180 s apart/)]);
    expect(warnings(monitor, 180_000)).toEqual([]);
  });

  it('is fine at two fifths of the gap', () => {
    expect(warnings(new CadenceMonitor(300_000), 120_000)).toEqual([]);
  });
});
