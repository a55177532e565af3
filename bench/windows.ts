import { Runs } from '../operators/window/runs.js';
import { RowResults } from '../operators/window/window.js';
import { WindowStore } from '../operators/window/window-store.js';
import type { SampleBatch } from '../schema/batch.js';
import { FEATURE_COUNT } from '../schema/features.js';
import { HOUR_MS } from '../schema/clock.js';
import { benchBatch, benchUuid, randomOf } from './fleet.js';
import { measure, type Measured } from './support/measure.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';

const CADENCE_MS = 10_000;
const SAMPLES_PER_BATCH = 500;
const START_MS = Date.UTC(2026, 0, 1);
/** Readings of a GPU that are kept ready and used again and again, with later times. */
const STEPS = 20;
const REPEATS = 5;

/** The windows alone, in this process: decoded batches in, no broker, no model; and the features they give. */
export async function benchWindows(options: {
  readonly gpus: string;
  readonly samples: string;
  readonly featureSet?: 'v1' | 'v2';
}): Promise<object> {
  const gpus = Number(options.gpus);
  const samples = Number(options.samples);
  const featureSet = options.featureSet ?? 'v2';
  const random = randomOf(1);
  const uuids = Array.from({ length: gpus }, (_, gpu) => benchUuid(gpu));
  const steps: SampleBatch[][] = [];
  for (let step = 0; step < STEPS; step++) {
    const batches: SampleBatch[] = [];
    for (let at = 0; at < gpus; at += SAMPLES_PER_BATCH)
      batches.push(benchBatch(uuids.slice(at, at + SAMPLES_PER_BATCH), START_MS, at, random));
    steps.push(batches);
  }
  const store = new WindowStore({ gapMs: 300_000, featureSet, asset: () => undefined });
  let rejected = 0;
  const refuse = (): void => void rejected++;
  const results = new RowResults();
  const slots = new Int32Array(SAMPLES_PER_BATCH);
  const fold = (batch: SampleBatch, timeMs: number): void => {
    batch.eventTimeMs.fill(timeMs);
    for (let gpu = 0; gpu < batch.gpus.length; gpu++) slots[gpu] = store.slotOf(batch.gpus[gpu]);
    const runs = new Runs(batch);
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      store.acceptRows(batch, from, until, slots, refuse, refuse, results);
      from = until;
    }
  };
  let timeMs = START_MS;
  for (let hour = 0; hour < 168; hour++, timeMs += HOUR_MS)
    for (const batch of steps[hour % STEPS]) fold(batch, timeMs);
  say(`filled 168 hours of ${gpus} GPUs, ${store.bytes / gpus} bytes a GPU`);

  const rounds = Math.ceil(samples / gpus);
  const folded: Measured[] = [];
  const bare: Measured[] = [];
  const computed: Measured[] = [];
  const row = new Float64Array(FEATURE_COUNT);
  let sum = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    bare.push(
      await measure(() => {
        for (let round = 0; round < rounds; round++)
          for (const batch of steps[round % STEPS])
            for (const column of batch.columns) if (column !== undefined) sum += sumOf(column);
        return Promise.resolve();
      }),
    );
    folded.push(
      await measure(() => {
        for (let round = 0; round < rounds; round++, timeMs += CADENCE_MS)
          for (const batch of steps[round % STEPS]) fold(batch, timeMs);
        return Promise.resolve();
      }),
    );
    computed.push(
      await measure(() => {
        for (let slot = 0; slot < gpus; slot++) {
          store.features(slot, timeMs - CADENCE_MS, row, 0);
          sum += row[0];
        }
        return Promise.resolve();
      }),
    );
  }
  if (rejected > 0 || Number.isNaN(sum)) throw new Error(`${rejected} readings were refused`);
  const median = (runs: readonly Measured[]): Measured => [...runs].sort((a, b) => a.seconds - b.seconds)[REPEATS >> 1];
  const [fast, slow] = [folded, folded].map((runs, index) =>
    Math.round((rounds * gpus) / runs.map(({ seconds }) => seconds).sort((a, b) => a - b)[index * (REPEATS - 1)]),
  );
  const middle = median(folded);
  return {
    bench: 'windows',
    featureSet,
    gpus,
    samples: rounds * gpus,
    repeats: REPEATS,
    samplesPerSecond: Math.round((rounds * gpus) / middle.seconds),
    spread: [slow, fast],
    bareSamplesPerSecond: Math.round((rounds * gpus) / median(bare).seconds),
    ratio: Number((median(bare).seconds / middle.seconds).toFixed(4)),
    cpuMicrosPerSample: Number(((1e6 * middle.cpuSeconds) / (rounds * gpus)).toFixed(3)),
    featureRowsPerSecond: Math.round(gpus / median(computed).seconds),
    bytesPerGpu: Math.round(store.bytes / gpus),
    rssMb: middle.peakRssMb,
    ...provenance(),
  };
}

function sumOf(column: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < column.length; row++) sum += column[row];
  return sum;
}
