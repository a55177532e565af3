import { setTimeout as delay } from 'node:timers/promises';
import { topicName } from '../schema/topics.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import type { Cluster } from './support/cluster.js';
import { EngineProcesses, type EngineProcess } from './support/engine-process.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import type { RunOptions } from './support/options.js';
import { connectionTo, fillWindows, START_MS, writeBatches } from './support/prepare.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';

/** Checkpoints are as the engine writes them, only sooner: a cut a second. */
const CUT_EVERY_MS = 1_000;
/** Ring records that a cut takes, times GPUs in one; see topology/score/checkpoint-writer.ts. */
const RING_GPUS_PER_CUT = 512;
const READY_TIMEOUT_MS = 30 * 60_000;
const CADENCE_MS = 10_000;

interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly msg: string;
  readonly ms?: number;
  readonly gpus?: number;
}

/** Seven full days of each GPU, score killed with −9 and started again: from assignment to ready, and from the kill. */
export async function benchRecovery(cluster: Cluster, options: RunOptions): Promise<object> {
  const { gpus, partitions } = options;
  const admin = await KafkaAdmin.open(cluster);
  const prefix = `bench-${Date.now()}.`;
  const engine = {
    processes: [['score'] as const],
    config: {
      kafka: { brokers: cluster.brokers, topicPrefix: prefix, partitions },
      checkpoint: { intervalMs: CUT_EVERY_MS },
      score: { adaptive: false },
    },
    sets: options.set,
  };
  try {
    await createTopics(connectionTo(cluster, prefix), partitions, -1);
    await fillWindows(cluster, admin, prefix, gpus, START_MS);
    const first = await EngineProcesses.start(cluster, engine);
    await untilReady(first.all[0]);
    const samples = topicName(prefix, 'samples');
    // A cut is taken where there is something new: as many rounds of readings as it takes cuts to have every ring.
    const cuts = Math.ceil(gpus / partitions / RING_GPUS_PER_CUT) + 3;
    for (let round = 0; round < cuts; round++) {
      await writeBatches(cluster, prefix, gpus, 1, () => START_MS + round * CADENCE_MS);
      await untilCommitted(admin, prefix, samples);
      await delay(CUT_EVERY_MS);
    }
    say(`${cuts} rounds scored; killing the process`);
    const killedMs = Date.now();
    first.all[0].running.kill('SIGKILL');
    await first.stop();
    const second = await EngineProcesses.start(cluster, engine);
    const readyMs = await untilReady(second.all[0]);
    const restored = linesOf(second.all[0]).findLast(({ msg }) => msg === 'windows restored')!;
    await second.stop();
    const assignedMs = Date.parse(restored.time) - restored.ms!;
    return {
      bench: 'recovery',
      gpus,
      partitions,
      restoredGpus: restored.gpus,
      restoreSeconds: seconds(restored.ms!),
      assignedToReadySeconds: seconds(readyMs - assignedMs),
      killToReadySeconds: seconds(readyMs - killedMs),
      checkpointRecords: await admin.written(topicName(prefix, 'checkpoints')),
      ...provenance(),
    };
  } finally {
    await admin.close();
  }
}

/** @returns when it answered that it is ready, epoch ms. @throws Error where it ends, or takes too long */
async function untilReady({ url, running }: EngineProcess): Promise<number> {
  const until = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return Date.now();
    if (running.child.exitCode !== null || Date.now() > until) throw new Error(`not ready: ${running.output()}`);
    await delay(50);
  }
}

async function untilCommitted(admin: KafkaAdmin, prefix: string, samples: string): Promise<void> {
  const end = await admin.written(samples);
  while ((await admin.committed(`${prefix}gpu-actuary.score`, samples)) < end) await delay(50);
}

const linesOf = ({ running }: EngineProcess): LogLine[] =>
  running
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine);

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
