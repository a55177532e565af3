import { HOUR_MS } from '../schema/clock.js';
import { TOPICS, topicName, type TopicKey } from '../schema/topics.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import type { Cluster } from './support/cluster.js';
import { EngineProcesses } from './support/engine-process.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import type { RunOptions } from './support/options.js';
import { connectionTo } from './support/prepare.js';
import { Pressure, type Stretch } from './support/pressure.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';
import { Telemetry } from './support/telemetry.js';

export const CASES = ['burst', 'behind'] as const;
export type OverloadCase = (typeof CASES)[number];

export interface OverloadOptions extends RunOptions {
  readonly case: OverloadCase | 'both';
  /** Between a GPU's readings while the fleet lives by the wall clock. */
  readonly cadenceMs: number;
  readonly liveSeconds: number;
  readonly burstFactor: number;
  readonly burstSeconds: number;
  readonly behindHours: number;
  readonly behindCadenceMs: number;
  readonly steadySamples: number;
  readonly processes: number;
}

/** The engine whose condition is looked at, and what feeds it. */
interface Scene {
  readonly telemetry: Telemetry;
  readonly start: () => Promise<{ readonly pressure: Pressure; readonly stop: () => Promise<void> }>;
}

/**
 * More than can be kept up with: a fleet that sends a hundred times as much for a minute, and a consumer that comes back
 * a day behind. Memory, rate, what is passed over and how late it all is, before, meanwhile and afterwards.
 */
export async function benchOverload(cluster: Cluster, options: OverloadOptions): Promise<object> {
  const admin = await KafkaAdmin.open(cluster);
  try {
    const results: Record<string, object> = {};
    for (const one of CASES)
      if (options.case === 'both' || options.case === one) results[one] = await inScene(cluster, admin, options, one);
    const reasons = Object.values(results).flatMap((result) => Object.values(result).flatMap(overLimit));
    const { gpus, partitions, cadenceMs, processes, set } = options;
    return {
      bench: 'overload',
      void: reasons[0] ?? null,
      ...results,
      settings: { gpus, partitions, cadenceMs, processes, roles: 'ingest,score', set },
      ...provenance(cluster.version),
    };
  } finally {
    await admin.close();
  }
}

async function inScene(
  cluster: Cluster,
  admin: KafkaAdmin,
  options: OverloadOptions,
  one: OverloadCase,
): Promise<object> {
  const topicPrefix = `bench-${Date.now()}-${one}.`;
  const topic = `${topicPrefix}raw`;
  await admin.createTopic(topic, options.partitions);
  if (cluster.kind !== 'embedded') await createTopics(connectionTo(cluster, topicPrefix), options.partitions, -1);
  const telemetry = await Telemetry.open(cluster, topic, options.gpus);
  const scene: Scene = {
    telemetry,
    async start() {
      const engine = await EngineProcesses.start(cluster, {
        processes: Array.from({ length: options.processes }, () => ['ingest', 'score'] as const),
        config: {
          sources: [{ topics: [topic], format: 'wide-json-flat', keyed: true }],
          kafka: { brokers: cluster.brokers, topicPrefix, partitions: options.partitions },
        },
        sets: options.set,
      });
      await engine.ready();
      const pressure = new Pressure(engine);
      return {
        pressure,
        async stop() {
          await pressure.end();
          await engine.stop();
        },
      };
    },
  };
  try {
    return one === 'burst' ? await burst(scene, options) : await behind(scene, options);
  } finally {
    await telemetry.close();
    const own = (Object.keys(TOPICS) as TopicKey[]).map((key) => topicName(topicPrefix, key));
    await admin.tidyUp([topic, ...own]);
  }
}

/** A hundred times as many readings for a minute, to a fleet that is kept up with before and afterwards. */
async function burst(scene: Scene, options: OverloadOptions): Promise<object> {
  const { telemetry } = scene;
  const usual = options.gpus / (options.cadenceMs / 1000);
  const { pressure, stop } = await scene.start();
  try {
    const quiet = async (): Promise<Stretch> => {
      pressure.begin();
      await telemetry.live(usual, 1000 * options.liveSeconds);
      await pressure.until(telemetry.written);
      return pressure.stretch();
    };
    // Windows and code come into being first.
    await quiet();
    const before = await quiet();
    say(`before: ${told(before)}; ${options.burstFactor} times as much for ${options.burstSeconds} s`);
    pressure.begin();
    const offered = await telemetry.live(usual * options.burstFactor, 1000 * options.burstSeconds);
    await pressure.until(telemetry.written);
    const during = pressure.stretch();
    const caughtUpSeconds = significant(Math.max(0, during.seconds - options.burstSeconds), 3);
    say(`burst: ${told(during)}; caught up ${caughtUpSeconds} s after its end`);
    const after = await quiet();
    return { before, during, after, offeredPerSecond: significant(offered), caughtUpSeconds };
  } finally {
    await stop();
  }
}

/** An engine that was stopped, and comes back to a day of readings; beside it, a load of readings at the usual cadence. */
async function behind(scene: Scene, options: OverloadOptions): Promise<object> {
  const { telemetry } = scene;
  const { gpus, cadenceMs } = options;
  const dayMs = options.behindHours * HOUR_MS;
  const steadyMs = (options.steadySamples / gpus) * cadenceMs;
  const beganMs = Date.now() - dayMs - steadyMs;
  const drain = async (): Promise<Stretch> => {
    const { pressure, stop } = await scene.start();
    try {
      await pressure.until(telemetry.written - done);
      done = telemetry.written;
      return pressure.stretch();
    } finally {
      await stop();
    }
  };
  let done = 0;
  await telemetry.past(beganMs - cadenceMs, beganMs, cadenceMs);
  await drain();
  await telemetry.past(beganMs, beganMs + steadyMs, cadenceMs);
  say(`${options.steadySamples} readings every ${cadenceMs / 1000} s of event time are there`);
  const steady = await drain();
  say(`steady: ${told(steady)}`);
  await telemetry.past(beganMs + steadyMs, beganMs + steadyMs + dayMs, options.behindCadenceMs);
  const { pressure, stop } = await scene.start();
  try {
    await pressure.until(telemetry.written - done);
    const catchingUp = pressure.stretch();
    say(`${options.behindHours} hours behind: ${told(catchingUp)}`);
    pressure.begin();
    await telemetry.live(gpus / (cadenceMs / 1000), 1000 * options.liveSeconds);
    await pressure.until(telemetry.written - done);
    const after = pressure.stretch();
    const ratio = significant(catchingUp.samplesPerSecond / steady.samplesPerSecond, 3);
    return { steady, catchingUp, after, ratio };
  } finally {
    await stop();
  }
}

const told = ({ samplesPerSecond, peakRssMb, peakBufferedMb, duePointsSkipped, latenessSeconds }: Stretch): string =>
  `${Math.round(samplesPerSecond / 1000)}k/s, ${peakRssMb} MB, ${peakBufferedMb} MB of it buffered, ` +
  `${duePointsSkipped} due points passed over, ${latenessSeconds.most} s late at most`;

function overLimit(stretch: unknown): string[] {
  const { peakBufferedMb, bufferLimitMb } = stretch as Partial<Stretch>;
  return peakBufferedMb !== undefined && peakBufferedMb > bufferLimitMb!
    ? [`${peakBufferedMb} MB were buffered, and ${bufferLimitMb} MB are allowed`]
    : [];
}
