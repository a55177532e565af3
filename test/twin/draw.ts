import fc from 'fast-check';
import type { TwinFacts, TwinSample } from './twin.js';
import { random } from './random.js';

/**
 * Draws the telemetry of one GPU as it might arrive: stretches of one cadence, silences between them, metrics missing
 * now and then, samples split in parts, repeated or late. Values come from a small generator of their own, seeded by
 * the draw, so that a case shrinks by stretches and not by single figures.
 */
export interface Telemetry {
  readonly samples: TwinSample[];
  readonly facts: TwinFacts;
  readonly gapMs: number;
  readonly askAfterMs: number[];
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 0, 5);

export interface Stretch {
  cadenceMs: number;
  count: number;
  silenceMs: number;
  jitter: boolean;
  seed: number;
  style: Style;
}

/** How a stretch behaves. */
export interface Style {
  wholeDegrees: boolean;
  split: boolean;
  missing: number;
  repeats: number;
  late: number;
  fb: 'derived' | 'given' | 'direct' | 'none';
  volatile: boolean;
  links: boolean;
}

const style: fc.Arbitrary<Style> = fc.record({
  wholeDegrees: fc.boolean(),
  split: fc.boolean(),
  missing: fc.constantFrom(0, 0.1, 0.6),
  repeats: fc.constantFrom(0, 0.1),
  late: fc.constantFrom(0, 0.15),
  fb: fc.constantFrom('derived', 'given', 'direct', 'none'),
  volatile: fc.boolean(),
  links: fc.boolean(),
});

const stretch: fc.Arbitrary<Stretch> = fc.record({
  cadenceMs: fc.constantFrom(10 * SECOND, 30 * SECOND, 2 * MINUTE, 299_999, 5 * MINUTE, 17 * MINUTE, HOUR, 2 * HOUR),
  count: fc.integer({ min: 1, max: 45 }),
  silenceMs: fc.constantFrom(
    0,
    0,
    1,
    5 * MINUTE,
    5 * MINUTE + 1,
    HOUR,
    30 * HOUR,
    100 * HOUR,
    168 * HOUR,
    400 * HOUR,
    9500 * HOUR,
    9700 * HOUR,
  ),
  jitter: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e9 }),
  style,
});

/** Enough hours for spikes to be judged. */
const history: fc.Arbitrary<Stretch> = fc.record({
  cadenceMs: fc.constantFrom(20 * MINUTE, 30 * MINUTE, HOUR),
  count: fc.integer({ min: 24, max: 60 }),
  silenceMs: fc.constant(0),
  jitter: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e9 }),
  style: style.map((one) => ({ ...one, missing: Math.min(one.missing, 0.1) })),
});

const date = fc.option(
  fc.integer({ min: -400, max: 12 }).map((day) => START + day * 24 * HOUR),
  { nil: undefined },
);
const facts: fc.Arbitrary<TwinFacts> = fc.record({
  model: fc.constantFrom(
    undefined,
    'NVIDIA A100-SXM4-80GB',
    'NVIDIA H100 80GB HBM3',
    'NVIDIA RTX A1000',
    'GH200 480GB',
  ),
  deploymentMs: date,
  purchaseMs: date,
  warrantyEndMs: date,
  recordedHours: fc.constantFrom(undefined, 0, 1234.5),
  recordedAtMs: date,
});

/** What a case is made of: short enough to be read when it fails. */
export interface Recipe extends Omit<Telemetry, 'samples'> {
  readonly offsetMs: number;
  readonly stretches: Stretch[];
}

export const recipe: fc.Arbitrary<Recipe> = fc.record({
  offsetMs: fc.constantFrom(0, 1, HOUR - 1, 59 * MINUTE),
  stretches: fc.oneof(
    fc.array(stretch, { minLength: 1, maxLength: 5 }),
    fc.tuple(history, fc.array(stretch, { minLength: 1, maxLength: 4 })).map(([first, rest]) => [first, ...rest]),
  ),
  facts,
  gapMs: fc.constantFrom(5 * MINUTE, 5 * MINUTE, 25 * SECOND, 3 * HOUR),
  askAfterMs: fc.array(fc.constantFrom(0, 1, HOUR, 25 * HOUR, 167 * HOUR, 169 * HOUR), { minLength: 1, maxLength: 2 }),
});

export function telemetryOf({ offsetMs, stretches, ...rest }: Recipe): Telemetry {
  return { samples: arrivals(START + offsetMs, stretches), ...rest };
}

