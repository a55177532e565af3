import { parseArgs } from 'node:util';
import { Runs } from '../operators/window/runs.js';
import { RowResults } from '../operators/window/window.js';
import { WindowStore } from '../operators/window/window-store.js';
import type { SampleBatch } from '../schema/batch.js';
import { HOUR_MS } from '../schema/clock.js';
import { FEATURE_COUNT } from '../schema/features.js';
import { benchBatch, benchUuid, randomOf } from './fleet.js';

/**
 * What a sample costs in the windows of a fleet of some size, in a process of its own so that no other fleet has warmed
 * or filled anything: prints one JSON object. Rounds in which hours close are left out; they are a question of their own.
 */
const { values } = parseArgs({
  options: {
    gpus: { type: 'string' },
    samples: { type: 'string' },
    'feature-set': { type: 'string', default: 'v1' },
  },
});
const gpus = Number(values.gpus);
const START_MS = Date.UTC(2026, 0, 1);
const CADENCE_MS = 10_000;
const SAMPLES_PER_BATCH = 500;
/** Rounds of readings that are kept ready and used in turn. */
const STEPS = 2;
const WARM_UP_SAMPLES = 1_000_000;

const random = randomOf(1);
const steps: SampleBatch[][] = Array.from({ length: STEPS }, () => {
  const batches: SampleBatch[] = [];
  for (let at = 0; at < gpus; at += SAMPLES_PER_BATCH) {
    const uuids = Array.from({ length: Math.min(SAMPLES_PER_BATCH, gpus - at) }, (_, index) => benchUuid(at + index));
    batches.push(benchBatch(uuids, START_MS, at, random));
  }
  return batches;
});
const store = new WindowStore({
  gapMs: 300_000,
  featureSet: values['feature-set'] as 'v1' | 'v2',
  asset: () => undefined,
});
let refused = 0;
const refuse = (): void => void refused++;
const results = new RowResults();
const slots = new Int32Array(SAMPLES_PER_BATCH);

function fold(batch: SampleBatch, timeMs: number): void {
  batch.eventTimeMs.fill(timeMs);
  for (let gpu = 0; gpu < batch.gpus.length; gpu++) slots[gpu] = store.slotOf(batch.gpus[gpu]);
  const runs = new Runs(batch);
  for (let from = 0; from < batch.count;) {
    const until = runs.end(from);
    store.acceptRows(batch, from, until, slots, refuse, refuse, results);
    from = until;
  }
}

let timeMs = START_MS;
let rounds = 0;
/** @returns ms that a number of samples took */
function foldSamples(wanted: number): number {
  let tookMs = 0;
  for (let samples = 0; samples < wanted; timeMs += CADENCE_MS, rounds++) {
    const started = performance.now();
    for (const batch of steps[rounds % STEPS]) fold(batch, timeMs);
    if (timeMs % HOUR_MS === 0) continue;
    tookMs += performance.now() - started;
    samples += gpus;
  }
  return tookMs;
}

foldSamples(Math.max(WARM_UP_SAMPLES, 2 * gpus));
const rowsOf = Math.max(3, Math.ceil(Number(values.samples) / gpus)) * gpus;
const foldMs = foldSamples(rowsOf);
const row = new Float64Array(FEATURE_COUNT);
const started = performance.now();
for (let index = 0; index < Math.max(gpus, 200_000); index++) store.features(index % gpus, timeMs - CADENCE_MS, row, 0);
const featuresMs = performance.now() - started;
if (refused > 0) throw new Error(`${refused} readings were refused`);
process.stdout.write(
  `${JSON.stringify({
    gpus,
    microsPerSample: Number(((1000 * foldMs) / rowsOf).toPrecision(3)),
    microsPerFeatureRow: Number(((1000 * featuresMs) / Math.max(gpus, 200_000)).toPrecision(3)),
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
  })}\n`,
);
