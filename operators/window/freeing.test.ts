import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { DAY_MS, HOUR_MS } from '../../schema/clock.js';
import { FEATURES, FEATURE_COUNT } from '../../schema/features.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { PaneSet } from './pane-layout.js';
import { PackedReader, PackedWriter } from './packed.js';
import type { ClosedPane } from './window.js';
import { WindowStore } from './window-store.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const GPUS = ['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d'];
const START = Date.UTC(2026, 0, 5);

/** Which GPUs are read after how long a step, and with what. */
const reading = fc.record({
  stepHours: fc.constantFrom<number[]>(0.01, 0.5, 1, 1, 30, 166, 167, 168, 169, 170, 400, 9000, 9590, 9700),
  gpus: fc.uniqueArray(fc.nat(GPUS.length - 1), { minLength: 1 }),
  series: fc.uniqueArray(fc.oneof(fc.nat(S.nvlinkFirst + 3), fc.nat(SERIES.length - 1)), { minLength: 1 }),
  value: fc.oneof(fc.nat(100), fc.constant(0), fc.constant(79), fc.double({ min: 1, max: 99, noNaN: true })),
  host: fc.option(fc.constantFrom('node-1', 'node-2'), { nil: undefined }),
});
type Reading = typeof reading extends fc.Arbitrary<infer T> ? T : never;

function batchOf(ms: number, { gpus, series, value, host }: Reading): SampleBatch {
  const builder = new BatchBuilder(4);
  for (const gpu of gpus) {
    builder.begin(GPUS[gpu], ms);
    for (const id of series) builder.set(id, Math.min(value, SERIES[id].max));
    if (host !== undefined)
      builder.describe({ host, model: `NVIDIA H100 of ${host}`, deploymentDateMs: START - value });
    builder.end();
  }
  return builder.build();
}

class Run {
  readonly said: unknown[] = [];
  readonly panes: unknown[] = [];
  readonly freed: string[] = [];
  readonly store: WindowStore;

  constructor(featureSet: PaneSet) {
    const store: WindowStore = new WindowStore({
      gapMs: 300_000,
      featureSet,
      asset: () => undefined,
      chunkSlots: 1,
      onPaneClosed: ({ slot, ...pane }: ClosedPane) => this.panes.push([store.uuidOf(slot), pane]),
      onFreed: (slot) => this.freed.push(store.uuidOf(slot)),
    });
    this.store = store;
  }

  offer(batch: SampleBatch): void {
    for (let row = 0; row < batch.count; row++)
      this.store.accept(batch, row, this.store.slotOf(batch.gpus[batch.gpuIndex[row]]), (...why) =>
        this.said.push(why),
      );
  }

  features(gpu: string, ms: number): [string, number][] {
    const row = new Float64Array(FEATURE_COUNT);
    this.store.features(this.store.slotOf(gpu), ms, row, 0);
    return FEATURES.map(({ name }, index) => [name, row[index]]);
  }

  /** Closes what is open, and gives all panes, by GPU. */
  drained(): string[] {
    for (const gpu of GPUS) this.store.closeOpenPane(this.store.slotOf(gpu));
    return this.panes.map((pane) => JSON.stringify(pane)).sort();
  }
}

