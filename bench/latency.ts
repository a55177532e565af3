import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { AvroCodec } from '../schema/avro.js';
import { HOUR_MS } from '../schema/clock.js';
import type { PredictionRecord } from '../schema/records.js';
import { topicName } from '../schema/topics.js';
import { migrateDatabase } from '../topology/commands/db.js';
import { startEmbeddedPostgres } from '../topology/embedded/postgres.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import type { RoleName } from '../topology/runtime.js';
import { Arrivals } from './support/arrivals.js';
import type { Cluster } from './support/cluster.js';
import { EngineProcesses } from './support/engine-process.js';
import { EngineWatch } from './support/engine-watch.js';
import { byLabel, sumOf } from './support/exposition.js';
import { endOnInterrupt } from './support/interrupt.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import { latencyFigures } from './support/latency-figures.js';
import { LiveFleet, type Round } from './support/live-fleet.js';
import { ModelSwitches, WATCH_MS } from './support/model-switches.js';
import type { RunOptions } from './support/options.js';
import { connectionTo, fillWindows } from './support/prepare.js';
import { provenance } from './support/provenance.js';
import { awaitJump, predictionOf, type Jump } from './support/risk-jumps.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';
import { Watcher } from './support/watcher.js';

export interface LatencyOptions extends RunOptions {
  readonly cadenceMs: number;
  readonly rounds: number;
  readonly warmUpRounds: number;
  readonly burstRounds: number;
  readonly burstMs: number;
  readonly switchRounds: number;
  readonly together: boolean;
  readonly database: boolean;
  readonly prefill: boolean;
}

/** Readings without a prediction that a run may have: those in hand when it ended. */
const MISSING_SHARE = 0.001;
const LAST_ONES_MS = 5_000;
const JUMP_EVERY_MS = 1_000;
/** A reading that is sent later than this was kept by the benchmark, and the figures are not the engine's. */
const LATE_MS = 100;

/**
 * How long a reading takes to its prediction, and to whoever asks for it over HTTP: a fleet that lives by the wall
 * clock, all roles on this machine, each GPU read once a period.
 */
export async function benchLatency(cluster: Cluster, options: LatencyOptions): Promise<object> {
  const admin = await KafkaAdmin.open(cluster);
  const postgres = options.database ? await startEmbeddedPostgres() : null;
  const models = await ModelSwitches.make(options.switchRounds * options.cadenceMs);
  const forget = endOnInterrupt(async () => postgres?.stop());
  try {
    if (postgres !== null) await migrateDatabase(postgres.url);
    return await live(cluster, admin, postgres?.url ?? null, models, options);
  } finally {
    models.remove();
    await postgres?.stop();
    forget();
    await admin.close();
  }
}

