import { describe, expect, it } from 'vitest';
import { DAY_MS, MINUTE_MS } from '../schema/clock.js';
import { Fleet, LABEL_DAYS, type FleetOptions } from './fleet.js';
import { lineOf, messagesOf } from './messages.js';

const START_MS = Date.UTC(2026, 2, 1);
const options = (changes: Partial<FleetOptions> = {}): FleetOptions => ({
  gpus: 16,
  seed: 7,
  startMs: START_MS,
  days: 2,
  cadenceMs: 5 * MINUTE_MS,
  ...changes,
});

function telemetryOf(fleet: Fleet, gpuIndex?: number): string[] {
  const uuid = gpuIndex === undefined ? undefined : fleet.gpus[gpuIndex].facts.uuid;
  const lines: string[] = [];
  for (const scrape of fleet.scrapes())
    for (const message of messagesOf(scrape, 'wide-json')) {
      const line = lineOf(message, 'wide-json');
      if (uuid === undefined || line.includes(uuid)) lines.push(line);
    }
  return lines;
}

describe('a simulated fleet', () => {
  it('is the same for the same seed, and another for another', () => {
    const [first, again, other] = [options(), options(), options({ seed: 8 })].map((each) =>
      telemetryOf(new Fleet(each)),
    );
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Fleet(options()).assets()).toEqual(new Fleet(options()).assets());
  });

  it('tells a GPU the same whatever the size of the fleet', () => {
    const [small, large] = [options(), options({ gpus: 64 })].map((each) => new Fleet(each));
    for (const index of [0, 9, 15]) expect(telemetryOf(small, index)).toEqual(telemetryOf(large, index));
  });

  it('goes on where it stopped: scrapes in two parts are those in one', () => {
    const times = (fleet: Fleet, parts: number[]): string[] => {
      const seen: string[] = [];
      for (let part = 1; part < parts.length; part++)
        for (const { timeMs, gpus } of fleet.scrapesBetween(parts[part - 1], parts[part], 5 * MINUTE_MS))
          seen.push(`${timeMs} ${gpus.map((gpu) => gpu.powerWatts).join(' ')}`);
      return seen;
    };
    const end = START_MS + DAY_MS;
    expect(times(new Fleet(options()), [START_MS, START_MS + DAY_MS / 2, end])).toEqual(
      times(new Fleet(options()), [START_MS, end]),
    );
  });

  it('yields scrapes in event-time order', () => {
    let last = -Infinity;
    for (const { timeMs } of new Fleet(options({ gpus: 64 })).scrapes()) {
      expect(timeMs).toBeGreaterThanOrEqual(last);
      last = timeMs;
    }
  });
});

describe('failures', () => {
  // Telemetry is not drawn: a life is known from its seed alone.
  const fleet = new Fleet(options({ gpus: 20_000, days: 90 }));
  const labels = fleet.labels();
  const failed = fleet.gpus.filter(({ life }) => life.failureType !== null);

  it('come at 4 to 11 % of GPUs a year', () => {
    const years = fleet.gpus.reduce(
      (sum, { life }) => sum + Math.min(life.failedAtMs - START_MS, (90 + LABEL_DAYS) * DAY_MS) / (365.25 * DAY_MS),
      0,
    );
    expect(failed.length / years).toBeGreaterThan(0.04);
    expect(failed.length / years).toBeLessThan(0.11);
  });

  it('are abrupt in at least 40 % of cases', () => {
    const abrupt = failed.filter(({ life }) => life.abrupt).length / failed.length;
    console.log(`abrupt: ${(100 * abrupt).toFixed(1)} % of ${failed.length} failures`);
    expect(abrupt).toBeGreaterThan(0.4);
  });

  it('are labelled up to 90 days past the telemetry, by time and with a type', () => {
    const end = fleet.endMs;
    expect(labels).toHaveLength(failed.length);
    expect(labels.some(({ failed_at }) => failed_at > end + 80 * DAY_MS)).toBe(true);
    expect(labels.every(({ failed_at }) => failed_at >= START_MS && failed_at < end + LABEL_DAYS * DAY_MS)).toBe(true);
    expect(labels.map((label) => label.failed_at)).toEqual(
      labels.map((label) => label.failed_at).sort((a, b) => a - b),
    );
    expect(new Set(labels.map(({ type }) => type))).toEqual(
      new Set(['memory', 'thermal', 'power', 'interconnect', 'other']),
    );
  });

  it('end the telemetry of their GPU', () => {
    const risky = new Fleet(options({ gpus: 64, days: 3, hazardScale: 500 }));
    const last = new Map<string, number>();
    for (const { timeMs, gpus } of risky.scrapes()) for (const gpu of gpus) last.set(gpu.facts.uuid, timeMs);
    const within = risky.labels().filter(({ failed_at }) => failed_at < risky.endMs);
    expect(within.length).toBeGreaterThan(10);
    for (const { gpu_uuid, failed_at } of within) expect(last.get(gpu_uuid) ?? 0).toBeLessThan(failed_at);
  });

  it('multiply with the hazard scale while the signals stay', () => {
    const [calm, risky] = [1, 20].map((hazardScale) => new Fleet(options({ gpus: 200, days: 1, hazardScale })));
    expect(risky.labels().length).toBeGreaterThan(5 * Math.max(1, calm.labels().length));
    const survivor = risky.gpus.findIndex(({ life }) => life.failureType === null);
    expect(telemetryOf(risky, survivor)).toEqual(telemetryOf(calm, survivor));
  });
});

describe('telemetry', () => {
  // Seren and Kalos of AcmeTrace (NSDI'24), 15 s samples of A100 fleets: the quantiles between the two clusters, with
  // a margin outside. Other models scale power with their limit, so only A100s are compared.
  const BETWEEN: Readonly<Record<string, Readonly<Record<number, readonly [number, number]>>>> = {
    powerWatts: { 5: [45, 75], 25: [50, 90], 75: [270, 400], 95: [380, 430] },
    temperatureCelsius: { 5: [22, 32], 25: [27, 38], 50: [34, 48], 75: [46, 60], 95: [56, 72] },
    memoryTemperatureCelsius: { 5: [36, 46], 50: [45, 60], 95: [60, 74] },
    smActive: { 25: [0, 1], 50: [15, 60], 75: [60, 88], 95: [75, 99] },
    gpuUtil: { 25: [0, 1], 75: [95, 100], 95: [98, 100] },
    tensorActive: { 25: [0, 1], 75: [15, 30], 95: [24, 45] },
  };

  it('has the quantiles of production fleets', () => {
    const fleet = new Fleet(options({ gpus: 400, days: 8, cadenceMs: 30 * MINUTE_MS }));
    const values = new Map(Object.keys(BETWEEN).map((name) => [name, [] as number[]]));
    for (const { host, gpus } of fleet.scrapes()) {
      if (!host.model.name.includes('A100')) continue;
      for (const gpu of gpus)
        for (const [name, list] of values) list.push((gpu as unknown as Record<string, number>)[name]);
    }
    for (const [name, list] of values) {
      list.sort((a, b) => a - b);
      for (const [percent, [low, high]] of Object.entries(BETWEEN[name])) {
        const value = list[Math.floor((Number(percent) / 100) * list.length)];
        console.log(`${name} p${percent}: ${value.toFixed(1)} (production ${low}-${high})`);
        expect(value, `${name} p${percent}`).toBeGreaterThanOrEqual(low);
        expect(value, `${name} p${percent}`).toBeLessThanOrEqual(high);
      }
    }
  });
});
