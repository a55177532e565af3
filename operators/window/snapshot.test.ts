import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { seriesId } from '../../schema/metrics.js';
import { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { recipe, telemetryOf, type Recipe } from '../../test/twin/draw.js';
import type { TwinSample } from '../../test/twin/twin.js';
import type { PaneSet } from './pane-layout.js';
import { WindowSnapshot } from './snapshot.js';
import { WindowStore } from './window-store.js';
import type { ClosedPane } from './window.js';
import { propertyRuns } from '../../test/support/property-runs.js';
import { share } from '../../test/support/share.js';

interface Told {
  readonly gpuUuid: string;
  readonly pane: ClosedPane;
}

/** A store, what it told, and its snapshot. */
class Fleet {
  readonly panes: Told[] = [];
  readonly rejects: string[] = [];
  readonly store: WindowStore;
  readonly snapshot: WindowSnapshot;

  constructor(gapMs: number, featureSet: PaneSet) {
    this.store = new WindowStore({
      gapMs,
      featureSet,
      chunkSlots: 2,
      asset: () => undefined,
      onPaneClosed: (pane) => this.panes.push({ gpuUuid: this.store.uuidOf(pane.slot), pane: { ...pane, slot: 0 } }),
    });
    this.snapshot = new WindowSnapshot(this.store);
  }

  offer(samples: readonly { gpuUuid: string; sample: TwinSample }[]): void {
    for (let from = 0; from < samples.length; from += BATCH) {
      const builder = new BatchBuilder(BATCH);
      for (const { gpuUuid, sample } of samples.slice(from, from + BATCH)) {
        builder.begin(gpuUuid, sample.ms);
        for (const [name, value] of Object.entries(sample.readings)) builder.set(seriesId(name), value);
        builder.describe({ model: `model ${sample.ms % 3}`, host: `host of ${gpuUuid}`, purchaseDateMs: 1e12 });
        builder.end();
      }
      const batch = builder.build();
      this.store.freeSilent();
      const slots = batch.gpus.map((gpu) => this.store.slotOf(gpu));
      for (let row = 0; row < batch.count; row++)
        this.store.accept(batch, row, slots[batch.gpuIndex[row]], (reason, gpu, metric) =>
          this.rejects.push(`${reason} ${gpu} ${metric}`),
        );
    }
  }

  /** All of it, by GPU: what was written down, and its features. */
  state(): unknown {
    const writer = new ByteWriter();
    const gpus = [...this.snapshot.slots].sort(([a], [b]) => (a < b ? -1 : 1));
    const told = gpus.map(([gpuUuid, slot]) => {
      this.snapshot.encodeCanonical(slot, writer);
      const row = new Float64Array(FEATURE_COUNT);
      this.store.features(slot, this.store.newestMs(slot), row, 0);
      return [gpuUuid, writer.take().toString('base64'), row, this.store.metadata(slot)];
    });
    const remembered = this.snapshot.remembered().map((gpuUuid) => {
      this.snapshot.encodeRemembered(gpuUuid, writer);
      return writer.take().toString('base64');
    });
    this.snapshot.encodeTime(writer);
    return [told, remembered, writer.take().toString('base64')];
  }
}

const BATCH = 17;

/** Records of all GPUs; rings of those that have one, each with its open hour. */
interface Written {
  readonly time: Buffer;
  readonly records: readonly { gpuUuid: string; bytes: Buffer }[];
  readonly rings: ReadonlyMap<string, { hour: number; bytes: Buffer }>;
  readonly remembered: readonly Buffer[];
}

function write({ snapshot }: Fleet): Written {
  const writer = new ByteWriter();
  const records: { gpuUuid: string; bytes: Buffer }[] = [];
  const rings = new Map<string, { hour: number; bytes: Buffer }>();
  for (const [gpuUuid, slot] of snapshot.slots) {
    snapshot.encodeRecord(slot, writer);
    records.push({ gpuUuid, bytes: writer.take() });
    snapshot.encodeRing(slot, writer);
    rings.set(gpuUuid, { hour: snapshot.openHour(slot), bytes: writer.take() });
  }
  const remembered = snapshot.remembered().map((gpuUuid) => {
    snapshot.encodeRemembered(gpuUuid, writer);
    return writer.take();
  });
  snapshot.encodeTime(writer);
  return { time: writer.take(), records, rings, remembered };
}

/** @param rings may be older than the records; what they lack comes from the panes */
function restore(fleet: Fleet, { records, remembered, time }: Written, rings: Written['rings'], panes: Told[]): void {
  const { snapshot } = fleet;
  for (const { gpuUuid, bytes } of records) {
    const reader = new ByteReader(bytes);
    const slot = snapshot.decodeRecord(gpuUuid, reader);
    expect(reader.isAtEnd).toBe(true);
    const ring = rings.get(gpuUuid);
    const from = ring?.hour ?? -Infinity;
    if (ring !== undefined) snapshot.decodeRing(slot, ring.hour, new ByteReader(ring.bytes));
    for (const { gpuUuid: other, pane } of panes)
      if (other === gpuUuid && pane.hourStartMs / HOUR_MS >= from)
        snapshot.putPane(slot, pane.hourStartMs / HOUR_MS, pane.samples, pane.aggregates);
  }
  for (const bytes of remembered) snapshot.decodeRemembered(new ByteReader(bytes));
  snapshot.decodeTime(new ByteReader(time));
}

function arrivalsOf(recipes: readonly Recipe[]): { gpuUuid: string; sample: TwinSample }[] {
  return recipes
    .flatMap((one, gpu) =>
      telemetryOf(one).samples.map((sample, order) => ({ gpuUuid: `GPU-${gpu}`, sample, at: sample.ms, order })),
    )
    .sort((a, b) => a.at - b.at || a.order - b.order);
}

const fleet = fc.array(recipe, { minLength: 1, maxLength: 3 });
const gapMs = 300_000;

describe('a snapshot of windows', () => {
  for (const set of ['v1', 'v2'] as const)
    it(`put back into a fresh store goes on as if nothing had happened, ${set}`, () => {
      fc.assert(
        fc.property(fleet, share, share, (recipes, atRing, atRecord) => {
          const samples = arrivalsOf(recipes);
          const [ringAt, recordAt] = [atRing, atRecord]
            .sort((a, b) => a - b)
            .map((one) => Math.floor(one * samples.length));
          const whole = new Fleet(gapMs, set);
          whole.offer(samples.slice(0, ringAt));
          const { rings } = write(whole);
          whole.offer(samples.slice(ringAt, recordAt));
          const written = write(whole);
          const second = new Fleet(gapMs, set);
          restore(second, written, rings, whole.panes);
          expect(second.state()).toEqual(whole.state());
          const [told, refused] = [whole.panes.length, whole.rejects.length];
          whole.offer(samples.slice(recordAt));
          second.offer(samples.slice(recordAt));
          expect(second.panes).toEqual(whole.panes.slice(told));
          expect(second.rejects).toEqual(whole.rejects.slice(refused));
          expect(second.state()).toEqual(whole.state());
        }),
        { numRuns: propertyRuns(150) },
      );
    });

  it('makes rings of the panes alone as gpu.panes has them, the same as those that were kept', () => {
    fc.assert(
      fc.property(fleet, (recipes) => {
        const whole = new Fleet(gapMs, 'v2');
        whole.offer(arrivalsOf(recipes));
        const second = new Fleet(gapMs, 'v2');
        restore(second, write(whole), new Map(), whole.panes);
        expect(second.state()).toEqual(whole.state());
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});
