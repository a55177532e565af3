import { describe, expect, it } from 'vitest';
import { DAY_MS, MINUTE_MS } from '../schema/clock.js';
import { parseAssets } from '../operators/assets.js';
import { prometheusText } from './formats/prometheus-text.js';
import { REFERENCE } from './worlds.js';
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

/** @param indexes the GPUs whose lines are given; all of them unless told */
function telemetryOf(fleet: Fleet, indexes?: readonly number[]): string[] {
  const wanted = indexes && new Set(indexes.map((index) => fleet.gpus[index]));
  const lines: string[] = [];
  for (const scrape of fleet.scrapes()) {
    // Lines of the others are not written: that takes longer than to simulate them.
    const gpus = wanted ? scrape.gpus.filter((gpu) => wanted.has(gpu)) : scrape.gpus;
    for (const message of messagesOf({ ...scrape, gpus }, 'wide-json')) lines.push(lineOf(message, 'wide-json'));
  }
  return lines;
}

describe('a simulated fleet', () => {
  it('is the same for the same seed, and another for another', () => {
    const cadenceMs = 15 * MINUTE_MS;
    const [first, again, other] = [7, 7, 8].map((seed) => telemetryOf(new Fleet(options({ seed, cadenceMs }))));
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Fleet(options()).assets()).toEqual(new Fleet(options()).assets());
  });

  it('tells a GPU the same whatever the size of the fleet', () => {
    const [small, large] = [options(), options({ gpus: 64 })].map((each) => new Fleet(each));
    const told = telemetryOf(small, [0, 9, 15]);
    expect(told.length).toBeGreaterThan(3 * 500);
    expect(told).toEqual(telemetryOf(large, [0, 9, 15]));
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

describe('its asset register', () => {
  const fleet = new Fleet(options({ gpus: 800 }));
  const assets = fleet.assets();
  const placed = assets.filter(({ batch }) => batch !== undefined);

  it('names delivery and place of most boards, each place once', () => {
    expect(placed.length).toBeGreaterThan(0.85 * assets.length);
    expect(placed.length).toBeLessThan(assets.length);
    const inService = placed.filter((_, index) => fleet.gpus[index].facts.generation === 0);
    const places = inService.map(({ rack, cage, slot }) => `${rack} ${cage} ${slot}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it('is one that the engine reads', () => {
    const text = assets.map((asset) => JSON.stringify(asset)).join('\n');
    expect(parseAssets(text, 'assets.jsonl').size).toBe(assets.length);
  });

  it('names the deliveries by which GPUs fail alike', () => {
    const byUuid = new Map(fleet.gpus.map(({ facts }) => [facts.uuid, facts]));
    const lots = new Map<string, Set<number>>();
    for (const { gpu_uuid, batch } of placed) {
      const { host, generation } = byUuid.get(gpu_uuid)!;
      if (generation > 0) continue;
      lots.set(batch!, (lots.get(batch!) ?? new Set()).add(host.batch));
    }
    expect(lots.size).toBeGreaterThan(20);
    for (const batches of lots.values()) expect(batches.size).toBe(1);
  });
});

describe('exporters', () => {
  // Changes as often as reboots: within a few days some host sees one.
  const world = { ...REFERENCE, exporters: { ...REFERENCE.exporters, changesEveryDays: 4 } };

  it('are replaced, and send other fields under other names then', () => {
    const fleet = new Fleet(options({ world, gpus: 160, days: 6, cadenceMs: 120 * MINUTE_MS }));
    const names = new Map<string, Set<string>>();
    const drivers = new Map<string, Set<string>>();
    for (const scrape of fleet.scrapes()) {
      const text = prometheusText(scrape);
      const host = scrape.host.name;
      const fields = [...new Set([...text.matchAll(/^(DCGM_FI_\w+)\{/gm)].map(([, name]) => name))].sort().join();
      names.set(host, (names.get(host) ?? new Set()).add(fields));
      const [, driver] = /DRIVER_VERSION="([^"]+)"/.exec(text)!;
      drivers.set(host, (drivers.get(host) ?? new Set()).add(driver));
    }
    const shapes = [...names.values()];
    expect(shapes.filter((seen) => seen.size > 1).length).toBeGreaterThan(5);
    const renamed = shapes.filter((seen) => [...seen].some((one) => one.includes('GPU_TEMP_CELSIUS')));
    const both = renamed.filter((seen) => [...seen].some((one) => one.includes('DCGM_FI_DEV_GPU_TEMP,')));
    expect(both.length).toBeGreaterThan(0);
    expect([...drivers.values()].filter((seen) => seen.size > 1).length).toBeGreaterThan(0);
  });
});

describe('failures', () => {
  // Telemetry is not drawn: a life is known from its seed alone.
  const fleet = new Fleet(options({ gpus: 4_000, days: 90 }));
  const labels = fleet.labels();
  const failed = fleet.gpus.filter(({ life }) => life.failureType !== null);

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
    const risky = new Fleet(options({ gpus: 64, days: 3, hazardScale: 1500 }));
    const last = new Map<string, number>();
    for (const { timeMs, gpus } of risky.scrapes()) for (const gpu of gpus) last.set(gpu.facts.uuid, timeMs);
    const within = risky.labels().filter(({ failed_at }) => failed_at < risky.endMs);
    expect(within.length).toBeGreaterThan(10);
    for (const { gpu_uuid, failed_at } of within) expect(last.get(gpu_uuid) ?? 0).toBeLessThan(failed_at);
  });

  it('multiply with the hazard scale while the signals stay', () => {
    const [calm, risky] = [1, 20].map((hazardScale) => new Fleet(options({ gpus: 200, days: 1, hazardScale })));
    expect(risky.labels().length).toBeGreaterThan(5 * Math.max(1, calm.labels().length));
    const survivor = risky.gpus.find(({ life }) => life.failureType === null)!.facts.uuid;
    const place = (fleet: Fleet): number => fleet.gpus.findIndex(({ facts }) => facts.uuid === survivor);
    expect(telemetryOf(risky, [place(risky)])).toEqual(telemetryOf(calm, [place(calm)]));
  });

  it('are made good by another board in the slot', () => {
    const risky = new Fleet(options({ gpus: 64, days: 30, hazardScale: 100, cadenceMs: 60 * MINUTE_MS }));
    const [failed] = risky.gpus.filter(({ life }) => life.endDay < 10);
    const next = risky.gpus.find(
      ({ facts }) => facts.index === failed.facts.index && facts.generation === failed.facts.generation + 1,
    )!;
    expect(next.facts.uuid).not.toBe(failed.facts.uuid);
    expect(next.facts.deploymentMs).toBeGreaterThan(failed.life.endsAtMs);
    let heard = Infinity;
    for (const { timeMs, gpus } of risky.scrapes()) if (gpus.includes(next)) heard = Math.min(heard, timeMs);
    expect(heard).toBeGreaterThanOrEqual(next.facts.deploymentMs);
    expect(heard).toBeLessThan(next.facts.deploymentMs + DAY_MS);
    expect(risky.assets().map(({ gpu_uuid }) => gpu_uuid)).toContain(next.facts.uuid);
  });
});