async function live(
  cluster: Cluster,
  admin: KafkaAdmin,
  databaseUrl: string | null,
  models: ModelSwitches,
  options: LatencyOptions,
): Promise<object> {
  const topicPrefix = `bench-${Date.now()}.`;
  const topic = `${topicPrefix}raw`;
  await admin.createTopic(topic, options.partitions);
  if (cluster.kind !== 'embedded') await createTopics(connectionTo(cluster, topicPrefix), options.partitions, -1);
  if (options.prefill) {
    await fillWindows(cluster, admin, topicPrefix, options.gpus, Math.floor(Date.now() / HOUR_MS) * HOUR_MS);
    say(`windows of ${options.gpus} GPUs are filled with seven days`);
  }
  const rest: RoleName[] = databaseUrl === null ? ['serve'] : ['load', 'serve'];
  const processes: RoleName[][] = options.together ? [['ingest', 'score', ...rest]] : [['ingest', 'score'], rest];
  const config = {
    sources: [{ topics: [topic], format: 'wide-json-flat', keyed: true }],
    predictions: { emit: 'always' },
    model: { directory: models.directory, watchMs: WATCH_MS },
    ...(databaseUrl === null ? {} : { database: { url: databaseUrl } }),
  };
  const engine = await EngineProcesses.start(cluster, {
    processes,
    config: { ...config, kafka: { brokers: cluster.brokers, topicPrefix, partitions: options.partitions } },
    sets: options.set,
  });
  const burstRound = options.warmUpRounds + options.rounds + options.switchRounds;
  const rounds = burstRound + options.burstRounds;
  const predicted = new Arrivals(options.gpus, rounds);
  const raw = new Arrivals(options.gpus, rounds);
  const fleet = new LiveFleet(cluster, topic, options.gpus, (gpu, round, atMs) => {
    predicted.sent(gpu, round, atMs);
    raw.sent(gpu, round, atMs);
  });
  const gpuOf = new Map(fleet.uuids.map((uuid, gpu) => [uuid, gpu]));
  const sent: Round[] = [];
  /** Which round a GPU's reading at an event time belongs to. */
  const roundOf = (gpu: number, timeMs: number): number =>
    sent.findIndex((round) => fleet.timeOf(round, gpu) === timeMs);
  const codec = await AvroCodec.open(null, topicPrefix);
  const watchers = [
    new Watcher(cluster, topicName(topicPrefix, 'predictions'), ({ value }, atMs) => {
      const { gpu_uuid, as_of } = codec.decodeKnown<PredictionRecord>('predictions', value!);
      const gpu = gpuOf.get(gpu_uuid)!;
      const round = roundOf(gpu, as_of);
      if (round >= 0) predicted.met(gpu, round, atMs);
    }),
    // A bare consumer beside it: what Kafka and this client take of the latency.
    new Watcher(cluster, topic, ({ key, timestamp }, atMs) => {
      const gpu = gpuOf.get(key!.toString('latin1'))!;
      raw.met(gpu, roundOf(gpu, Number(timestamp)), atMs);
    }),
  ];
  const own = monitorEventLoopDelay({ resolution: 10 });
  try {
    await engine.ready();
    await fleet.open();
    for (const watcher of watchers) await watcher.open();
    say(`${processes.map((roles) => roles.join(',')).join(' and ')}: ready; ${options.warmUpRounds} rounds of warm-up`);
    const watch = new EngineWatch(engine);
    const send = async (count: number, spreadMs: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const last = sent.at(-1);
        const startMs =
          last === undefined
            ? Math.ceil(Date.now() / options.cadenceMs) * options.cadenceMs
            : last.startMs + options.cadenceMs;
        sent.push({ startMs, spreadMs });
        await fleet.sendRound(sent.length - 1, sent.at(-1)!);
      }
    };
    await send(options.warmUpRounds, options.cadenceMs);
    await watch.begin();
    own.enable();
    fleet.latestMs = 0;
    const jumps: (Jump | null)[] = [];
    const jumping = jump(fleet, engine.all.at(-1)!.url, sent, jumps, predicted, options);
    await send(options.rounds, options.cadenceMs);
    const steady = await watch.end();
    own.disable();
    const lateMs = fleet.latestMs;
    await jumping;
    say(`${options.rounds} rounds measured; ${options.switchRounds} with another model every moment`);
    await watch.begin();
    const switched = models.run();
    await send(options.switchRounds, options.cadenceMs);
    const switches = await switched;
    const switching = await watch.end();
    const metrics = await engine.metrics();
    const taken = sumOf(metrics, 'gpu_actuary_model_switches_total');
    const refused = byLabel(metrics, 'gpu_actuary_models_refused_total', 'code');
    say(
      `${switches} models, ${taken} of which answered, and ${JSON.stringify(refused)} were refused; ${options.burstRounds} rounds with all GPUs in ${options.burstMs} ms`,
    );
    await watch.begin();
    await send(options.burstRounds, options.burstMs);
    await delay(LAST_ONES_MS);
    const burst = await watch.end();

    const untilRound = options.warmUpRounds + options.rounds;
    const even = predicted.latencies(options.warmUpRounds, untilRound);
    const bare = raw.latencies(options.warmUpRounds, untilRound);
    const inSwitches = predicted.latencies(untilRound, burstRound);
    const inBurst = predicted.latencies(burstRound, rounds);
    const readings = options.gpus * options.rounds;
    const seconds = (options.rounds * options.cadenceMs) / 1000;
    const came = jumps.filter((one) => one !== null);
    return {
      bench: 'latency',
      void: judge(even.missing, readings, lateMs, came.length, jumps.length),
      ...latencyFigures(even.sorted),
      predictions: even.sorted.length,
      missing: even.missing,
      bare: latencyFigures(bare.sorted),
      http: {
        ...latencyFigures(Float64Array.from(came, ({ latencyMs }) => latencyMs).sort()),
        jumps: came.length,
        rose: came.filter(({ rise }) => rise > 0.1).length,
      },
      longestPauseMs: steady.longestPauseMs,
      switching: {
        ...latencyFigures(inSwitches.sorted),
        models: switches,
        taken,
        refused,
        predictions: inSwitches.sorted.length,
        missing: inSwitches.missing,
        longestPauseMs: switching.longestPauseMs,
      },
      burst: {
        ...latencyFigures(inBurst.sorted),
        spreadMs: options.burstMs,
        predictions: inBurst.sorted.length,
        missing: inBurst.missing,
        longestPauseMs: burst.longestPauseMs,
      },
      samplesPerSecond: significant(even.sorted.length / seconds),
      bareSamplesPerSecond: significant(bare.sorted.length / seconds),
      ratio: significant(even.sorted.length / bare.sorted.length),
      cpuMicrosPerSample: significant((1e6 * steady.cpuSeconds) / readings),
      rssMb: steady.rssMb,
      highWaterMb: burst.highWaterMb,
      benchmark: { latestReadingMs: significant(lateMs, 3), longestPauseMs: Math.round(own.max / 1e6) },
      settings: {
        gpus: options.gpus,
        cadenceMs: options.cadenceMs,
        rounds: options.rounds,
        warmUpRounds: options.warmUpRounds,
        switchRounds: options.switchRounds,
        burstRounds: options.burstRounds,
        processes: processes.map((roles) => roles.join(',')),
        partitions: options.partitions,
        database: databaseUrl === null ? 'none' : 'embedded PostgreSQL',
        windowsPrefilled: options.prefill,
        emit: 'always',
        set: options.set,
      },
      ...provenance(cluster.version),
    };
  } finally {
    await Promise.all(watchers.map((watcher) => watcher.close()));
    await fleet.close();
    await engine.stop();
  }
}

