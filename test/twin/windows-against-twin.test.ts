import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WindowStore } from '../../operators/window/window-store.js';
import { Runs } from '../../operators/window/runs.js';
import { RowResults, type ClosedPane } from '../../operators/window/window.js';
import { BatchBuilder } from '../../schema/batch.js';
import { F, FEATURES, FEATURE_COUNT } from '../../schema/features.js';
import { seriesId } from '../../schema/metrics.js';
import { assetOf } from './asset-of.js';
import { differences } from './compare.js';
import { recipe, telemetryOf, type Telemetry } from './draw.js';
import { featuresFromPanes } from './from-panes.js';
import { featuresOf, panesOf, unitOfWork } from './topics.js';
import { Twin, type TwinSample } from './twin.js';
import { propertyRuns } from '../support/property-runs.js';

const UUID = 'GPU-1';
class Engine {
  readonly rejects: string[] = [];
  readonly panes: ClosedPane[] = [];
  readonly store: WindowStore;
  readonly slot: number;

  constructor({ facts, gapMs }: Telemetry, featureSet: 'v1' | 'v2') {
    const asset = assetOf(facts, UUID);
    const onPaneClosed = (pane: ClosedPane) => this.panes.push(pane);
    this.store = new WindowStore({ gapMs, asset: () => asset, onPaneClosed, featureSet, chunkSlots: 1 });
    this.slot = this.store.slotOf(UUID);
  }

  offer(samples: readonly TwinSample[]): void {
    const builder = new BatchBuilder(samples.length);
    for (const { ms, readings } of samples) {
      builder.begin(UUID, ms);
      for (const [name, value] of Object.entries(readings)) builder.set(seriesId(name), value);
      builder.end();
    }
    const batch = builder.build();
    for (let row = 0; row < batch.count; row++)
      this.store.accept(batch, row, this.slot, (reason, _gpu, metric) => this.rejects.push(`${reason} ${metric}`));
  }

  features(t: number): Float64Array {
    const row = new Float64Array(FEATURE_COUNT);
    this.store.features(this.slot, t, row, 0);
    return row;
  }
}

const COLUMNS = FEATURES.map(({ name }) => name);
const byName =
  (row: Float64Array) =>
  (name: string): number =>
    row[F[name]];

const half = (samples: readonly TwinSample[]): number => Math.ceil(samples.length / 2);

