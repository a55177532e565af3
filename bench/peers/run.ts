import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../support/cluster.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { observe, type Observed } from '../support/observe.js';
import { start } from '../support/processes.js';
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
  /** A topic that is read before, to fill the windows. */
  readonly prefill: { readonly topic: string; readonly records: number } | null;
  /** Looks at the output, complete and committed, before it is deleted. */
  readonly inspect?: (outputTopic: string) => Promise<void>;
}

export interface PeerObserved extends Observed {
  /** Records in its output topic at the end; at exactly-once, with the markers of transactions. */
  readonly written: number;
}

const PARALLELISM = 2;
/** How often state is made durable and, at exactly-once, output gets visible. */
const CHECKPOINT_MS = 10_000;
const FINISH_TIMEOUT_MS = 120_000;
/** Flink's serialisation looks into these packages, which the runtime keeps shut since Java 16. */
const OPENS = ['java.util', 'java.lang', 'java.time'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
let runs = 0;

/** Runs a peer and watches it from outside; counted are records of the topic, not those that fill the windows. */
export async function runPeer(
  cluster: Cluster,
  admin: KafkaAdmin,
  { classPath }: PeerPrograms,
  run: PeerRun,
): Promise<PeerObserved> {
  const name = `bench-${run.peer}-${Date.now()}-${++runs}`;
  const output = `${name}-features`;
  await admin.createTopic(output, run.partitions);
  const directory = scratchDirectory(run.peer);
  const settings = {
    name,
    brokers: cluster.brokers.join(','),
    topic: run.topic,
    ...(run.prefill === null ? {} : { prefillTopic: run.prefill.topic }),
    output,
    records: run.records + (run.prefill?.records ?? 0),
    guarantee: run.guarantee === 'exactly-once' ? 'EXACTLY_ONCE' : 'AT_LEAST_ONCE',
    emit: run.emit,
    parallelism: PARALLELISM,
    checkpointMs: CHECKPOINT_MS,
    directory,
  };
  const command = [
    ...OPENS,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    // Two cores and throughput as the aim: the collector with the least work for each object.
    ...[`-Xmx${run.heap}`, '-XX:+UseParallelGC', '-XX:+ExitOnOutOfMemoryError'],
    ...['-cp', classPath, `gpuactuary.peers.${PEERS[run.peer]}`],
    ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
  ];
  const running = start('java', command, { forget: /^\{"records"/ });
  try {
    let told = { records: 0, finished: false };
    createInterface({ input: running.child.stdout! }).on('line', (line) => {
      if (line.startsWith('{"records"')) told = JSON.parse(line) as typeof told;
    });
    const observed = await observe({
      processes: [running],
      brokerPid: cluster.pid,
      until: run.records,
      // Below 0 while the windows are being filled.
      look: () => Promise.resolve(told.records - (run.prefill?.records ?? 0)),
    });
    const until = Date.now() + FINISH_TIMEOUT_MS;
    while (!told.finished) {
      if (running.child.exitCode !== null) throw new Error(`${run.peer} ended early: ${running.output()}`);
      if (Date.now() > until) {
        // On this signal, a JVM prints what each of its threads is at.
        running.kill('SIGQUIT');
        await delay(2_000);
        throw new Error(`${run.peer} does not commit its last output: ${running.output()}`);
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
