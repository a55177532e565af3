import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';

/** A young generation that nothing is collected from while the loops run. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
const bytesPerSample = (loop: 'decode' | 'fold'): number =>
  Number(execFileSync(process.execPath, [...FLAGS, join(packageRoot(), 'dist', 'bench', 'allocations.js'), loop]));

/**
 * The regression check of the hot loops: what they allocate for a sample, a count that no other load of the machine
 * moves (docs/benchmarks.md says how stable it was found). The bounds leave a tenth and more above what
 * was ever counted.
 */
describe('allocations of the hot loops', () => {
  it('folds a sample into its window without making an object for it', () => {
    expect(bytesPerSample('fold')).toBeLessThan(30);
  });

  it('decodes a message of flat JSON within its budget', () => {
    expect(bytesPerSample('decode')).toBeLessThan(220);
  });
});
