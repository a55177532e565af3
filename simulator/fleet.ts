import { DAY_MS } from '../schema/clock.js';
import type { AssetRecord, LabelRecord } from '../schema/records.js';
import { GpuState } from './gpu-state.js';
import { HostState } from './host-state.js';
import { assetOf, makeGpu, makeHost, type HostFacts } from './inventory.js';
import { Life } from './life.js';

/** How far past the telemetry failures are told: the longest horizon of a prediction. */
export const LABEL_DAYS = 90;
const GPUS_PER_HOST = 8;

export interface FleetOptions {
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

/** One scrape of one host: the GPUs that answered. Valid until the next. */
export interface Scrape {
  readonly timeMs: number;
  readonly host: HostFacts;
  readonly gpus: readonly GpuState[];
}

interface Host {
  readonly facts: HostFacts;
  readonly state: HostState;
  readonly gpus: readonly GpuState[];
  lastMs: number;
}

/** A simulated fleet: the same seed gives the same fleet, scrape for scrape. */
export class Fleet {
  private readonly hosts: readonly Host[];
  readonly gpus: readonly GpuState[];

  constructor(readonly options: FleetOptions) {
    const { seed, startMs, days, cadenceMs, gpus: count } = options;
    const perHost = options.hosts === undefined ? GPUS_PER_HOST : Math.ceil(count / options.hosts);
    const all: GpuState[] = [];
    const hosts: Host[] = [];
    for (let first = 0; first < count; first += perHost) {
      const facts = makeHost(seed, hosts.length);
      const gpus: GpuState[] = [];
      for (let index = first; index < Math.min(count, first + perHost); index++) {
        const gpu = makeGpu(seed, index, facts, index - first, startMs);
        const life = new Life({
          seed,
          index,
          startMs,
          days: days + LABEL_DAYS,
          hazardScale: options.hazardScale ?? 1,
          frailty: gpu.frailty,
        });
        gpus.push(new GpuState(seed, gpu, life));
      }
      all.push(...gpus);
      hosts.push({ facts, state: new HostState(seed, facts, startMs), gpus, lastMs: startMs - cadenceMs });
    }
    this.gpus = all;
    this.hosts = hosts.sort((a, b) => a.facts.phase - b.facts.phase);
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
  *scrapes(): Generator<Scrape> {
    yield* this.scrapesBetween(this.options.startMs, this.endMs, this.options.cadenceMs);
  }

  /**
   * Scrapes from one time up to another, in event-time order; each host once a cadence, at its own phase. Times must
   * go on from where the last call ended.
   */
  *scrapesBetween(fromMs: number, toMs: number, cadenceMs: number): Generator<Scrape> {
    for (let tick = fromMs; tick < toMs; tick += cadenceMs)
      for (const host of this.hosts) {
        const timeMs = Math.floor(tick + host.facts.phase * cadenceMs);
        if (timeMs >= toMs) break;
        const gpus = scrape(host, timeMs);
        if (gpus.length > 0) yield { timeMs, host: host.facts, gpus };
      }
  }
}

function scrape(host: Host, timeMs: number): GpuState[] {
  const stepMs = timeMs - host.lastMs;
  host.lastMs = timeMs;
  const answers = host.state.advance(timeMs, stepMs);
  const alive: GpuState[] = [];
  for (const gpu of host.gpus) {
    if (!gpu.alive(timeMs)) continue;
    gpu.advance(timeMs, stepMs, host.state);
    if (answers) alive.push(gpu);
  }
  return alive;
}
