import { FEATURE_COUNT } from '../schema/features.js';
import { HOUR_MS } from '../schema/clock.js';
import { measure, type Measured } from './support/measure.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { FleetWindows } from './support/windows.js';

const CADENCE_MS = 10_000;
const HOUR_ROUNDS = HOUR_MS / CADENCE_MS;
/** Rounds of readings that are kept ready. */
const STEPS = 20;
const REPEATS = 5;
/** Rows of features in a repeat, at least: of a small fleet's alone the compiler would be most of what is measured. */
const LEAST_ROWS = 50_000;

interface WindowsOptions {
  readonly gpus: number;
  readonly samples: number;
  readonly featureSet?: 'v1' | 'v2';
  readonly windowDays?: readonly number[];
}

/**
 * The windows alone, in this process: decoded batches in, no broker, no model; and the features they give. What closing
 * an hour costs is measured apart, because it comes once an hour whatever the cadence.
 */
export async function benchWindows(options: WindowsOptions): Promise<object> {
  const days = options.windowDays ?? [7];
  const lengths: Figures[] = [];
  for (const length of days) lengths.push(await ofLength(options, length));
  const { windowDays, ...figures } = lengths[days.indexOf(7) < 0 ? 0 : days.indexOf(7)];
  return {
    bench: 'windows',
    featureSet: options.featureSet ?? 'v2',
    gpus: options.gpus,
    repeats: REPEATS,
    ...figures,
    ...(days.length > 1 ? { windows: lengths } : { windowDays }),
    ...provenance(),
  };
}

type Figures = Awaited<ReturnType<typeof ofLength>>;

async function ofLength(options: WindowsOptions, windowDays: number) {
  const { gpus } = options;
  const rounds = Math.min(HOUR_ROUNDS - 1, Math.ceil(options.samples / gpus));
  const samples = rounds * gpus;
  const rows = Math.max(gpus, LEAST_ROWS);
  const fleet = new FleetWindows(gpus, STEPS, { featureSet: options.featureSet, windowHours: 24 * windowDays });
  fleet.fill(24 * windowDays);
  say(`filled ${windowDays} days of ${gpus} GPUs, ${Math.round(fleet.store.bytes / gpus)} bytes a GPU`);
  const folded: Measured[] = [];
  const bare: Measured[] = [];
  const closed: Measured[] = [];
  const computed: Measured[] = [];
  const row = new Float64Array(FEATURE_COUNT);
  let sum = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    bare.push(
      await run(() => {
        for (let round = 0; round < rounds; round++) sum += fleet.readBare(round);
      }),
    );
    // The first round of an hour closes the one before, for every GPU.
    closed.push(await run(() => fleet.fold(CADENCE_MS)));
    folded.push(
      await run(() => {
        for (let round = 0; round < rounds; round++) fleet.fold(CADENCE_MS);
      }),
    );
    computed.push(
      await run(() => {
        for (let index = 0; index < rows; index++) {
          fleet.store.features(index % gpus, fleet.timeMs - CADENCE_MS, row, 0);
          sum += row[0];
        }
      }),
    );
    fleet.timeMs = (Math.floor(fleet.timeMs / HOUR_MS) + 1) * HOUR_MS;
  }
  if (Number.isNaN(sum)) throw new Error('a reading was NaN');
  const seconds = (runs: readonly Measured[]): number => median(runs).seconds;
  const rates = folded.map((one) => Math.round(samples / one.seconds)).sort((a, b) => a - b);
  const sampleMicros = (1e6 * seconds(folded)) / samples;
  return {
    windowDays,
    samples,
    samplesPerSecond: Math.round(samples / seconds(folded)),
    spread: [rates[0], rates[REPEATS - 1]],
    bareSamplesPerSecond: Math.round(samples / seconds(bare)),
    ratio: Number((seconds(bare) / seconds(folded)).toFixed(4)),
    cpuMicrosPerSample: Number(((1e6 * median(folded).cpuSeconds) / samples).toFixed(3)),
    closingMicrosPerGpu: Number(((1e6 * seconds(closed)) / gpus - sampleMicros).toFixed(2)),
    featureRowsPerSecond: Math.round(rows / seconds(computed)),
    microsPerFeatureRow: Number(((1e6 * seconds(computed)) / rows).toFixed(3)),
    bytesPerGpu: Math.round(fleet.store.bytes / gpus),
    rssMb: median(folded).peakRssMb,
  };
}

const median = (runs: readonly Measured[]): Measured =>
  [...runs].sort((a, b) => a.seconds - b.seconds)[runs.length >> 1];

const run = (work: () => void): Promise<Measured> =>
  measure(() => {
    work();
    return Promise.resolve();
  });
