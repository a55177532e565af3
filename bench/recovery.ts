import { setTimeout as delay } from 'node:timers/promises';
import { topicName } from '../schema/topics.js';
import { openSink } from '../topology/kafka/connection.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import { gpusByPartition } from './fleet.js';
import { recoverStreams } from './peers/recovery.js';
import { FilledFleet, OPEN_MS, type CheckpointCost } from './support/checkpoints.js';
import type { Cluster } from './support/cluster.js';
import { EngineProcesses, type EngineProcess } from './support/engine-process.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import type { RunOptions } from './support/options.js';
import { connectionTo, writeBatches } from './support/prepare.js';
import { provenance } from './support/provenance.js';
import { newRecords, seconds, spreads, type NewRecords } from './support/kills.js';
import { say } from './support/say.js';

const READY_TIMEOUT_MS = 30 * 60_000;
const CADENCE_MS = 10_000;
/** The default, told to engine and peer alike. */
const SESSION_TIMEOUT_MS = 10_000;
/** Readings of each GPU that were answered for since the cut: half a minute, of a minute between two cuts. */
const ROUNDS_AFTER_CUT = 3;
/** An hour later than the cut, a reading for each GPU closes hours: readings stay within the one that is open. */
const READ_FROM_MS = OPEN_MS + 15 * 60_000;

export interface RecoveryOptions extends RunOptions {
  readonly static: boolean;
  /** How often it is killed and started again. */
  readonly kills: number;
  /** To be killed and started again on the same broker, when the engine is back. */
  readonly peer?: 'streams';
}

interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly msg: string;
  readonly ms?: number;
  readonly gpus?: number;
}

/**
 * Seven full days of each GPU, with every counter and link, four hours of panes since their rings were written, and half
 * a minute of the source since the cut. score is started on that: from assignment to ready. Then it is killed with −9
 * while readings go on coming, and started again at once: from the kill to ready, to the first new records, and to the
 * whole round, when a new reading of every GPU is answered for. How long depends on when the broker last heard of the
 * member that was killed: several kills say more than one.
 */
export async function benchRecovery(cluster: Cluster, options: RecoveryOptions): Promise<object> {
  const { gpus, partitions } = options;
  const admin = await KafkaAdmin.open(cluster);
  const prefix = `bench-${Date.now()}.`;
  const samples = topicName(prefix, 'samples');
  const group = `${prefix}gpu-actuary.score`;
  const engine = {
    processes: [['score'] as const],
    config: {
      kafka: {
        ...{ brokers: cluster.brokers, topicPrefix: prefix, partitions, staticMembership: options.static },
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
      },
      score: { adaptive: false },
    },
    sets: options.set,
  };
  let round = 0;
  const read = async (): Promise<void> => {
    await writeBatches(cluster, prefix, gpus, 1, () => READ_FROM_MS + round * CADENCE_MS);
    round++;
  };
  try {
    await createTopics(connectionTo(cluster, prefix), partitions, -1);
    await read();
    const costs = await writeCheckpoints(cluster, prefix, gpus, await admin.ends(samples));
    for (let after = 0; after < ROUNDS_AFTER_CUT; after++) await read();
    await admin.commitEnds(group, samples);
    let processes = await EngineProcesses.start(cluster, engine);
    const assigned = await restored(processes.all[0]);
    say(`assigned to ready: ${assigned.assignedToReadySeconds} s`);
    const back: EngineBack[] = [];
    for (let kill = 1; kill <= options.kills; kill++) {
      // Records that were said before the kill are no new ones.
      await read();
      const end = await admin.written(samples);
      while ((await admin.committed(group, samples)) < end) await delay(50);
      const killedMs = Date.now();
      processes.all[0].running.kill('SIGKILL');
      await processes.stop();
      processes = await EngineProcesses.start(cluster, engine);
      const committing = (async () => {
        await read();
        return newRecords(admin, group, samples, killedMs, end);
      })();
      const { readyMs, assignedToReadySeconds } = await restored(processes.all[0]);
      back.push({ assignedToReadySeconds, killToReadySeconds: seconds(readyMs - killedMs), ...(await committing) });
      say(`kill ${kill}: ${JSON.stringify(back.at(-1))}`);
    }
    await processes.stop();
    const streams =
      options.peer === 'streams'
        ? {
            streams: await recoverStreams(cluster, admin, {
              ...{ gpus, partitions, kills: options.kills, sessionTimeoutMs: SESSION_TIMEOUT_MS },
            }),
          }
        : {};
    return {
      bench: 'recovery',
      gpus,
      partitions,
      staticMembership: options.static,
      ...assigned,
      afterKill: spreads(back),
      ...costs,
      ...streams,
      ...provenance(),
    };
  } finally {
    await admin.close();
  }
}

type EngineBack = NewRecords & { readonly assignedToReadySeconds: number; readonly killToReadySeconds: number };

async function writeCheckpoints(
  cluster: Cluster,
  prefix: string,
  gpus: number,
  offsets: readonly number[],
): Promise<object> {
  const sink = await openSink(connectionTo(cluster, prefix), 'bench', 16_000_000, say);
  const fleet = await FilledFleet.make(prefix);
  const costs: CheckpointCost[] = [];
  for (const [partition, uuids] of gpusByPartition(gpus, offsets.length).entries())
    costs.push(await fleet.write(sink, prefix, partition, uuids, offsets[partition]));
  await sink.close();
  const most = (of: (cost: CheckpointCost) => number): number => Math.round(Math.max(...costs.map(of)));
  const sum = (of: (cost: CheckpointCost) => number): number => costs.reduce((total, cost) => total + of(cost), 0);
  say(`checkpoints of ${gpus} GPUs written: ${Math.round(sum(({ bytes }) => bytes) / 1e6)} MB`);
  return {
    checkpointRecords: sum(({ records }) => records),
    checkpointMb: Math.round(sum(({ bytes }) => bytes) / 1e6),
    longestCutMs: most(({ cutMs }) => cutMs),
    longestPauseOfCutMs: most(({ cutPauseMs }) => cutPauseMs),
    digestMs: Math.round(sum(({ digestMs }) => digestMs)),
    longestPauseOfDigestMs: most(({ digestPauseMs }) => digestPauseMs),
  };
}

/** Waits until a process is ready. @throws Error where it ends, or takes too long */
async function restored(process: EngineProcess): Promise<{
  readonly restoredGpus: number;
  readonly restoreSeconds: number;
  readonly assignedToReadySeconds: number;
  readonly readyMs: number;
}> {
  const { url, running } = process;
  const until = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) break;
    if (running.child.exitCode !== null || Date.now() > until) throw new Error(`not ready: ${running.output()}`);
    await delay(50);
  }
  const readyMs = Date.now();
  const { time, ms, gpus } = linesOf(process).findLast(({ msg }) => msg === 'windows restored')!;
  return {
    readyMs,
    restoredGpus: gpus!,
    restoreSeconds: seconds(ms!),
    assignedToReadySeconds: seconds(readyMs - (Date.parse(time) - ms!)),
  };
}

const linesOf = ({ running }: EngineProcess): LogLine[] =>
  running
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine);
