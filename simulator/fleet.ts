import { DAY_MS } from '../schema/clock.js';
import type { AssetRecord, LabelRecord } from '../schema/records.js';
import type { GpuState } from './gpu-state.js';
import { assetOf } from './inventory.js';
import { Population } from './population.js';
import { Telemetry, type Scrape } from './telemetry.js';
import type { World } from './world.js';
import { REFERENCE } from './worlds.js';

/** How far past the telemetry failures are told: the longest horizon of a prediction. */
export const LABEL_DAYS = 90;

export interface FleetOptions {
  /** The reference if left out. */
  readonly world?: World;
  readonly gpus: number;
  /** Hosts to spread them over; 8 GPUs each if left out. */
  readonly hosts?: number;
  readonly seed: number;
  /** First scrape, epoch ms. */
  readonly startMs: number;
  /** Days of telemetry; failures are told for 90 more. */
  readonly days: number;
  readonly cadenceMs: number;
  /** Multiplies failure rates; signals of defects stay as they are. */
  readonly hazardScale?: number;
}

/** A simulated fleet, all of it: the same seed gives the same fleet, scrape for scrape. */
export class Fleet {
  /** Boards that are there at some time of the telemetry, slot by slot. A board that fails is replaced by another. */
  readonly gpus: readonly GpuState[];
  private readonly telemetry: Telemetry;

  constructor(readonly options: FleetOptions) {
    const { seed, startMs, days, cadenceMs, world = REFERENCE } = options;
    const { boards } = new Population({ ...options, world, days: days + LABEL_DAYS });
    const seen = boards.filter(({ life }) => life.options.deployedDay < days);
    this.telemetry = new Telemetry({ world, seed, boards: seen, startMs, cadenceMs });
    this.gpus = this.telemetry.gpus;
  }

  /** End of the telemetry, epoch ms. */
  get endMs(): number {
    return this.options.startMs + this.options.days * DAY_MS;
  }

  assets(): AssetRecord[] {
    return this.gpus.map(({ facts }) => assetOf(this.options.seed, facts, this.options.startMs));
  }

  /** True failures, those within the telemetry and in the 90 days after it, by time. */
  labels(): LabelRecord[] {
    return this.gpus
      .filter(({ life }) => life.failureType !== null)
      .map(({ facts, life }) => ({ gpu_uuid: facts.uuid, failed_at: life.failedAtMs, type: life.failureType! }))
      .sort((a, b) => a.failed_at - b.failed_at || (a.gpu_uuid < b.gpu_uuid ? -1 : 1));
  }

  /** All scrapes of the telemetry, in event-time order. */
  scrapes(): Generator<Scrape> {
    return this.telemetry.scrapes(this.options.days);
  }

  /** Scrapes from one time up to another; times must go on from where the last call ended. */
  scrapesBetween(fromMs: number, toMs: number, cadenceMs: number): Generator<Scrape> {
    return this.telemetry.scrapesBetween(fromMs, toMs, cadenceMs);
  }
}
