import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceClient } from '../../topology/kafka/source-client.js';
import type { RoleName } from '../../topology/runtime.js';
import { drainBare } from './bare.js';
import { warmUpRepeatsOn, type Cluster } from './cluster.js';
import { runEngine, RunSpoilt, type EngineObserved, type EngineRun } from './engine-run.js';
import { judgeFloor, longestOf } from './floor.js';
import { KafkaAdmin } from './kafka-admin.js';
import { leastIncrease, peakPssMb, peakRssMb, stretch, timesOf, type Count, type Stretch } from './observation.js';
import type { Observed } from './observe.js';
import type { ThroughputOptions } from './options.js';
import { readProfile, shares } from './profile.js';
import { provenance } from './provenance.js';
import { say } from './say.js';
import { removeScratch, scratchDirectory } from './scratch.js';
import { significant, spreadOf, type Spread } from './statistics.js';

/** A question of throughput: what is read, by whom, and what bare reading is compared with. */
export interface Throughput {
  readonly bench: string;
  readonly roles: readonly RoleName[];
  /** Topic that is read, prepared. */
  readonly bare: { readonly topic: string; readonly client: SourceClient['name']; readonly records: number };
  /** Whether the records are JSON, which a second baseline parses. */
  readonly parsed: boolean;
  readonly samples: number;
  readonly run: Omit<EngineRun, 'processes' | 'sets' | 'partitions' | 'gpus' | 'samples'>;
  /** Feature records that the run owes; null where nothing is scored, so no floor holds. */
  readonly featureRecordsOwed: number | null;
  /** What else the result tells, of samples per second. */
  readonly more?: (samplesPerSecond: number) => object;
}

/** Share of a run that is left out of its steady stretch. */
const WARM_UP = 0.2;
const TRIES = 3;

interface Repeat {
  readonly bare: Stretch;
  readonly parsed: Stretch | null;
  readonly steady: Stretch;
  readonly wholePerSecond: number;
  readonly engine: EngineObserved;
  readonly void: string | null;
}

/** Bare and engine in turn, repeat by repeat; medians and spreads of the steady stretches. */
export async function measureThroughput(
  cluster: Cluster,
  admin: KafkaAdmin,
  question: Throughput,
  options: ThroughputOptions,
): Promise<Record<string, unknown>> {
  const warmUpRepeats = warmUpRepeatsOn(cluster, options.warmUpRepeats);
  for (let index = 0; index < warmUpRepeats; index++) {
    say(`warm-up ${index + 1} of ${warmUpRepeats}`);
    await unspoilt(() => runEngine(cluster, admin, engineRun(question, options)));
  }
  const repeats: Repeat[] = [];
  for (let index = 0; index < options.repeats; index++) {
    const repeat = await measureRepeat(cluster, admin, question, options);
    say(`repeat ${index + 1} of ${options.repeats}: ${told(repeat)}`);
    repeats.push(repeat);
  }
  const result = summary(cluster, question, options, repeats);
  return options.profile ? { ...result, profile: await profiled(cluster, admin, question, options) } : result;
}

