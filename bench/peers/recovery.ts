import { setTimeout as delay } from 'node:timers/promises';
import { HOUR_MS } from '../../schema/clock.js';
import type { Cluster } from '../support/cluster.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { WINDOW_HOURS, writeRaw } from '../support/prepare.js';
import { RAW_SHAPES } from '../support/raw-messages.js';
import { newRecords, seconds, spreads, type NewRecords } from '../support/kills.js';
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
const FLAT = RAW_SHAPES.find(({ format }) => format === 'wide-json-flat')!;

export interface PeerRecoveryOptions {
  readonly gpus: number;
  readonly partitions: number;
  /** With each of the two changelogs. */
  readonly kills: number;
  readonly sessionTimeoutMs: number;
}

/** How soon the application was back after a kill −9. */
type PeerBack = NewRecords & {
  /** Entries of its changelogs that it read. */
  readonly restoredEntries: number;
  readonly restoringSeconds: number;
};

type Back = ReturnType<typeof spreads<PeerBack>>;

/**
 * The Kafka Streams application with seven days in the windows of each GPU, killed with −9 when all is committed, and
 * started again at once while readings come: as bench/recovery.ts does with the engine. Once with a changelog that has
 * little more than the state itself, as after compaction, and once with an hour of readings more in it: the broker
 * compacts no segment that is being written, and those have a gigabyte.
 */
export async function recoverStreams(
  cluster: Cluster,
  admin: KafkaAdmin,
  { gpus, partitions, kills, sessionTimeoutMs }: PeerRecoveryOptions,
): Promise<{ readonly compact: Back; readonly hourMore: Back }> {
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
  const checkRuns = (): void => {
    if (peer?.running.child.exitCode !== null) throw new Error(`the peer has ended: ${peer?.running.output()}`);
  };
  let rounds = 0;
  const read = async (count: number): Promise<void> => {
    await writeRaw(cluster, topic, FLAT, { gpus, cadenceMs: CADENCE_MS }, count * gpus, rounds);
    rounds += count;
  };
  let peer: StartedPeer | undefined;
  /** Kills it and starts it again. */
  const kill = async (): Promise<PeerBack> => {
    const end = await admin.written(topic);
    while ((await admin.committed(name, topic)) < end) {
      checkRuns();
      await delay(20);
    }
    const killedMs = Date.now();
    peer!.running.kill('SIGKILL');
    await peer!.running.stop();
    peer = begin(COMMIT_MS);
    await read(1);
    const records = await newRecords(admin, name, topic, killedMs, end, checkRuns);
    const { restored, restoringMs } = peer.progress();
    const back = { restoredEntries: restored, restoringSeconds: seconds(restoringMs), ...records };
    say(`Kafka Streams: ${JSON.stringify(back)}`);
    return back;
  };
  const killRepeatedly = async (): Promise<Back> => {
    const backs: PeerBack[] = [];
    while (backs.length < kills) backs.push(await kill());
    return spreads(backs);
  };
  try {
    await writeRaw(cluster, topic, FLAT, { gpus, cadenceMs: HOUR_MS }, gpus * WINDOW_HOURS, -WINDOW_HOURS);
    peer = begin(CHECKPOINT_MS);
    const compact = await killRepeatedly();
    await read(HOUR_OF_READINGS);
    const hourMore = await killRepeatedly();
    return { compact, hourMore };
  } finally {
    await peer?.running.stop(2_000);
    removeScratch(directory);
    await admin.deleteTopics([topic, output]);
  }
}
