const STEPS = 1_000;
const MAX_GPUS = 2_000;

/**
 * Looks at the steps between a source's samples of the same GPU, until it has seen a thousand: if their median is
 * more than half of `windows.gapMs`, a single missed scrape already counts as a gap.
 */
export class CadenceMonitor {
  private readonly lastMs = new Map<string, number>();
  private readonly steps: number[] = [];
  private judged = false;

  constructor(private readonly gapMs: number) {}

  /** Whether it has seen enough, and need not be told more. */
  get done(): boolean {
    return this.judged;
  }

  /** @returns what is wrong, once; null as long as nothing is known to be */
  observe(gpuUuid: string, eventTimeMs: number): string | null {
    if (this.judged) return null;
    const before = this.lastMs.get(gpuUuid);
    if (before === undefined && this.lastMs.size >= MAX_GPUS) return null;
    if (before !== undefined && eventTimeMs > before) this.steps.push(eventTimeMs - before);
    if (before === undefined || eventTimeMs > before) this.lastMs.set(gpuUuid, eventTimeMs);
    return this.steps.length >= STEPS ? this.judge() : null;
  }

  private judge(): string | null {
    this.judged = true;
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
