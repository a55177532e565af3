import { DAY_MS, HOUR_MS, MINUTE_MS } from '../schema/clock.js';
import type { HostFacts } from './inventory.js';
import { Random } from './random.js';

/** What a host's GPUs share: jobs, reboots, an exporter that sometimes is not there, and the air. */

/** Jobs: about 45 % of samples of production fleets are idle, most of the others near full use. */
const JOB_HOURS = 9;
const IDLE_HOURS = 4.5;
/** Share of jobs that take every GPU of the host. */
const WHOLE_HOST = 0.7;
const REBOOT_EVERY_DAYS = 25;
const EXPORTER_OUTAGE_EVERY_DAYS = 8;
/** Inlet air: hall mean, daily swing, yearly swing, °C. */
const INLET_CELSIUS = 23;
const DAILY_SWING = 1.2;
const YEARLY_SWING = 2.5;
const YEAR_MS = 365.25 * DAY_MS;

export interface Job {
  readonly id: number;
  /** Use of the SMs while it computes, 0–1. */
  readonly load: number;
  /** Share of the framebuffer it takes. */
  readonly memory: number;
  /** Positions it runs on, as bits. */
  readonly positions: number;
  /** Applications of this user crash now and then: onsets of an application XID an hour. */
  readonly faultsPerHour: number;
}

export class HostState {
  job: Job | null = null;
  /** Driver loads so far: volatile counters begin anew with each. */
  driverLoads = 0;
  inletCelsius = INLET_CELSIUS;
  private readonly random: Random;
  private changesAtMs: number;
  private rebootAtMs: number;
  private outageAtMs: number;
  private downUntilMs = -Infinity;
  private jobs = 0;
  private drift = 0;

  constructor(
    seed: number,
    private readonly facts: HostFacts,
    startMs: number,
  ) {
    this.random = new Random(seed, `jobs/${facts.index}`);
    this.changesAtMs = startMs + this.random.exponential(IDLE_HOURS * HOUR_MS);
    this.rebootAtMs = startMs + this.random.exponential(REBOOT_EVERY_DAYS * DAY_MS);
    this.outageAtMs = startMs + this.random.exponential(EXPORTER_OUTAGE_EVERY_DAYS * DAY_MS);
    if (this.random.chance(JOB_HOURS / (JOB_HOURS + IDLE_HOURS))) this.startJob(startMs);
  }

  /** Moves on to a time; @returns whether a scrape gets an answer then */
  advance(nowMs: number, stepMs: number): boolean {
    const { random } = this;
    while (nowMs >= this.changesAtMs) {
      if (this.job === null) this.startJob(this.changesAtMs);
      else {
        this.job = null;
        this.changesAtMs += random.exponential(IDLE_HOURS * HOUR_MS);
      }
    }
    if (nowMs >= this.rebootAtMs) {
      this.driverLoads++;
      this.job = null;
      this.downUntilMs = this.rebootAtMs + random.between(4, 15) * MINUTE_MS;
      this.changesAtMs = this.downUntilMs + random.exponential(HOUR_MS);
      this.rebootAtMs = nowMs + random.exponential(REBOOT_EVERY_DAYS * DAY_MS);
    }
    if (nowMs >= this.outageAtMs) {
      this.downUntilMs = Math.max(this.downUntilMs, nowMs + random.between(5, 60) * MINUTE_MS);
      this.outageAtMs = nowMs + random.exponential(EXPORTER_OUTAGE_EVERY_DAYS * DAY_MS);
    }
    // A slow wander of the room around its daily and yearly course, independent of the step.
    const keep = Math.exp(-stepMs / (6 * HOUR_MS));
    this.drift = keep * this.drift + Math.sqrt(1 - keep * keep) * 0.6 * random.normal();
    this.inletCelsius =
      INLET_CELSIUS +
      this.facts.inletOffsetCelsius +
      DAILY_SWING * Math.sin((2 * Math.PI * (nowMs % DAY_MS)) / DAY_MS - 2) +
      YEARLY_SWING * Math.sin((2 * Math.PI * nowMs) / YEAR_MS - 1.9) +
      this.drift;
    return nowMs >= this.downUntilMs;
  }

  private startJob(atMs: number): void {
    const { random } = this;
    this.job = {
      id: this.jobs++,
      load: random.chance(0.75) ? random.between(0.75, 1) : random.between(0.15, 0.75),
      memory: random.chance(0.7) ? random.between(0.6, 0.95) : random.between(0.05, 0.6),
      positions: random.chance(WHOLE_HOST) ? 0xffff : Math.floor(random.between(1, 0xffff)),
      faultsPerHour: random.chance(0.08) ? 0.25 : 0.001,
    };
    this.changesAtMs = atMs + random.exponential(JOB_HOURS * HOUR_MS);
  }
}
