import { expect, it } from 'vitest';
import { Runs } from '../../operators/window/runs.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { RowResults } from '../../operators/window/window.js';
import { BatchBuilder } from '../../schema/batch.js';
import { F, FEATURES, FEATURE_COUNT } from '../../schema/features.js';
import { SERIES } from '../../schema/metrics.js';
import { assetOf } from './asset-of.js';
import { differences } from './compare.js';
import { LongTelemetry, type LongPlan } from './long-telemetry.js';
import { Twin, type TwinSample } from './twin.js';

/**
 * Twelve and a half days of four GPUs, more than ten million readings, among them a GPU read every second: windows turn over for
 * five days, one GPU loses its window and comes back. At several moments every feature of every GPU is what the twin
 * computes from all readings ever told.
 */
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 5, 0, 30);
const GAP_MS = 300_000;
/** Hours after the start: before spikes are judged, before the window is full, when it has just turned over, … */
const MOMENTS = [12, 100, 200, 235, 300].map((hours) => START + hours * HOUR);
/** Windows move on without readings: asked for after the last moment. */
const SILENT_MS = 25 * HOUR;
const BATCH_MS = 60 * SECOND;

const silence = (fromHour: number, hours: number): LongPlan['silences'][number] => ({
  fromMs: START + fromHour * HOUR,
  untilMs: START + (fromHour + hours) * HOUR,
});
const usual = { wholeDegrees: true, silences: [], volatileFromMs: START, linksFromMs: Infinity } as const;
const PLANS: readonly LongPlan[] = [
  {
    ...{ ...usual, uuid: 'GPU-fast', seed: 1, cadenceMs: SECOND, slowEvery: 15, framebuffer: 'derived' },
    volatileFromMs: START + 3 * DAY,
    facts: { model: 'NVIDIA H100 80GB HBM3', deploymentMs: Date.UTC(2025, 2, 1), warrantyEndMs: Date.UTC(2026, 0, 9) },
  },
  {
    ...{ ...usual, uuid: 'GPU-linked', seed: 2, cadenceMs: 10 * SECOND, slowEvery: 6, framebuffer: 'given' },
    ...{ wholeDegrees: false, volatileFromMs: Infinity, linksFromMs: START + 5 * DAY },
    facts: { model: 'NVIDIA A100-SXM4-80GB', recordedHours: 1234.5, recordedAtMs: Date.UTC(2026, 0, 8) },
  },
  {
    ...{ ...usual, uuid: 'GPU-minutely', seed: 3, cadenceMs: 60 * SECOND, slowEvery: 1, framebuffer: 'direct' },
    ...{ linksFromMs: START },
    facts: {},
  },
  {
    ...{ ...usual, uuid: 'GPU-gappy', seed: 4, cadenceMs: 30 * SECOND, slowEvery: 2, framebuffer: 'derived' },
    // The fourth takes its window away.
    silences: [
      silence(3, 0.2),
      silence(20.4, 7),
      silence(31, 0.07),
      silence(60, 180),
      silence(250, 26),
      silence(285, 2),
    ],
    facts: { model: 'GH200 480GB', purchaseMs: Date.UTC(2026, 0, 1) },
  },
];

/** How often each was said. */
class Tally {
  private readonly counts = new Map<string, number>();

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  get sorted(): [string, number][] {
    return [...this.counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

class Engine {
  readonly rejects = new Tally();
  readonly store = new WindowStore({ gapMs: GAP_MS, asset: (uuid) => this.assets.get(uuid) });
  private readonly assets = new Map(PLANS.map(({ uuid, facts }) => [uuid, assetOf(facts, uuid)]));
  private readonly ids = new Map(SERIES.map(({ name, id }) => [name, id]));
  private readonly builder = new BatchBuilder(1024);
  private readonly results = new RowResults();

  add(uuid: string, { ms, readings }: TwinSample): void {
    this.builder.begin(uuid, ms);
    for (const name in readings) this.builder.set(this.ids.get(name)!, readings[name]);
    this.builder.end();
  }

  /** Folds what was added, as the score role does. */
  fold(): void {
    const { store } = this;
    const batch = this.builder.build();
    store.freeSilent();
    const slots = Int32Array.from(batch.gpus, (uuid) => store.slotOf(uuid));
    const runs = new Runs().begin(batch);
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      store.acceptRows(batch, from, until, slots, this.refuse, () => undefined, this.results);
      from = until;
    }
  }

  features(uuid: string, t: number): Float64Array {
    const row = new Float64Array(FEATURE_COUNT);
    this.store.features(this.store.slotOf(uuid), t, row, 0);
    return row;
  }

  private readonly refuse = (reason: string, uuid: string | null, metric: string | null): void =>
    this.rejects.add(`${uuid} ${reason} ${metric}`);
}

/** What was told: that the readings are as many and as different as is claimed. */
class Told {
  readings = 0;
  readonly varied = new Set<string>();
  private readonly first = new Map<string, number>();

  note({ readings }: TwinSample): void {
    for (const name in readings) {
      this.readings++;
      const before = this.first.get(name);
      if (before === undefined) this.first.set(name, readings[name]);
      else if (before !== readings[name]) this.varied.add(name);
    }
  }
}

it('do not drift: over ten million readings they say what all of them say', () => {
  const engine = new Engine();
  const told = new Told();
  const gpus = PLANS.map((plan) => ({
    ...{ uuid: plan.uuid, telemetry: new LongTelemetry(plan, START), twin: new Twin(GAP_MS, plan.facts) },
  }));
  const spoken = new Set<string>();
  let freed = 0;
  let second = START;
  for (const moment of MOMENTS) {
    for (; second < moment; second += SECOND) {
      for (const { uuid, telemetry, twin } of gpus)
        for (const sample of telemetry.arrivals(second)) {
          engine.add(uuid, sample);
          twin.offer(sample);
          told.note(sample);
        }
      if ((second + SECOND - START) % BATCH_MS === 0) engine.fold();
    }
    for (const { uuid, twin } of gpus) {
      if (engine.store.find(uuid) < 0) freed++;
      for (const t of moment === MOMENTS.at(-1) ? [moment, moment + SILENT_MS] : [moment]) {
        const row = engine.features(uuid, t);
        const found = differences(
          FEATURES.map(({ name }) => name),
          (name) => row[F[name]],
          twin.features(t),
        );
        expect(found, `${uuid}, ${(t - START) / HOUR} h`).toEqual([]);
        for (const { name } of FEATURES) if (row[F[name]] > 0) spoken.add(name);
      }
    }
  }
  const refused = new Tally();
  for (const { uuid, twin } of gpus) for (const what of twin.rejects) refused.add(`${uuid} ${what}`);
  expect(engine.rejects.sorted).toEqual(refused.sorted);
  // The claim itself: so many readings, all series, every feature, a window that was taken away.
  expect(told.readings).toBeGreaterThan(10_000_000);
  expect(SERIES.filter(({ name }) => !told.varied.has(name))).toEqual([]);
  expect(FEATURES.filter(({ name }) => !spoken.has(name))).toEqual([]);
  expect(freed).toBe(1);
}, 600_000);
