import { setTimeout as delay } from 'node:timers/promises';
import { HOUR_MS } from '../../schema/clock.js';
import type { Cluster } from '../support/cluster.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { WINDOW_HOURS, writeRaw } from '../support/prepare.js';
import { RAW_SHAPES } from '../support/raw-messages.js';
import { say } from '../support/say.js';
import { removeScratch, scratchDirectory } from '../support/scratch.js';
import { buildPeers, peerNeeds } from './build.js';
import { CHECKPOINT_MS, startPeer, type StartedPeer } from './run.js';

/** What Streams takes at exactly once where nothing is set: so soon its records are visible, as the engine's. */
const COMMIT_MS = 100;
/** Readings of each GPU, an hour of them, that the longer changelog has on top. */
const HOUR_OF_READINGS = 360;
const CADENCE_MS = 10_000;
/** It is killed, and never finishes. */
const ALL_RECORDS = 2 ** 31 - 1;
const TIMEOUT_MS = 10 * 60_000;
const FLAT = RAW_SHAPES.find(({ format }) => format === 'wide-json-flat')!;

export interface PeerRecoveryOptions {
  readonly gpus: number;
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
}

/** How soon the application was back after a kill −9. */
interface PeerBack {
  /** Entries of its changelogs that it read. */
  readonly restoredEntries: number;
  readonly restoringSeconds: number;
  readonly killToFirstRecordsSeconds: number;
}

/**
 * The Kafka Streams application with seven days in the windows of each GPU, killed with −9 when all is committed, and
 * started again at once while readings come: as bench/recovery.ts does with the engine. Once with a changelog that has
 * little more than the state itself, as after compaction, and once with an hour of readings more in it: the broker
 * compacts no segment that is being written, and those have a gigabyte.
 */
export async function recoverStreams(
  cluster: Cluster,
  admin: KafkaAdmin,
  { gpus, partitions, sessionTimeoutMs }: PeerRecoveryOptions,
): Promise<{ readonly compact: PeerBack; readonly hourMore: PeerBack }> {
  if (cluster.kind === 'embedded') throw new Error('the peer needs a real broker, not --embedded');
  const missing = await peerNeeds();
  if (missing !== null) throw new Error(`${missing} is missing to build and run the peer`);
  const programs = await buildPeers();
  const name = `bench-streams-recovery-${Date.now()}`;
  const [topic, output] = [`${name}-raw`, `${name}-features`];
  for (const made of [topic, output]) await admin.createTopic(made, partitions);
  const directory = scratchDirectory('streams');
  const begin = (checkpointMs: number): StartedPeer =>
    startPeer(cluster, programs, {
      ...{ peer: 'streams', name, topic, output, directory, sessionTimeoutMs, checkpointMs },
      ...{ guarantee: 'exactly-once', emit: 'record', heap: '4g', records: ALL_RECORDS },
    });
  /** Waits until offsets are committed, and with them, in one transaction, what was made of the records. */
  const committed = async (peer: StartedPeer, records: number): Promise<void> => {
    const until = Date.now() + TIMEOUT_MS;
    while ((await admin.committed(name, topic)) < records) {
      if (peer.running.child.exitCode !== null || Date.now() > until)
        throw new Error(`the peer does not commit ${records} records: ${peer.running.output()}`);
      await delay(20);
    }
  };
  let rounds = 0;
  const read = async (count: number): Promise<void> => {
    await writeRaw(cluster, topic, FLAT, { gpus, cadenceMs: CADENCE_MS }, count * gpus, rounds);
    rounds += count;
  };
  let peer: StartedPeer | undefined;
  /** Kills it and starts it again. */
  const back = async (): Promise<PeerBack> => {
    const end = await admin.written(topic);
    await committed(peer!, end);
    const killedMs = Date.now();
    peer!.running.kill('SIGKILL');
    await peer!.running.stop();
    peer = begin(COMMIT_MS);
    await read(1);
    await committed(peer, end + 1);
    const killToFirstRecordsSeconds = seconds(Date.now() - killedMs);
    const { restored, restoringMs } = peer.progress();
    say(`Kafka Streams: ${killToFirstRecordsSeconds} s from the kill, ${restored} entries in ${restoringMs} ms`);
    return { restoredEntries: restored, restoringSeconds: seconds(restoringMs), killToFirstRecordsSeconds };
  };
  try {
    await writeRaw(cluster, topic, FLAT, { gpus, cadenceMs: HOUR_MS }, gpus * WINDOW_HOURS, -WINDOW_HOURS);
    peer = begin(CHECKPOINT_MS);
    const compact = await back();
    await read(HOUR_OF_READINGS);
    const hourMore = await back();
    return { compact, hourMore };
  } finally {
    await peer?.running.stop(2_000);
    removeScratch(directory);
    await admin.deleteTopics([topic, output]);
  }
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
