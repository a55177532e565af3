import type { SampleBatch } from '../../schema/batch.js';

const STEPS = 1_000;
const MAX_GPUS = 2_000;

/**
 * Looks at the steps between a source's samples of the same GPU, until it has seen a thousand: if their median is
 * more than half of `windows.gapMs`, a single missed scrape already counts as a gap.
 */
export class CadenceMonitor {
  private readonly lastMs = new Map<string, number>();
  private readonly steps: number[] = [];
  private done = false;

  constructor(private readonly gapMs: number) {}

  /** @returns what is wrong, once; null as long as nothing is known to be */
  observe(batch: SampleBatch): string | null {
    for (let row = 0; row < batch.count && !this.done; row++) {
      const uuid = batch.gpus[batch.gpuIndex[row]];
      const timeMs = batch.eventTimeMs[row];
      const before = this.lastMs.get(uuid);
      if (before === undefined && this.lastMs.size >= MAX_GPUS) continue;
      if (before !== undefined && timeMs > before) this.steps.push(timeMs - before);
      if (before === undefined || timeMs > before) this.lastMs.set(uuid, timeMs);
      if (this.steps.length >= STEPS) return this.judge();
    }
    return null;
  }

  private judge(): string | null {
    this.done = true;
    this.lastMs.clear();
    const median = this.steps.sort((a, b) => a - b)[STEPS / 2];
    this.steps.length = 0;
    if (median <= this.gapMs / 2) return null;
    return (
      `its samples of a GPU are ${median / 1000} s apart, more than half of windows.gapMs (${this.gapMs / 1000} s): ` +
      'set windows.gapMs to at least 2.5 scrape intervals, or every missed scrape is a gap'
    );
  }
}
