import type { Crew } from './crew.js';

/** Often enough to see a queue fill up: it takes seconds. */
const LOOK_EVERY_MS = 500;

/** Most memory that a process of each sort was seen with, MB: before the disturbance, and from its beginning on. */
export type MemoryPeaks = ReadonlyMap<string, { readonly beforeMb: number; readonly sinceMb: number }>;

/** Watches the resident memory of an engine's processes from outside. */
export class MemoryWatch {
  private readonly before = new Map<string, number>();
  private readonly since = new Map<string, number>();
  private isDisturbed = false;
  private readonly timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();

  constructor(private readonly crew: Crew) {}

  disturbed(): void {
    this.look();
    this.isDisturbed = true;
  }

  end(): MemoryPeaks {
    clearInterval(this.timer);
    return new Map(
      [...this.since].map(([sort, sinceMb]) => [sort, { beforeMb: this.before.get(sort) ?? NaN, sinceMb }]),
    );
  }

  private look(): void {
    const peaks = this.isDisturbed ? this.since : this.before;
    for (const { sort, rssMb } of this.crew.memory())
      peaks.set(sort, Math.max(peaks.get(sort) ?? 0, Math.round(rssMb)));
  }
}
