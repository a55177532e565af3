import { NVLINK_COUNTERS, NVLINK_MAX_LINKS } from '../../schema/metrics.js';
import { random } from './random.js';
import type { TwinFacts, TwinSample } from './twin.js';

/**
 * Weeks of telemetry of one GPU as it might arrive: jobs come and go, heat lags behind power, counters grow and start
 * anew with the driver. Some readings are missing, some come in parts, twice or late.
 */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface LongPlan {
  readonly uuid: string;
  readonly seed: number;
  readonly cadenceMs: number;
  /** What changes slowly is read with every so many samples. */
  readonly slowEvery: number;
  readonly wholeDegrees: boolean;
  readonly framebuffer: 'derived' | 'given' | 'direct';
  /** From when on volatile ECC counters and single NVLink links are read, epoch ms. */
  readonly volatileFromMs: number;
  readonly linksFromMs: number;
  /** Times without samples. */
  readonly silences: readonly { readonly fromMs: number; readonly untilMs: number }[];
  readonly facts: TwinFacts;
}

const XIDS = [13, 31, 43, 45, 48, 63, 69, 74, 79, 92, 94, 119];
/** Errors and rows by counter, of an hour. */
const RATES: Readonly<Record<string, number>> = {
  ecc_sbe_vol: 3,
  ecc_sbe_agg: 3,
  ecc_dbe_vol: 0.05,
  ecc_dbe_agg: 0.05,
  remap_correctable: 0.1,
  remap_uncorrectable: 0.02,
  pcie_replay: 5,
};
/** Of NVLink, likewise. */
const LINK_RATE = 0.5;
/** Counters that a driver's start sets to 0; the others only fall when something was cleared or swapped. */
const isVolatile = (name: string): boolean => /_vol$|^pcie_|^nvlink_|^energy$/.test(name);
/** What may come late: the contract leaves open what order among others means for the rest. */
const LATE = ['gpu_temp', 'memory_temp', 'gpu_util', 'pcie_replay'];

export class LongTelemetry {
  private readonly next: () => number;
  private readonly counters = new Map<string, number>();
  private samples = 0;
  private lastMs: number;
  private readonly offsetMs: number;
  private job = { load: 0, untilMs: 0 };
  private heat = { spikeUntilMs: 0, surgeUntilMs: 0 };
  private celsius = 40;
  private xid = 0;

  constructor(
    readonly plan: LongPlan,
    private readonly startMs: number,
  ) {
    this.next = random(plan.seed);
    this.lastMs = startMs;
    this.offsetMs = Math.floor(this.next() * 900);
  }

  /** What arrives of the GPU in a second. @param secondMs its beginning, epoch ms */
  arrivals(secondMs: number): TwinSample[] {
    const { cadenceMs, silences } = this.plan;
    if ((secondMs - this.startMs) % cadenceMs !== 0) return [];
    if (silences.some(({ fromMs, untilMs }) => secondMs >= fromMs && secondMs < untilMs)) return [];
    const ms = secondMs + this.offsetMs;
    const all = this.read(ms);
    const readings: Record<string, number> = {};
    for (const name in all) if (name.startsWith('fb_') || this.next() >= 0.01) readings[name] = all[name];
    const whole = { ms, readings };
    const out = this.next() < 0.01 ? this.parts(whole) : [whole];
    if (this.next() < 0.0005) out.push(whole);
    if (this.next() < 0.002) {
      const late = Object.fromEntries(LATE.flatMap((name) => (name in all ? [[name, all[name]]] : [])));
      out.push({ ms: ms - Math.floor(this.next() * 3 * cadenceMs), readings: late });
    }
    return out;
  }

  /** Two samples of one time. */
  private parts({ ms, readings }: TwinSample): TwinSample[] {
    const parts: Record<string, number>[] = [{}, {}];
    for (const name in readings) parts[this.next() < 0.5 ? 0 : 1][name] = readings[name];
    return parts.map((part) => ({ ms, readings: part })).filter((part) => Object.keys(part.readings).length > 0);
  }

