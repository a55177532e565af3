import { DAY_MS, HOUR_MS, MINUTE_MS } from '../schema/clock.js';
import type { Air } from './air.js';
import { drawExporterKind, exporterOf, type Exporter } from './exporter.js';
import type { HostFacts } from './inventory.js';
import { Jobs, type Job } from './jobs.js';
import { Random } from './random.js';
import type { World } from './world.js';

/** A slow wander of the room around its course: standard deviation and memory. */
const DRIFT_CELSIUS = 0.6;
const DRIFT_MS = 6 * HOUR_MS;

/** Hours that an exporter is away for long. */
const LONG_OUTAGE_HOURS = [3, 60] as const;
/** Of new exporters: share that comes with a new driver, and that has renamed its metrics where the old one had not. */
const WITH_DRIVER = 0.5;
const WITH_NEW_NAMES = 0.4;

/**
 * What a host's GPUs share: jobs, reboots, maintenance, an exporter that sometimes is not there or is replaced, and the
 * air.
 */
export class HostState {
  /** Driver loads so far: volatile counters begin anew with each. */
  driverLoads = 0;
  /** Drivers before this one. */
  driverUpgrades = 0;
  exporter: Exporter;
  inletCelsius: number;
  private readonly random: Random;
  private readonly jobs: Jobs;
  private rebootAtMs: number;
  private maintenanceAtMs: number;
  private outageAtMs: number;
  private downUntilMs = -Infinity;
  private drift = 0;
  private readonly changes: Random;
  private changeAtMs: number;

  /** @param stream of its random numbers, different where telemetry begins anew */
  constructor(
    private readonly world: World,
    seed: number,
    private readonly facts: HostFacts,
    private readonly air: Air,
    startMs: number,
    stream = '',
  ) {
    this.random = new Random(seed, `jobs/${facts.index}${stream}`);
    this.jobs = new Jobs(world, this.random, startMs);
    const { operations } = world;
    this.rebootAtMs = startMs + this.random.exponential(operations.rebootEveryDays * DAY_MS);
    this.maintenanceAtMs = startMs + this.random.exponential(operations.maintenanceEveryDays * DAY_MS);
    this.outageAtMs = startMs + this.random.exponential(operations.exporterOutageEveryDays * DAY_MS);
    this.inletCelsius = air.celsiusAt(startMs) + facts.inletOffsetCelsius;
    this.exporter = facts.exporter;
    // A stream of its own: fleets with and without such changes are else the same.
    this.changes = new Random(seed, `exporter changes/${facts.index}${stream}`);
    this.changeAtMs = startMs + this.changes.exponential(world.exporters.changesEveryDays * DAY_MS);
  }

  get job(): Job | null {
    return this.jobs.current;
  }

  /** Moves on to a time; @returns whether a scrape gets an answer then */
  advance(nowMs: number, stepMs: number): boolean {
    const { random } = this;
    this.jobs.advance(nowMs);
    this.operate(nowMs);
    // Exact for any step, so that a coarse cadence is as right as a fine one.
    const keep = Math.exp(-stepMs / DRIFT_MS);
    this.drift = keep * this.drift + Math.sqrt(1 - keep * keep) * DRIFT_CELSIUS * random.normal();
    this.inletCelsius = this.air.celsiusAt(nowMs) + this.facts.inletOffsetCelsius + this.drift;
    const missed = random.chance(this.world.operations.missedScrapes);
    return nowMs >= this.downUntilMs && !missed;
  }

  private operate(nowMs: number): void {
    const { random } = this;
    const { operations } = this.world;
    if (nowMs >= this.rebootAtMs) {
      this.reload(this.rebootAtMs + random.between(4, 15) * MINUTE_MS, 1);
      this.rebootAtMs = nowMs + random.exponential(operations.rebootEveryDays * DAY_MS);
    }
    if (nowMs >= this.maintenanceAtMs) {
      this.reload(this.maintenanceAtMs + random.between(30, 240) * MINUTE_MS, 2);
      this.maintenanceAtMs = nowMs + random.exponential(operations.maintenanceEveryDays * DAY_MS);
    }
    if (nowMs >= this.changeAtMs) this.replaceExporter(nowMs);
    if (nowMs >= this.outageAtMs) {
      const awayMs = random.chance(operations.longOutages)
        ? random.between(...LONG_OUTAGE_HOURS) * HOUR_MS
        : random.between(5, 60) * MINUTE_MS;
      this.downUntilMs = Math.max(this.downUntilMs, nowMs + awayMs);
      this.outageAtMs = nowMs + random.exponential(operations.exporterOutageEveryDays * DAY_MS);
    }
  }

  /** Another exporter, often with fewer or more fields, other names, or a new driver. */
  private replaceExporter(nowMs: number): void {
    const { changes, facts } = this;
    const { exporters } = this.world;
    const renamed = this.exporter.renamed || changes.chance(WITH_NEW_NAMES);
    this.exporter = exporterOf(drawExporterKind(exporters.kinds, changes), facts.mig, renamed);
    const awayMs = changes.between(1, 20) * MINUTE_MS;
    if (changes.chance(WITH_DRIVER)) {
      this.driverUpgrades++;
      this.reload(nowMs + awayMs, 1);
    } else this.downUntilMs = Math.max(this.downUntilMs, nowMs + awayMs);
    this.changeAtMs = nowMs + DAY_MS + changes.exponential(exporters.changesEveryDays * DAY_MS);
  }

  /** The host goes down, its job with it, and its driver is loaded anew. */
  private reload(untilMs: number, idleHours: number): void {
    this.driverLoads++;
    this.downUntilMs = Math.max(this.downUntilMs, untilMs);
    this.jobs.stop(untilMs, idleHours);
  }
}