describe('windows', () => {
  it('equal a twin that computes everything from all readings', () => {
    fc.assert(
      fc.property(recipe, (drawnRecipe) => {
        const drawn = telemetryOf(drawnRecipe);
        const engine = new Engine(drawn, 'v2');
        const twin = new Twin(drawn.gapMs, drawn.facts);
        for (const part of [drawn.samples.slice(0, half(drawn.samples)), drawn.samples.slice(half(drawn.samples))]) {
          engine.offer(part);
          for (const sample of part) twin.offer(sample);
          if (twin.sampleCount === 0) continue;
          expect(engine.store.newestMs(engine.slot)).toBe(twin.newestMs);
          for (const after of [0, ...drawn.askAfterMs]) {
            const t = twin.newestMs + after;
            expect(differences(COLUMNS, byName(engine.features(t)), twin.features(t))).toEqual([]);
          }
        }
        expect([...engine.rejects].sort()).toEqual([...twin.rejects].sort());
      }),
      { numRuns: propertyRuns(300) },
    );
  });

  it('of a fleet, folded in runs as the score role does, equal a twin each', () => {
    const fleet = fc.array(recipe, { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(fleet, fc.integer({ min: 1, max: 40 }), (recipes, batchSize) => {
        const { gapMs } = recipes[0];
        const drawn = recipes.map(telemetryOf);
        const uuids = drawn.map((_, gpu) => `GPU-${gpu}`);
        const assets = new Map(drawn.map(({ facts }, gpu) => [uuids[gpu], assetOf(facts, uuids[gpu])]));
        const store = new WindowStore({ gapMs, asset: (uuid) => assets.get(uuid), chunkSlots: 2 });
        const twins = drawn.map(({ facts }) => new Twin(gapMs, facts));
        const rejects: string[] = [];
        // In the order in which they come to a partition: each GPU's own, the GPUs by turns.
        const longest = Math.max(...drawn.map(({ samples }) => samples.length));
        const arrivals = Array.from({ length: longest }, (_, index) =>
          drawn.flatMap(({ samples }, gpu) => (index < samples.length ? [{ gpu, sample: samples[index] }] : [])),
        ).flat();
        const results = new RowResults();
        for (let at = 0; at < arrivals.length; at += batchSize) {
          const builder = new BatchBuilder(batchSize);
          for (const { gpu, sample } of arrivals.slice(at, at + batchSize)) {
            twins[gpu].offer(sample);
            builder.begin(uuids[gpu], sample.ms);
            for (const [name, value] of Object.entries(sample.readings)) builder.set(seriesId(name), value);
            builder.end();
          }
          const batch = builder.build();
          const slots = Int32Array.from(batch.gpus, (uuid) => store.slotOf(uuid));
          const runs = new Runs().begin(batch);
          for (let from = 0; from < batch.count;) {
            const until = runs.end(from);
            store.acceptRows(
              ...([batch, from, until, slots] as const),
              (reason, uuid, metric) => rejects.push(`${uuid} ${reason} ${metric}`),
              () => undefined,
              results,
            );
            from = until;
          }
        }
        for (const [gpu, twin] of twins.entries()) {
          if (twin.sampleCount === 0) continue;
          const slot = store.slotOf(uuids[gpu]);
          for (const after of [0, ...drawn[gpu].askAfterMs]) {
            const row = new Float64Array(FEATURE_COUNT);
            store.features(slot, twin.newestMs + after, row, 0);
            const found = differences(COLUMNS, byName(row), twin.features(twin.newestMs + after));
            expect(found, uuids[gpu]).toEqual([]);
          }
        }
        const expected = twins.flatMap((twin, gpu) => twin.rejects.map((one) => `${uuids[gpu]} ${one}`));
        expect(rejects.sort()).toEqual(expected.sort());
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('give the same row without v2 where v2 is not needed', () => {
    fc.assert(
      fc.property(recipe, (drawnRecipe) => {
        const drawn = telemetryOf(drawnRecipe);
        const rows = (['v1', 'v2'] as const).map((set) => {
          const engine = new Engine(drawn, set);
          engine.offer(drawn.samples);
          return engine.features(engine.store.newestMs(engine.slot));
        });
        for (const { name, set } of FEATURES)
          if (set !== 'v2' || !Number.isNaN(rows[0][F[name]]))
            expect([name, rows[0][F[name]]]).toEqual([name, rows[1][F[name]]]);
      }),
      { numRuns: propertyRuns(30) },
    );
  });

  it('do not depend on how samples are batched', () => {
    fc.assert(
      fc.property(recipe, fc.integer({ min: 1, max: 7 }), (drawnRecipe, size) => {
        const drawn = telemetryOf(drawnRecipe);
        const [whole, cut] = [new Engine(drawn, 'v2'), new Engine(drawn, 'v2')];
        whole.offer(drawn.samples);
        for (let at = 0; at < drawn.samples.length; at += size) cut.offer(drawn.samples.slice(at, at + size));
        const t = whole.store.newestMs(whole.slot);
        expect(cut.features(t)).toEqual(whole.features(t));
        expect(cut.panes).toEqual(whole.panes);
      }),
      { numRuns: propertyRuns(30) },
    );
  });

  it('can be computed again from the records of gpu.panes and the newest one of gpu.features', () => {
    fc.assert(
      fc.property(recipe, fc.constantFrom('v1', 'v2'), (drawnRecipe, featureSet) => {
        const drawn = telemetryOf(drawnRecipe);
        const engine = new Engine(drawn, featureSet);
        const twin = new Twin(drawn.gapMs, drawn.facts);
        engine.offer(drawn.samples);
        for (const sample of drawn.samples) twin.offer(sample);
        if (twin.sampleCount === 0) return;
        const { store, slot } = engine;
        const newestMs = store.newestMs(slot);
        const work = unitOfWork(featureSet);
        work.features(store, slot, newestMs, newestMs, false, engine.features(newestMs));
        store.closeOpenPane(slot);
        for (const pane of engine.panes) work.pane(store, pane);
        const [panes, [last]] = [panesOf(work), featuresOf(work)];
        // What there is nothing to say from is null, never NaN.
        expect([...panes, last.features].flatMap(Object.values).filter(Number.isNaN)).toEqual([]);
        const kept = FEATURES.filter(({ set }) => set === 'v1' || set === featureSet).map(({ name }) => name);
        for (const after of [0, ...drawn.askAfterMs]) {
          const values = featuresFromPanes(panes, last, newestMs + after);
          const names = kept.filter((name) => name in values);
          // All but one, which docs/features.md names.
          expect(names).toHaveLength(kept.length - 1);
          expect(differences(names, (name) => values[name], twin.features(newestMs + after))).toEqual([]);
        }
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});