function arrivals(startMs: number, stretches: Stretch[]): TwinSample[] {
  const samples: TwinSample[] = [];
  const device = new Device();
  let ms = startMs;
  for (const [index, part] of stretches.entries()) {
    const next = random(part.seed);
    // Whether a framebuffer total is given, and whether VOL counters are there, is the device's way, not the moment's.
    const way = { ...part.style, fb: stretches[0].style.fb, volatile: index > 0 && stretches[1].style.volatile };
    for (let step = 0; step < part.count; step++) {
      const all = device.read(next, way);
      const kept = Object.fromEntries(Object.entries(all).filter(([name]) => !mayMiss(name) || next() >= way.missing));
      if (Object.keys(kept).length > 0)
        samples.push(...(way.split ? splitUp(ms, kept, next) : [{ ms, readings: kept }]));
      if (next() < way.repeats) samples.push({ ms, readings: all });
      if (next() < way.late) samples.push({ ms: ms - Math.floor(next() * 3 * part.cadenceMs), readings: alone(all) });
      ms += part.cadenceMs + (part.jitter ? Math.floor(next() * 2000) : 0);
    }
    ms += part.silenceMs;
  }
  return samples;
}

/** Series that stand alone: what the engine remembers across series is defined for series that arrive in order. */
const alone = (readings: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(readings).filter(([name]) => !/^(fb|ecc|nvlink)_/.test(name)));

const mayMiss = (name: string): boolean => !name.startsWith('fb_');

/** Several samples of one time, in any order. */
function splitUp(ms: number, readings: Record<string, number>, next: () => number): TwinSample[] {
  const parts: Record<string, number>[] = [{}, {}, {}];
  for (const [name, value] of Object.entries(readings)) parts[Math.floor(next() * 3)][name] = value;
  return parts.filter((part) => Object.keys(part).length > 0).map((part) => ({ ms, readings: part }));
}

/** A device whose counters grow, restart and drop out. */
class Device {
  private readonly counters = new Map<string, number>();
  private xid = 0;

  read(next: () => number, way: Style): Record<string, number> {
    const level = (base: number, width: number): number => base + width * next();
    const power = next() < 0.05 ? level(500, 100) : level(250, 60);
    const temp = 30 + power / 10 + (next() < 0.05 ? level(5, 10) : level(0, 2));
    const readings: Record<string, number> = {
      gpu_temp: way.wholeDegrees ? Math.round(temp) : temp,
      memory_temp: Math.round(temp + 8),
      power_usage: way.wholeDegrees ? Math.round(power) : power,
      sm_active: next() < 0.2 ? 0 : level(0, 100),
      sm_occupancy: level(0, 0.01),
      tensor_active: level(0, 100),
      gpu_util: Math.round(level(0, 100)),
      throttle_reasons: [0, 0, 0, 1, 0x04, 0x20, 0x40, 0x60, 0x80, 0x88, 0xe8, 0x24][Math.floor(next() * 12)],
      ecc_sbe_agg: this.count('sbe_agg', next, 5),
      ecc_dbe_agg: this.count('dbe_agg', next, 1),
      remap_correctable: this.count('remap_c', next, 300),
      remap_uncorrectable: this.count('remap_u', next, 1),
      remap_failure: next() < 0.02 ? 1 : 0,
      pcie_replay: this.count('pcie', next, 70_000),
      sm_clock: Math.round(level(1200, 700)),
      energy: this.count('energy', next, 3000),
    };
    if (way.volatile) {
      readings.ecc_sbe_vol = this.count('sbe_vol', next, 100_000);
      readings.ecc_dbe_vol = this.count('dbe_vol', next, 1);
    }
    if (way.links) {
      readings.nvlink_crc_flit_l0 = this.count('l0', next, 3);
      readings.nvlink_crc_flit_l17 = this.count('l17', next, 3);
    }
    readings.nvlink_crc_flit_total = this.count('flit', next, 6);
    readings.nvlink_replay_total = this.count('replay', next, 6);
    if (next() < 0.1) this.xid = [0, 13, 31, 45, 48, 63, 79, 79, 94][Math.floor(next() * 9)];
    if (this.xid > 0 || next() < 0.5) readings.xid = this.xid;
    const used = Math.round(level(100, 40_000));
    if (way.fb === 'direct') readings.memory_util = used / 800;
    if (way.fb === 'derived' || way.fb === 'given') readings.fb_used = used;
    if (way.fb === 'derived') Object.assign(readings, { fb_free: 80_000 - used, fb_reserved: 600 });
    if (way.fb === 'given') readings.fb_total = 81_920;
    return readings;
  }

  private count(name: string, next: () => number, width: number): number {
    const chance = next();
    let value = this.counters.get(name) ?? Math.floor(next() * 3) * width;
    if (chance < 0.05) return 0;
    if (chance < 0.1) value = Math.floor(value * next());
    else if (chance < 0.3) value += Math.floor(next() * width) + 1;
    this.counters.set(name, value);
    return value;
  }
}
