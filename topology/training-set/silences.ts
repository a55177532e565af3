import { missingAfterMs, SILENT_AFTER_MS } from '../../operators/alerts/presence.js';

/** A GPU that fell silent, as the engine would have told of it. */
export interface Fallen {
  /** Of the GPU among those that are watched. */
  readonly index: number;
  /** as_of of its rows: its newest reading and a little, epoch ms. */
  readonly asOfMs: number;
  /** When the silence is noticed, epoch ms. */
  readonly noticedMs: number;
}

/**
 * Who of a training fleet falls silent, and when: the rule of operators/alerts/presence.ts on event times, for here
 * readings arrive when they are made. Each silence is told once.
 */
export class Silences {
  private readonly newestMs: Float64Array;
  private readonly told: Uint8Array;
  private readonly afterMs: number;

  constructor(count: number, cadenceMs: number) {
    this.newestMs = new Float64Array(count).fill(NaN);
    this.told = new Uint8Array(count);
    this.afterMs = missingAfterMs(cadenceMs);
  }

  /** Newest reading of a GPU, epoch ms; NaN before the first. */
  newest(index: number): number {
    return this.newestMs[index];
  }

  /** @returns the silence that this reading ends, if nobody was told of it */
  heard(index: number, timeMs: number): Fallen | null {
    const fallen = timeMs - this.newestMs[index] > this.afterMs ? this.tell(index) : null;
    this.newestMs[index] = timeMs;
    this.told[index] = 0;
    return fallen;
  }

  /** Silences that are noticed by a time. */
  *upTo(nowMs: number): Generator<Fallen> {
    for (let index = 0; index < this.told.length; index++)
      if (nowMs - this.newestMs[index] > this.afterMs) {
        const fallen = this.tell(index);
        if (fallen !== null) yield fallen;
      }
  }

  private tell(index: number): Fallen | null {
    if (this.told[index] === 1) return null;
    this.told[index] = 1;
    const newestMs = this.newestMs[index];
    return { index, asOfMs: newestMs + SILENT_AFTER_MS, noticedMs: newestMs + this.afterMs };
  }
}
