import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../support/cluster.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { observe, type Observed } from '../support/observe.js';
import { start, type Running } from '../support/processes.js';
import { removeScratch, scratchDirectory } from '../support/scratch.js';
import type { PeerPrograms } from './build.js';

export const PEERS = { flink: 'FlinkPeer', streams: 'StreamsPeer' } as const;
export type PeerName = keyof typeof PEERS;

export const GUARANTEES = ['at-least-once', 'exactly-once'] as const;
export type Guarantee = (typeof GUARANTEES)[number];

/** One run of a peer over a topic, on empty state, to the end of what the topic holds now. */
export interface PeerRun {
  readonly peer: PeerName;
  readonly guarantee: Guarantee;
  /** A feature vector out for each record, or for the first record of a GPU in an event minute. */
  readonly emit: 'minute' | 'record';
  /** Most heap of the JVM, as -Xmx takes it. */
  readonly heap: string;
  readonly partitions: number;
  readonly topic: string;
  readonly records: number;
  /** Records of the topic before those, which fill the windows. */
  readonly before: number;
  /** Looks at the output, complete and committed, before it is deleted. */
  readonly inspect?: (outputTopic: string) => Promise<void>;
}

export interface PeerObserved extends Observed {
  /** Records in its output topic at the end; at exactly-once, with the markers of transactions. */
  readonly written: number;
}

const PARALLELISM = 2;
/** How often state is made durable and, at exactly-once, output gets visible. */
export const CHECKPOINT_MS = 10_000;
const FINISH_TIMEOUT_MS = 120_000;
/** Flink's serialisation looks into these packages, which the runtime keeps shut since Java 16. */
const OPENS = ['java.util', 'java.lang', 'java.time'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
let runs = 0;

/** What a peer is started with, beside what is the same for all. */
export interface PeerSettings {
  readonly peer: PeerName;
  /** Of the application: its group, and the beginning of the names of its topics. */
  readonly name: string;
  readonly topic: string;
  readonly output: string;
  /** After which it commits and is finished. */
  readonly records: number;
  readonly guarantee: Guarantee;
  readonly emit: 'minute' | 'record';
  readonly heap: string;
  readonly checkpointMs: number;
  readonly sessionTimeoutMs?: number;
  /** For files of its own. */
  readonly directory: string;
}

/** What a peer tells of itself, as Progress.java has it. */
export interface PeerProgress {
  readonly records: number;
  /** Entries of its state that it has brought back, and how long that took from the first to the last; Streams only. */
  readonly restored: number;
  readonly restoringMs: number;
  readonly finished: boolean;
}

export interface StartedPeer {
  readonly running: Running;
  readonly progress: () => PeerProgress;
}

export function startPeer(cluster: Cluster, { classPath }: PeerPrograms, settings: PeerSettings): StartedPeer {
  const { peer, heap, guarantee, ...others } = settings;
  const told = {
    ...others,
    brokers: cluster.brokers.join(','),
    guarantee: guarantee === 'exactly-once' ? 'EXACTLY_ONCE' : 'AT_LEAST_ONCE',
    parallelism: PARALLELISM,
  };
  const command = [
    ...OPENS,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    // Two cores and throughput as the aim: the collector with the least work for each object.
    ...[`-Xmx${heap}`, '-XX:+UseParallelGC', '-XX:+ExitOnOutOfMemoryError'],
    ...['-cp', classPath, `gpuactuary.peers.${PEERS[peer]}`],
    ...Object.entries(told).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])),
  ];
  const running = start('java', command, { forget: /^\{"records"/ });
  let progress: PeerProgress = { records: 0, restored: 0, restoringMs: 0, finished: false };
  createInterface({ input: running.child.stdout! }).on('line', (line) => {
    if (line.startsWith('{"records"')) progress = JSON.parse(line) as PeerProgress;
  });
  return { running, progress: () => progress };
}

/** Runs a peer and watches it from outside; counted are records of the topic, not those that fill the windows. */
export async function runPeer(
  cluster: Cluster,
  admin: KafkaAdmin,
  programs: PeerPrograms,
  run: PeerRun,
): Promise<PeerObserved> {
  const { peer, topic, before, guarantee, emit, heap } = run;
  const name = `bench-${peer}-${Date.now()}-${++runs}`;
  const output = `${name}-features`;
  await admin.createTopic(output, run.partitions);
  const directory = scratchDirectory(peer);
  const { running, progress } = startPeer(cluster, programs, {
    ...{ peer, name, topic, output, guarantee, emit, heap, directory },
    records: before + run.records,
    checkpointMs: CHECKPOINT_MS,
  });
  try {
    const observed = await observe({
      processes: [running],
      brokerPid: cluster.pid,
      until: run.records,
      // Below 0 while the windows are being filled.
      look: () => Promise.resolve(progress().records - before),
    });
    const until = Date.now() + FINISH_TIMEOUT_MS;
    while (!progress().finished) {
      if (running.child.exitCode !== null) throw new Error(`${peer} ended early: ${running.output()}`);
      if (Date.now() > until) {
        // On this signal, a JVM prints what each of its threads is at.
        running.kill('SIGQUIT');
        await delay(2_000);
        throw new Error(`${peer} does not commit its last output: ${running.output()}`);
      }
      await delay(50);
    }
    await run.inspect?.(output);
    return { ...observed, written: await admin.written(output) };
  } finally {
    await running.stop(2_000);
    removeScratch(directory);
    await admin.deleteTopics([output]);
  }
}
