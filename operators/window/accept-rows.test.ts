import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { SERIES } from '../../schema/metrics.js';
import type { PaneSet } from './pane-layout.js';
import { Runs } from './runs.js';
import { RowResults, type ClosedPane } from './window.js';
import { WindowStore } from './window-store.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const MINUTE = 60_000;
const GPUS = ['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d', 'GPU-e'];

interface Drawn {
  gpu: number;
  ms: number;
  readings: [series: number, value: number][];
  model?: string;
}

/** Mostly in order and complete, as telemetry is; now and then late, repeated, in another hour, or only inputs. */
const sample = fc.record({
  gpu: fc.nat(GPUS.length - 1),
  stepMs: fc.constantFrom(10_000, 10_000, 10_000, 30_000, 0, -20_000, 6 * MINUTE, 70 * MINUTE, 200 * 60 * MINUTE),
  readings: fc.oneof<fc.MaybeWeightedArbitrary<number[]>[]>(
    { weight: 4, arbitrary: fc.constant([0, 1, 2, 3, 4, 7, 8, 13, 14, 16, 21, 23, 24]) },
    { weight: 2, arbitrary: fc.uniqueArray(fc.nat(SERIES.length - 1), { minLength: 1, maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constant([9, 10]) },
  ),
  value: fc.integer({ min: 0, max: 90 }),
  model: fc.option(fc.constantFrom('NVIDIA H100', 'NVIDIA A100'), { nil: undefined }),
});

const telemetry = fc.array(fc.array(sample, { minLength: 1, maxLength: 60 }), { maxLength: 8 }).map((batches) => {
  let ms = Date.UTC(2026, 0, 5, 0, 40);
  return batches.map((samples) =>
    samples.map(({ gpu, stepMs, readings, value, model }): Drawn => {
      ms = Math.max(ms, ms + stepMs / GPUS.length);
      return { gpu, ms: ms + Math.min(0, stepMs), readings: readings.map((id) => [id, value + (id % 7)]), model };
    }),
  );
});

function batchOf(samples: readonly Drawn[]): SampleBatch {
  const builder = new BatchBuilder(8);
  for (const { gpu, ms, readings, model } of samples) {
    builder.begin(GPUS[gpu], ms);
    for (const [series, value] of readings) builder.set(series, value);
    if (model !== undefined) builder.describe({ model });
    builder.end();
  }
  return builder.build();
}

class Run {
  readonly said: unknown[] = [];
  readonly store: WindowStore;

  constructor(featureSet: PaneSet) {
    this.store = new WindowStore({
      gapMs: 5 * MINUTE,
      featureSet,
      asset: () => undefined,
      chunkSlots: 2,
      onPaneClosed: (pane: ClosedPane) => this.said.push(['pane', { ...pane }]),
    });
    for (const gpu of GPUS) this.store.slotOf(gpu);
  }

  readonly reject = (...rejection: unknown[]): void => void this.said.push(rejection);

  /** What was said, by GPU: between GPUs of a run there is no order. */
  get sorted(): string[] {
    return this.said.map((each) => JSON.stringify(each)).sort();
  }

  features(): number[][] {
    return GPUS.map((gpu) => {
      const slot = this.store.slotOf(gpu);
      const row = new Float64Array(FEATURE_COUNT);
      const newest = this.store.newestMs(slot);
      if (!Number.isNaN(newest)) this.store.features(slot, newest, row, 0);
      return [...row];
    });
  }
}

it.each(['v1', 'v2'] as const)('folding rows together is folding them one by one, to the last bit (%s)', (set) => {
  fc.assert(
    fc.property(telemetry, (batches) => {
      const [together, single] = [new Run(set), new Run(set)];
      const results = new RowResults();
      for (const samples of batches) {
        const batch = batchOf(samples);
        const slots = Int32Array.from(batch.gpus, (gpu) => together.store.slotOf(gpu));
        const bits: number[] = [];
        const runs = new Runs().begin(batch);
        for (let from = 0; from < batch.count;) {
          const until = runs.end(from);
          const onLate = (row: number): void => void together.said.push(['late', row, together.store.lateReadings]);
          together.store.acceptRows(batch, from, until, slots, together.reject, onLate, results);
          bits.push(...results.bits.subarray(0, until - from));
          from = until;
        }
        for (let row = 0; row < batch.count; row++) {
          const expected = single.store.accept(batch, row, slots[batch.gpuIndex[row]], single.reject);
          if (Object.keys(single.store.lateReadings).length > 0)
            single.said.push(['late', row, single.store.lateReadings]);
          expect(bits[row]).toBe(expected);
        }
        expect(together.features()).toEqual(single.features());
      }
      expect(together.sorted).toEqual(single.sorted);
    }),
    { numRuns: propertyRuns(300) },
  );
});
