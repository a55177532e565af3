import { parseArgs } from 'node:util';
import { HOUR_MS } from '../schema/clock.js';
import { FEATURE_COUNT } from '../schema/features.js';
import { whole } from './support/options.js';
import { FleetWindows } from './support/windows.js';

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
const gpus = whole(values.gpus);
const CADENCE_MS = 10_000;
/** Rounds of readings that are kept ready and used in turn. */
const ROUNDS = 2;
const WARM_UP_SAMPLES = 1_000_000;
const FEATURE_ROWS = Math.max(gpus, 200_000);

const fleet = new FleetWindows(gpus, ROUNDS, { featureSet: values['feature-set'] as 'v1' | 'v2' });

/** @returns ms that a number of samples took */
function foldSamples(wanted: number): number {
  let tookMs = 0;
  for (let samples = 0; samples < wanted;) {
    const closes = fleet.timeMs % HOUR_MS === 0;
    const started = performance.now();
    fleet.fold(CADENCE_MS);
    if (closes) continue;
    tookMs += performance.now() - started;
    samples += gpus;
  }
  return tookMs;
}

foldSamples(Math.max(WARM_UP_SAMPLES, 2 * gpus));
const samples = Math.max(3, Math.ceil(whole(values.samples) / gpus)) * gpus;
const foldMs = foldSamples(samples);
const row = new Float64Array(FEATURE_COUNT);
const started = performance.now();
for (let index = 0; index < FEATURE_ROWS; index++)
  fleet.store.features(index % gpus, fleet.timeMs - CADENCE_MS, row, 0);
const featuresMs = performance.now() - started;
const micros = (ms: number, count: number): number => Number(((1000 * ms) / count).toPrecision(3));
process.stdout.write(
  `${JSON.stringify({
    gpus,
    microsPerSample: micros(foldMs, samples),
    microsPerFeatureRow: micros(featuresMs, FEATURE_ROWS),
    rssMb: Math.round(process.memoryUsage().rss / 1e6),
  })}\n`,
);
