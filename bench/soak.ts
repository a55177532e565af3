import { setTimeout as delay } from 'node:timers/promises';
import { DAY_MS } from '../schema/clock.js';
import { TOPICS, topicName, type TopicKey } from '../schema/topics.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import type { Cluster } from './support/cluster.js';
import { EngineProcesses } from './support/engine-process.js';
import { sumOf } from './support/exposition.js';
import { growthOf, type Minute } from './support/growth.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import type { RunOptions } from './support/options.js';
import { connectionTo } from './support/prepare.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { median, significant } from './support/statistics.js';
import { Telemetry } from './support/telemetry.js';
import { usageOf } from './support/usage.js';

export interface SoakOptions extends RunOptions {
  readonly minutes: number;
  /** Messages a second, each a reading of a GPU. */
  readonly rate: number;
  /** Event time between a GPU's readings. */
  readonly cadenceMs: number;
  readonly processes: number;
}

/** Event times begin here: in the past, as a history that is read has them. */
const START_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** What is read and not yet scored when the last message is written. */
const CATCH_UP_MS = 120_000;

type Look = Pick<Minute, 'rssMb' | 'leastHeapMb' | 'leastExternalMb'>;

/**
 * Does memory stay where it is? A fleet is read for a long time at a steady rate, in which weeks of event time pass.
 * Windows are full after seven days of it; from then on what a process holds should not grow.
 */
export async function benchSoak(cluster: Cluster, options: SoakOptions): Promise<object> {
  const { gpus, partitions, minutes, rate, cadenceMs, processes, set } = options;
  const topicPrefix = `bench-${Date.now()}-soak.`;
  const topic = `${topicPrefix}raw`;
  const own = (Object.keys(TOPICS) as TopicKey[]).map((key) => topicName(topicPrefix, key));
  const admin = await KafkaAdmin.open(cluster);
  await admin.createTopic(topic, partitions);
  if (cluster.kind !== 'embedded') await createTopics(connectionTo(cluster, topicPrefix), partitions, -1);
  const telemetry = await Telemetry.open(cluster, topic, gpus);
  try {
    const engine = await EngineProcesses.start(cluster, {
      processes: Array.from({ length: processes }, () => ['ingest', 'score'] as const),
      config: {
        sources: [{ topics: [topic], format: 'wide-json-flat', keyed: true }],
        kafka: { brokers: cluster.brokers, topicPrefix, partitions },
      },
      sets: set,
    });
    try {
      await engine.ready();
      const seen = await watched(engine, telemetry, options);
      return {
        bench: 'soak',
        ...growthOf(seen),
        minutes: seen,
        settings: { gpus, partitions, minutes, rate, cadenceMs, processes, roles: 'ingest,score', set },
        ...provenance(cluster.version),
      };
    } finally {
      await engine.stop();
    }
  } finally {
    await telemetry.close();
    await admin.tidyUp([topic, ...own]);
    await admin.close();
  }
}

async function watched(engine: EngineProcesses, telemetry: Telemetry, options: SoakOptions): Promise<Minute[]> {
  const eventMsPerSecond = (options.rate / options.gpus) * options.cadenceMs;
  const minutes: Minute[] = [];
  let eventMs = START_MS;
  const beganMs = performance.now();
  for (let minute = 1; minute <= options.minutes; minute++) {
    const looks: Look[] = [];
    let samples = 0;
    while (performance.now() - beganMs < minute * MINUTE_MS) {
      const nextMs = performance.now() + LOOK_EVERY_MS;
      await telemetry.past(eventMs, (eventMs += eventMsPerSecond), options.cadenceMs);
      const metrics = await engine.metrics();
      samples = sumOf(metrics, 'gpu_actuary_score_samples_total');
      looks.push({
        rssMb: engine.all.reduce((sum, { running }) => sum + usageOf(running.child.pid!).rssMb, 0),
        leastHeapMb: sumOf(metrics, 'nodejs_heap_size_used_bytes') / 1e6,
        leastExternalMb: sumOf(metrics, 'nodejs_external_memory_bytes') / 1e6,
      });
      await delay(Math.max(0, nextMs - performance.now()));
    }
    const least = (of: (look: Look) => number): number => significant(Math.min(...looks.map(of)), 4);
    minutes.push({
      eventDays: significant((eventMs - START_MS) / DAY_MS, 3),
      samples,
      rssMb: Math.round(median(looks.map(({ rssMb }) => rssMb))),
      mostRssMb: Math.round(Math.max(...looks.map(({ rssMb }) => rssMb))),
      leastHeapMb: least(({ leastHeapMb }) => leastHeapMb),
      leastExternalMb: least(({ leastExternalMb }) => leastExternalMb),
    });
    const { eventDays, rssMb, leastHeapMb, leastExternalMb } = minutes.at(-1)!;
    say(
      `minute ${minute}: ${eventDays} days, ${samples} of ${telemetry.written} samples, RSS ${rssMb} MB, ` +
        `heap from ${leastHeapMb} MB, outside from ${leastExternalMb} MB`,
    );
  }
  await allScored(engine, telemetry.written);
  return minutes;
}

/** @throws Error where what was written is not all scored in time */
async function allScored(engine: EngineProcesses, written: number): Promise<void> {
  const until = performance.now() + CATCH_UP_MS;
  for (;;) {
    const samples = sumOf(await engine.metrics(), 'gpu_actuary_score_samples_total');
    if (samples >= written) return;
    if (performance.now() > until) throw new Error(`${samples} of ${written} samples are scored`);
    await delay(LOOK_EVERY_MS);
  }
}
