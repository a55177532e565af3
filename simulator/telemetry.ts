import { DAY_MS } from '../schema/clock.js';
import { Air } from './air.js';
import { GpuState } from './gpu-state.js';
import { HostState } from './host-state.js';
import type { HostFacts } from './inventory.js';
import type { Board } from './population.js';
import type { World } from './world.js';

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

export interface TelemetryOptions {
  readonly world: World;
  readonly seed: number;
  /** Whose telemetry is made; the others of their hosts are there, and are not looked at. */
  readonly boards: readonly Board[];
  /** First scrape, epoch ms. */
  readonly startMs: number;
  readonly cadenceMs: number;
  /** Name of the random numbers, where the same boards have telemetry of several periods. */
  readonly stream?: string;
}

/** What exporters of a fleet say of some of its boards, scrape by scrape. */
export class Telemetry {
  /** In the order of the boards. */
  readonly gpus: readonly GpuState[];
  private readonly hosts: readonly Host[];

  constructor(private readonly options: TelemetryOptions) {
    const { world, seed, boards, startMs, cadenceMs, stream } = options;
    const air = new Air(world.air, seed);
    const byHost = new Map<HostFacts, GpuState[]>();
    this.gpus = boards.map(({ facts, life }) => {
      const state = new GpuState(seed, facts, life, stream);
      const others = byHost.get(facts.host);
      if (others === undefined) byHost.set(facts.host, [state]);
      else others.push(state);
      return state;
    });
    this.hosts = [...byHost]
      .map(([facts, gpus]) => {
        const state = new HostState(world, seed, facts, air, startMs, stream);
        return { facts, state, gpus, lastMs: startMs - cadenceMs };
      })
      .sort((a, b) => a.facts.phase - b.facts.phase);
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

  /** All scrapes of so many days from the start. */
  scrapes(days: number): Generator<Scrape> {
    const { startMs, cadenceMs } = this.options;
    return this.scrapesBetween(startMs, startMs + days * DAY_MS, cadenceMs);
  }
}

function scrape(host: Host, timeMs: number): GpuState[] {
  const stepMs = timeMs - host.lastMs;
  host.lastMs = timeMs;
  const reachable = host.state.advance(timeMs, stepMs);
  const answering: GpuState[] = [];
  for (const gpu of host.gpus) {
    if (!gpu.alive(timeMs)) continue;
    gpu.advance(timeMs, stepMs, host.state);
    if (reachable && gpu.answers(timeMs)) answering.push(gpu);
  }
  return answering;
}