/** One more run, that does not count, with V8's profiler: where the main threads' time goes. */
async function profiled(
  cluster: Cluster,
  admin: KafkaAdmin,
  question: Throughput,
  options: ThroughputOptions,
): Promise<Record<string, number>> {
  const directory = scratchDirectory('profile');
  await runEngine(cluster, admin, {
    ...engineRun(question, options),
    // What filling windows costs would be in the profile too.
    prefill: false,
    nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${directory}`],
  });
  const profiles = readdirSync(directory).map((name) => readProfile(join(directory, name)));
  removeScratch(directory);
  return shares(profiles);
}

const engineRun = (question: Throughput, options: ThroughputOptions): EngineRun => ({
  ...question.run,
  processes: Array.from({ length: options.processes }, () => question.roles),
  sets: options.set,
  partitions: options.partitions,
  gpus: options.gpus,
  samples: question.samples,
});

async function measureRepeat(
  cluster: Cluster,
  admin: KafkaAdmin,
  question: Throughput,
  options: ThroughputOptions,
): Promise<Repeat> {
  const { bare, samples } = question;
  const perRecord = samples / bare.records;
  const drain = async (parse: boolean): Promise<Stretch> => {
    const observed = await drainBare(cluster, { ...bare, parse, processes: options.processes });
    return steadyOf(
      {
        ...observed,
        points: observed.points.map((point) => ({
          ...point,
          done: point.done * perRecord,
          begun: point.begun * perRecord,
        })),
      },
      samples,
    );
  };
  const bareRun = await drain(false);
  const parsedRun = question.parsed ? await drain(true) : null;
  const engine = await unspoilt(() => runEngine(cluster, admin, engineRun(question, options)));
  const { points } = engine;
  const [fromMs, untilMs] = timesOf(points, WARM_UP * samples, samples);
  return {
    bare: bareRun,
    parsed: parsedRun,
    steady: steadyOf(engine, samples),
    // From the first record that was seen done: what starting takes is said nowhere.
    wholePerSecond: stretch(points, points.find(({ begun }) => begun > 0)!.begun, samples).perSecond,
    engine,
    void:
      question.featureRecordsOwed === null
        ? null
        : judgeFloor({
            gpus: options.gpus,
            rows: engine.rows,
            waits: engine.waits,
            fromMs,
            untilMs,
            featureRecords: engine.written.features ?? 0,
            featureRecordsOwed: question.featureRecordsOwed,
          }),
  };
}

const steadyOf = ({ points }: Observed, samples: number): Stretch => stretch(points, WARM_UP * samples, samples);

/** Does it again where what was measured is not what was meant. */
export async function unspoilt<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RunSpoilt) || attempt === TRIES) throw error;
      say(`once more: ${error.message}`);
    }
  }
}

function summary(
  cluster: Cluster,
  question: Throughput,
  options: ThroughputOptions,
  repeats: readonly Repeat[],
): Record<string, unknown> {
  const over = (figure: (repeat: Repeat) => number): Spread => spreadOf(repeats.map(figure));
  const rate = over(({ steady }) => steady.perSecond);
  const bare = over((repeat) => repeat.bare.perSecond);
  const cpu = over(({ steady }) => steady.cpuMicros);
  const rss = over(({ engine }) => peakRssMb(engine.points));
  const reasons = repeats.flatMap((repeat) => repeat.void ?? []);
  const last = repeats.at(-1)!;
  return {
    bench: question.bench,
    void: reasons[0] ?? null,
    samplesPerSecond: rate.median,
    samplesPerSecondSpread: [rate.min, rate.max],
    wholeRunSamplesPerSecond: over(({ wholePerSecond }) => wholePerSecond).median,
    bareSamplesPerSecond: bare.median,
    bareSamplesPerSecondSpread: [bare.min, bare.max],
    ratio: over((repeat) => repeat.steady.perSecond / repeat.bare.perSecond).median,
    ...(question.parsed
      ? {
          bareParsedSamplesPerSecond: over(({ parsed }) => parsed!.perSecond).median,
          ratioToParsed: over(({ steady, parsed }) => steady.perSecond / parsed!.perSecond).median,
          bareParsedCpuMicrosPerSample: over(({ parsed }) => parsed!.cpuMicros).median,
        }
      : {}),
    cpuMicrosPerSample: cpu.median,
    cpuMicrosPerSampleSpread: [cpu.min, cpu.max],
    bareCpuMicrosPerSample: over((repeat) => repeat.bare.cpuMicros).median,
    brokerCpuMicrosPerSample: over(({ steady }) => steady.brokerCpuMicros).median,
    rssMb: Math.round(rss.median),
    pssMb: Math.round(over(({ engine }) => peakPssMb(engine.points)).median),
    highWaterMb: Math.round(over(({ engine }) => engine.highWaterMb).median),
    longestPauseMs: Math.round(over(({ engine }) => steadyLongest(engine, engine.pauses, question.samples)).max),
    ...(question.featureRecordsOwed === null
      ? {}
      : {
          rowsScored: last.engine.rows.at(-1)!.count,
          rowsScoredPerSecond: over(({ engine }) => rowsPerSecond(engine, question.samples)).median,
          duePointsSkipped: last.engine.skipped,
          longestWaitMs: Math.round(over(({ engine }) => steadyLongest(engine, engine.waits, question.samples)).max),
          featureRecordsOwed: question.featureRecordsOwed,
        }),
    ...question.more?.(rate.median),
    recordsWritten: last.engine.written,
    deadLetters: last.engine.deadLetters,
    shareOfProcesses: sharesOf(last.engine.share),
    settings: {
      gpus: options.gpus,
      samples: question.samples,
      repeats: options.repeats,
      warmUpRepeats: warmUpRepeatsOn(cluster, options.warmUpRepeats),
      warmUpShare: WARM_UP,
      cadenceMs: options.cadenceMs,
      processes: options.processes,
      roles: question.roles.join(','),
      partitions: options.partitions,
      windowsPrefilled: question.run.prefill,
      config: question.run.config,
      set: options.set,
    },
    ...provenance(cluster.version),
  };
}

/** Largest of what was looked at in the steady stretch. */
function steadyLongest({ points }: Observed, values: readonly Count[], samples: number): number {
  return longestOf(values, ...timesOf(points, WARM_UP * samples, samples));
}

function rowsPerSecond({ points, rows }: EngineObserved, samples: number): number {
  const [fromMs, untilMs] = timesOf(points, WARM_UP * samples, samples);
  return leastIncrease(rows, fromMs, untilMs, untilMs - fromMs) / ((untilMs - fromMs) / 1000);
}

function sharesOf(counts: readonly number[]): number[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => significant(count / sum, 3));
}

function told({ bare, parsed, steady, engine, void: reason }: Repeat): string {
  const thousands = (value: number): string => `${Math.round(value / 1000)}k/s`;
  return (
    `${thousands(steady.perSecond)} at ${steady.cpuMicros.toFixed(2)} µs of CPU, ${Math.round(peakRssMb(engine.points))} MB; ` +
    `bare ${thousands(bare.perSecond)}${parsed === null ? '' : `, with JSON.parse ${thousands(parsed.perSecond)}`}` +
    (reason === null ? '' : `; VOID: ${reason}`)
  );
}
