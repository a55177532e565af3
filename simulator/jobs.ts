import { HOUR_MS } from '../schema/clock.js';
import type { Random } from './random.js';
import type { World } from './world.js';

/** Application XIDs an hour on each GPU of a job whose program is at fault, and of any other. */
const CARELESS_FAULTS = 0.25;
const FAULTS = 0.0007;
/** Share of jobs that fill most of the framebuffer. */
const LARGE_JOBS = 0.88;

export interface Job {
  readonly id: number;
  /** Use of the SMs while it computes, 0–1. */
  readonly load: number;
  /** Use of the tensor pipe at full load, 0–1. */
  readonly tensor: number;
  /** Share of the framebuffer it takes. */
  readonly memory: number;
  /** Positions it runs on, as bits. */
  readonly positions: number;
  /** Onsets of an application XID an hour. */
  readonly faultsPerHour: number;
}

/** What a host computes: one job at a time, with idle hours between. */
export class Jobs {
  current: Job | null = null;
  private changesAtMs: number;
  private count = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    startMs: number,
  ) {
    const { jobHours, idleHours } = world.work;
    this.changesAtMs = startMs + random.exponential(idleHours * HOUR_MS);
    if (random.chance(jobHours / (jobHours + idleHours))) this.start(startMs);
  }

  advance(nowMs: number): void {
    while (nowMs >= this.changesAtMs) {
      if (this.current === null) this.start(this.changesAtMs);
      else this.stop(this.changesAtMs, this.world.work.idleHours);
    }
  }

  /** Ends what runs; the next job starts about so many hours after a time. */
  stop(atMs: number, idleHours: number): void {
    this.current = null;
    this.changesAtMs = atMs + this.random.exponential(idleHours * HOUR_MS);
  }

  private start(atMs: number): void {
    const { random } = this;
    const { work, lookAlikes } = this.world;
    const heavy = random.chance(work.heavyJobs);
    this.current = {
      id: this.count++,
      load: heavy ? 1 - 0.3 * random.uniform() ** 2 : random.between(0.25, 0.75),
      tensor: Math.min(0.65, random.logNormal(0.23, 0.45)),
      memory: random.chance(LARGE_JOBS) ? random.between(0.6, 0.97) : random.between(0.05, 0.6),
      positions: random.chance(work.wholeHost) ? 0xffff : Math.floor(random.between(1, 0xffff)),
      faultsPerHour: random.chance(lookAlikes.carelessJobs) ? CARELESS_FAULTS : FAULTS,
    };
    this.changesAtMs = atMs + random.exponential(work.jobHours * HOUR_MS);
  }
}