describe('a store that frees silent GPUs', () => {
  it.each(['v1', 'v2'] as const)('says what one says that never does (%s)', (set) => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 25 }), (readings) => {
        const [freeing, keeping] = [new Run(set), new Run(set)];
        let ms = START;
        for (const one of readings) {
          ms += one.stepHours * HOUR_MS;
          const batch = batchOf(ms, one);
          freeing.offer(batch);
          keeping.offer(batch);
          freeing.store.freeSilent();
          for (const gpu of batch.gpus) {
            expect(freeing.features(gpu, ms)).toEqual(keeping.features(gpu, ms));
            expect(freeing.store.metadata(freeing.store.slotOf(gpu))).toEqual(
              keeping.store.metadata(keeping.store.slotOf(gpu)),
            );
          }
        }
        expect(freeing.said).toEqual(keeping.said);
        expect(freeing.drained()).toEqual(keeping.drained());
        expect(keeping.freed).toEqual([]);
      }),
      { numRuns: propertyRuns(200) },
    );
  });

  it('gives up a slot a window after its last reading, closes its hour, and lets another GPU have it', () => {
    const run = new Run('v2');
    const only = (gpu: number, ms: number): void =>
      run.offer(batchOf(ms, { stepHours: 0, gpus: [gpu], series: [S.gpuTemp], value: 50, host: undefined }));
    only(0, START);
    only(1, START);
    for (let hour = 1; hour <= 168; hour++) only(1, START + hour * HOUR_MS);
    run.store.freeSilent();
    expect(run.freed).toEqual([]);
    only(1, START + 169 * HOUR_MS);
    run.store.freeSilent();
    expect(run.freed).toEqual(['GPU-a']);
    expect(run.panes).toContainEqual(['GPU-a', expect.objectContaining({ hourStartMs: START, samples: 1 })]);
    expect([run.store.find('GPU-a'), run.store.size]).toEqual([-1, 1]);
    expect(run.store.slotOf('GPU-c')).toBe(0);
    expect(run.features('GPU-c', START)).toEqual(new Run('v2').features('GPU-c', START));
  });

  it('takes a GPU for a new one after 400 silent days', () => {
    const run = new Run('v2');
    const at = (ms: number): number => {
      run.offer(batchOf(ms, { stepHours: 0, gpus: [0], series: [S.xid], value: 79, host: 'node-1' }));
      return run.store.firstMs(run.store.slotOf('GPU-a'));
    };
    at(START);
    expect(at(START + 400 * DAY_MS)).toBe(START);
    expect(at(START + 800 * DAY_MS + 1)).toBe(START + 800 * DAY_MS + 1);
  });

  it.each([
    ['with a slot all along, 400 days', 0, 0],
    ['with a slot all along, a millisecond more', 0, 1],
    ['freed in between, 400 days', 200, 0],
    ['freed in between, a millisecond more', 200, 1],
  ])('keeps the inputs of a GPU that was never heard for 400 days: %s', (_, hoursOfAnother, tooLateMs) => {
    const run = new Run('v2');
    const utilAt = (ms: number, readings: Record<number, number>): number | undefined => {
      const builder = new BatchBuilder(1);
      builder.begin('GPU-a', ms);
      for (const [series, value] of Object.entries(readings)) builder.set(Number(series), value);
      builder.end();
      run.offer(builder.build());
      return run.features('GPU-a', ms).find(([name]) => name === 'memory_util_mean')?.[1];
    };
    const total = { [S.fbTotal]: 200 };
    const used = { [S.fbUsed]: 50 };
    const hearAnother = (ms: number): void => {
      if (hoursOfAnother === 0) return;
      run.offer(batchOf(ms, { stepHours: 0, gpus: [1], series: [S.gpuTemp], value: 50, host: undefined }));
      run.store.freeSilent();
    };
    const later = (days: number): number => START + days * DAY_MS;
    utilAt(START, total);
    utilAt(later(5), { [S.fbReserved]: 1 });
    hearAnother(later(5) + hoursOfAnother * HOUR_MS);
    expect(run.store.find('GPU-a')).toBe(hoursOfAnother === 0 ? 0 : -1);
    hearAnother(later(404));
    expect(utilAt(later(405) + tooLateMs, used)).toBe(tooLateMs > 0 ? NaN : 25);
  });

  it('stays within its bounds over three years in which GPUs and hosts come and go', () => {
    const run = new Run('v1');
    const most = { bytes: 0, gpus: 0 };
    const year = { bytes: 0, gpus: 0 };
    const perDay = 4;
    for (let day = 0; day < 3 * 365; day++) {
      const builder = new BatchBuilder(perDay);
      for (let gpu = 0; gpu < perDay; gpu++) {
        builder.begin(
          `GPU-0fa12c3e-0000-4000-8000-${String(day * perDay + gpu).padStart(12, '0')}`,
          START + day * DAY_MS,
        );
        for (let id = 0; id < SERIES.length; id++)
          if (SERIES[id].kind !== 'input') builder.set(id, Math.min(SERIES[id].max, day));
        builder.describe({ host: `node-${day}` });
        builder.end();
      }
      run.offer(builder.build());
      run.store.freeSilent();
      const seen = day < 410 ? year : most;
      seen.bytes = Math.max(seen.bytes, run.store.bytes);
      seen.gpus = Math.max(seen.gpus, run.store.size);
    }
    expect(most).toEqual({ gpus: year.gpus, bytes: expect.closeTo(year.bytes, -4) as number });
    expect(run.store.size).toBeLessThanOrEqual(9 * perDay);
    const { rememberedBytes, ...counts } = run.store.counts;
    expect(counts).toEqual({ slots: 9 * perDay, remembered: 393 * perDay, texts: 401 });
    expect(rememberedBytes / counts.remembered).toBeLessThanOrEqual(512);
  });
});

it('packs every number, whole ones in few bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.double(), fc.maxSafeInteger(), fc.nat(), fc.constant(-Infinity))), (numbers) => {
      const writer = new PackedWriter();
      for (const number of numbers) writer.number(number);
      const reader = new PackedReader(writer.take());
      expect(numbers.map(() => reader.number())).toEqual(numbers);
    }),
  );
  const writer = new PackedWriter();
  for (const number of [NaN, -Infinity, 0, 100, 2 ** 20]) writer.number(number);
  expect(writer.take().length).toBe(1 + 1 + 1 + 1 + 3);
});

it('frees GPUs that fell silent in the order in which they did, whatever their slots', () => {
  const run = new Run('v2');
  const ofOne = (gpu: number, hours: number): void =>
    run.offer(batchOf(START + hours * HOUR_MS, { stepHours: 0, gpus: [gpu], series: [0], value: 50, host: undefined }));
  ofOne(2, 0.1);
  ofOne(1, 0.2);
  ofOne(3, 5);
  ofOne(2, 1.1);
  ofOne(1, 1.2);
  ofOne(0, 400);
  run.store.freeSilent();
  expect(run.freed).toEqual(['GPU-b', 'GPU-c', 'GPU-d']);
});