  private read(ms: number): Record<string, number> {
    const { next, plan } = this;
    const elapsedMs = ms - this.lastMs;
    this.lastMs = ms;
    const hours = elapsedMs / HOUR;
    if (next() < hours / 48) this.restart();
    if (ms >= this.job.untilMs) {
      const load = next() < 0.3 ? 0 : 0.2 + 0.8 * next();
      this.job = { load, untilMs: ms - 40 * MINUTE * Math.log(1 - next()) };
    }
    // A cooler that clogs: a few degrees a fortnight.
    const wear = (3 * (ms - this.startMs)) / (14 * DAY);
    if (next() < hours / 3) this.heat.spikeUntilMs = ms + MINUTE * (0.2 + 3 * next());
    if (next() < hours / 3) this.heat.surgeUntilMs = ms + MINUTE * (0.1 + 2 * next());
    const load = this.job.load * (0.9 + 0.1 * next());
    const power = 70 + 580 * load + 8 * next() + (ms < this.heat.surgeUntilMs ? 400 : 0);
    const target = 28 + wear + 0.06 * power + (ms < this.heat.spikeUntilMs ? 60 : 0);
    this.celsius += (target - this.celsius) * (1 - Math.exp(-elapsedMs / MINUTE));
    const temp = this.celsius + next();
    const mask = this.mask(temp, power, load);
    const readings: Record<string, number> = {
      gpu_temp: plan.wholeDegrees ? Math.round(temp) : temp,
      power_usage: Math.round(1000 * power) / 1000,
      sm_active: load === 0 ? 0 : 100 * load,
      sm_clock: 15 * Math.round((1980 - ((mask & 0x60) === 0 ? 0 : 400) - 90 * next()) / 15),
      throttle_reasons: mask,
    };
    if (this.samples++ % plan.slowEvery === 0) this.readSlow(readings, ms, load, power);
    return readings;
  }

  /** Bits of DCGM_FI_DEV_CLOCKS_EVENT_REASONS. */
  private mask(temp: number, power: number, load: number): number {
    let mask = load === 0 ? 1 : 0;
    if (power > 620) mask |= 0x04;
    if (temp > 74) mask |= 0x20;
    if (temp > 80) mask |= 0x40;
    if (this.next() < 1e-4) mask |= 0x80;
    if (this.next() < 1e-4) mask |= 0x08;
    return mask;
  }

  private readSlow(readings: Record<string, number>, ms: number, load: number, power: number): void {
    const { next, plan } = this;
    const hours = (plan.slowEvery * plan.cadenceMs) / HOUR;
    readings.memory_temp = Math.round(this.celsius + 8 + 2 * next());
    readings.sm_occupancy = 60 * load * next();
    readings.tensor_active = 80 * load * next();
    readings.dram_active = 70 * load * next();
    readings.gpu_util = load === 0 ? 0 : Math.round(100 * (1 - 0.2 * next()));
    readings.mem_clock = next() < 0.1 ? 1593 : 2619;
    for (const [name, rate] of Object.entries(RATES))
      if (!name.endsWith('_vol') || ms >= plan.volatileFromMs) readings[name] = this.count(name, rate * hours);
    readings.remap_failure = next() < 0.2 * hours ? 1 : 0;
    readings.energy = this.add('energy', Math.round((power * hours * HOUR) / SECOND));
    for (const counter of NVLINK_COUNTERS) {
      const total = `nvlink_${counter}_total`;
      readings[total] = this.count(total, LINK_RATE * hours);
      for (let link = 0; link < NVLINK_MAX_LINKS && ms >= plan.linksFromMs; link++) {
        const name = `nvlink_${counter}_l${link}`;
        readings[name] = this.count(name, LINK_RATE * hours);
      }
    }
    if (next() < hours / 4) this.xid = XIDS[Math.floor(next() * XIDS.length)];
    readings.xid = this.xid;
    const used = Math.round(80_000 * Math.min(1, load + 0.02 * next()));
    if (plan.framebuffer === 'direct') readings.memory_util = used / 800;
    else readings.fb_used = used;
    if (plan.framebuffer === 'derived')
      Object.assign(readings, { fb_free: 80_640 - used, fb_reserved: 600 + Math.floor(4 * next()) });
    if (plan.framebuffer === 'given') readings.fb_total = ms < this.startMs + DAY ? 81_920 : 81_559;
  }

  /** The driver starts anew. */
  private restart(): void {
    for (const name of this.counters.keys()) if (isVolatile(name)) this.counters.set(name, 0);
    this.xid = 0;
  }

  /** A counter's value, to which about so much is added; now and then it is not to be had, which reads as 0. */
  private count(name: string, expected: number): number {
    if (this.next() < 0.002) return 0;
    if (!isVolatile(name) && this.next() < 1e-4) this.counters.set(name, Math.floor(this.add(name, 0) / 2));
    return this.add(name, Math.floor(expected) + (this.next() < expected % 1 ? 1 + Math.floor(2 * this.next()) : 0));
  }

  private add(name: string, increment: number): number {
    const value = (this.counters.get(name) ?? 0) + increment;
    this.counters.set(name, value);
    return value;
  }
}
