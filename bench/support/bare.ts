import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../schema/package-root.js';
import type { SourceClient } from '../../topology/kafka/source-client.js';
import type { Cluster } from './cluster.js';
import { observe, type Observed } from './observe.js';
import { start, type Running } from './processes.js';

export interface BareRun {
  readonly topic: string;
  readonly client: SourceClient['name'];
  /** Also JSON.parse of every record. */
  readonly parse: boolean;
  /** Consumers in one group, each a process. */
  readonly processes: number;
  readonly records: number;
}

/** Reads a topic to its end by as many bare consumers as the engine has processes: the least that reading costs. */
export async function drainBare(cluster: Cluster, run: BareRun): Promise<Observed> {
  const group = `bench-bare-${randomUUID()}`;
  const consumers = Array.from({ length: run.processes }, () => new BareConsumer(cluster, group, run));
  try {
    return await observe({
      processes: consumers.map(({ running }) => running),
      brokerPid: cluster.pid,
      until: run.records,
      look: () => Promise.resolve(consumers.reduce((sum, { records }) => sum + records, 0)),
    });
  } finally {
    await Promise.all(consumers.map(({ running }) => running.stop(0)));
  }
}

class BareConsumer {
  readonly running: Running;
  records = 0;

  constructor(cluster: Cluster, group: string, { topic, client, parse }: BareRun) {
    this.running = start(process.execPath, [
      join(packageRoot(), 'dist', 'bench', 'drain.js'),
      ...['--brokers', cluster.brokers.join(',')],
      ...['--topic', topic],
      ...['--group', group],
      ...['--client', client],
      ...(parse ? ['--parse'] : []),
    ]);
    createInterface({ input: this.running.child.stdout! }).on('line', (line) => {
      if (line.startsWith('{')) this.records = (JSON.parse(line) as { records: number }).records;
    });
  }
}
