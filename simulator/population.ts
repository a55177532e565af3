import { DAY_MS } from '../schema/clock.js';
import { makeGpu, makeHost, type GpuFacts, type HostFacts } from './inventory.js';
import { Life } from './life.js';
import { Random } from './random.js';
import type { World } from './world.js';

const GPUS_PER_HOST = 8;

/** A board of the fleet and what becomes of it. */
export interface Board {
  readonly facts: GpuFacts;
  readonly life: Life;
}

export interface PopulationOptions {
  readonly world: World;
  readonly seed: number;
  /** Slots, each with a board when the simulation begins. */
  readonly gpus: number;
  /** Hosts to spread them over; 8 GPUs each if left out. */
  readonly hosts?: number;
  readonly startMs: number;
  /** Days for which lives are told. */
  readonly days: number;
  readonly hazardScale?: number;
}

/**
 * Every board that stands in the fleet's slots from the beginning on, and those that replace them: lives only, no
 * telemetry. Boards come slot by slot, and in a slot one after the other.
 */
export class Population {
  readonly hosts: readonly HostFacts[];
  readonly boards: readonly Board[];

  constructor(readonly options: PopulationOptions) {
    const { world, seed, gpus, hosts } = options;
    const perHost = hosts === undefined ? GPUS_PER_HOST : Math.ceil(gpus / hosts);
    const boards: Board[] = [];
    const all: HostFacts[] = [];
    for (let first = 0; first < gpus; first += perHost) {
      const host = makeHost(world, seed, all.length);
      all.push(host);
      for (let slot = first; slot < Math.min(gpus, first + perHost); slot++)
        this.fill(slot, host, slot - first, perHost, boards);
    }
    this.hosts = all;
    this.boards = boards;
  }

  /** The boards of a slot: each stays until it fails or is retired, then another takes its place. */
  private fill(slot: number, host: HostFacts, position: number, positions: number, boards: Board[]): void {
    const { world, seed, startMs, days, hazardScale } = this.options;
    let deploymentMs: number | null = null;
    for (let generation = 0; ; generation++) {
      const facts = makeGpu(world, seed, { slot, generation, host, position, positions, deploymentMs }, startMs);
      const life: Life = new Life({
        world,
        seed,
        stream: facts.stream,
        startMs,
        deployedDay: (facts.deploymentMs - startMs) / DAY_MS,
        untilDay: days,
        frailty: facts.frailty,
        hazardScale: hazardScale ?? 1,
      });
      if (life.endDay >= 0) boards.push({ facts, life });
      const repair = new Random(seed, `repair/${facts.stream}`).exponential(world.failures.replacementDays);
      // What has failed before the beginning has been replaced before it, so that every slot is filled then.
      const next: number = life.endDay < 0 ? Math.min(life.endDay + repair, -1) : life.endDay + repair;
      if (next >= days) return;
      deploymentMs = Math.floor(startMs + next * DAY_MS);
    }
  }
}
