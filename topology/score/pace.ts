import type { Config } from '../../schema/config.js';
import { ModelBudget } from './model-budget.js';
import { ThreadLoad } from './thread-load.js';

/** A batch that waited longer than this in gpu.samples was not scored at once: the role is behind. */
const BEHIND_MS = 1_000;
/**
 * Of `score.everyMs`: so long by the wall clock a GPU needs no new answer where time is short. In a fleet that is kept
 * up with a GPU is due half as often at most; who catches up meets its due points many times as fast.
 */
const REST_SHARE = 0.5;

/** What a unit of work is to save on, where time is short. */
export interface UnitPace {
  /** By the wall clock, a GPU that had its turn less than so long ago waits; 0: none does. */
  readonly restMs: number;
  /**
   * Whether what is due waits for its turn: asked for each batch, for the newest one says whether the role is behind.
   * @param rows that the unit has for the model already
   */
  readonly defers: (rows: number) => boolean;
  /**
   * Of those who wait, all have their turn if it is Infinity, otherwise as many as such a time has room for.
   * @param rows as above
   */
  readonly elapsedMs: (rows: number) => number;
}

/** Whether this process keeps up with gpu.samples, and what it saves on where it does not (`score.adaptive`). */
export class Pace {
  private behind = false;
  private lastUnitMs = Infinity;

  constructor(
    private readonly config: Pick<Config['score'], 'adaptive' | 'everyMs'>,
    private readonly load = new ThreadLoad(),
    private readonly budget = new ModelBudget(),
  ) {}

  /** The newest batch read had waited in gpu.samples for longer than it should. */
  get isBehind(): boolean {
    return this.behind;
  }

  /** @param nowMs wall clock, epoch ms */
  begin(nowMs: number): UnitPace {
    const { adaptive, everyMs } = this.config;
    // Both are asked each time: they reckon from one look to the next.
    const [isHigh, isSpent] = [this.load.isHigh(), this.budget.isSpent()];
    const isLoaded = adaptive && isHigh && isSpent;
    const restMs = adaptive && isHigh ? everyMs * REST_SHARE : 0;
    const sinceMs = nowMs - this.lastUnitMs;
    this.lastUnitMs = nowMs;
    // Who begins on a topic that is full finds many due points of every GPU in the very first unit, before anything else
    // can tell that time is short.
    const mostRows = adaptive ? this.budget.burstRows : Infinity;
    return {
      restMs,
      defers: (rows) => isLoaded || rows >= mostRows || (adaptive && this.behind),
      elapsedMs: (rows) => (isLoaded || restMs > 0 || rows >= mostRows || this.behind ? sinceMs : Infinity),
    };
  }

  /** A batch was read that had been in gpu.samples for so long. */
  read(ageMs: number): void {
    this.behind = ageMs > BEHIND_MS;
  }

  /** A poll has found nothing; so many records are there to be read. */
  foundNothing(lag: number): void {
    if (this.behind) this.behind = lag > 0;
  }

  /** The model was asked about so many rows, and what it said was written up. */
  spent(ms: number, rows: number): void {
    this.budget.spend(ms, rows);
  }
}