/** Makes one GPU after the other show faults, while the measured rounds go on, and asks for its prediction. */
async function jump(
  fleet: LiveFleet,
  url: string,
  sent: readonly Round[],
  jumps: (Jump | null)[],
  arrivals: Arrivals,
  { rounds, warmUpRounds, cadenceMs, gpus }: LatencyOptions,
): Promise<void> {
  const pending: Promise<void>[] = [];
  const perRound = Math.floor(cadenceMs / JUMP_EVERY_MS);
  for (let round = warmUpRounds; round < warmUpRounds + rounds; round++) {
    while (sent.length <= round) await delay(1);
    for (let index = 0; index < perRound; index++) {
      // Another GPU each time, which is read in the second half of the interval.
      const gpu = Math.floor(((index + 0.5) / perRound) * gpus) + (round - warmUpRounds);
      const timeMs = fleet.timeOf(sent[round], gpu);
      await delay(Math.max(0, timeMs - JUMP_EVERY_MS / 4 - Date.now()));
      const before = await predictionOf(url, fleet.uuids[gpu]);
      if (before === null || Date.now() >= timeMs) continue;
      fleet.fail(gpu);
      pending.push(
        awaitJump(url, fleet.uuids[gpu], timeMs, before, () => arrivals.sentAt(gpu, round)).then((seen) => {
          jumps.push(seen);
        }),
      );
    }
  }
  await Promise.all(pending);
}

function judge(missing: number, readings: number, lateMs: number, came: number, asked: number): string | null {
  if (missing > MISSING_SHARE * readings) return `${missing} of ${readings} readings got no prediction that was seen`;
  if (lateMs > LATE_MS) return `the benchmark sent a reading ${Math.round(lateMs)} ms late`;
  if (came < asked || asked === 0) return `${asked - came} of ${asked} jumps were never seen over HTTP`;
  return null;
}
