import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../schema/package-root.js';
import { freePort, has, run, start, untilListening, type Running } from './processes.js';
import { removeScratch, scratchDirectory } from './scratch.js';
import { wholly } from './wholly.js';

/** A real Kafka broker for tests and benchmarks: the jars of Apache Kafka, one node, KRaft. */
export interface Broker {
  /** Bootstrap server, host:port. */
  readonly brokers: string;
  readonly version: string;
  /** Another one after {@link Broker.start}. */
  readonly process: Running;
  /** Starts it again after its process has ended, with the same data and ports. */
  start(): Promise<void>;
  /** Starts a second broker of the same cluster: a place for replicas. To be stopped before this one. */
  startReplica(): Promise<Pick<Broker, 'stop'>>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/** What is missing on this machine to run a broker; null if nothing is. */
export async function brokerNeeds(): Promise<string | null> {
  const missing: string[] = [];
  if (!(await has('java', ['-version']))) missing.push('java 17');
  if (!existsSync(libraries()) && !(await has('mvn'))) missing.push('maven');
  return missing.length === 0 ? null : missing.join(' and ');
}

const libraries = (): string => join(packageRoot(), '.cache', 'kraft', 'libs');

/** Fetches the jars by Maven, once a checkout. */
function fetchLibraries(): Promise<void> {
  const pom = join(packageRoot(), 'bench', 'support', 'kraft', 'pom.xml');
  return wholly(libraries(), (into) =>
    run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${into}`]),
  );
}

/** A cluster id as Kafka writes them; one that begins with a dash would be taken for an option. */
function clusterId(): string {
  const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  return id.startsWith('-') ? clusterId() : id;
}

export interface BrokerOptions {
  /** Of the listener for clients; what it needs beside (keys, users) is among the properties. */
  readonly protocol?: 'PLAINTEXT' | 'SASL_SSL';
  /** Of the broker's JVM. */
  readonly heap?: string;
  /** Beside or in place of those below. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  await fetchLibraries();
  const [port, controllerPort] = [await freePort(), await freePort()];
  const [cluster, voters] = [clusterId(), `1@127.0.0.1:${controllerPort}`];
  const listeners = (own: number): string => `${options.protocol ?? 'PLAINTEXT'}://127.0.0.1:${own}`;
  const node = await makeNode(cluster, port, options, {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': voters,
    listeners: `${listeners(port)},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': listeners(port),
  });
  let broker = await node.launch();
  return {
    brokers: `127.0.0.1:${port}`,
    version: await versionOf(),
    get process() {
      return broker;
    },
    async start() {
      broker = await node.launch();
    },
    async startReplica() {
      const ownPort = await freePort();
      const replica = await makeNode(cluster, ownPort, options, {
        'process.roles': 'broker',
        'node.id': 2,
        'controller.quorum.voters': voters,
        listeners: listeners(ownPort),
        'advertised.listeners': listeners(ownPort),
      });
      const running = await replica.launch();
      return { stop: () => running.stop().then(() => replica.remove()) };
    },
    async stop() {
      await broker.stop();
      node.remove();
    },
  };
}

interface Node {
  /** Starts it; resolves when it listens. */
  launch(): Promise<Running>;
  /** Removes its data. */
  remove(): void;
}

/** Configuration and storage of a node. @param own properties of this one */
async function makeNode(
  cluster: string,
  port: number,
  options: BrokerOptions,
  own: Readonly<Record<string, string | number>>,
): Promise<Node> {
  const directory = scratchDirectory('kraft');
  const protocol = options.protocol ?? 'PLAINTEXT';
  const properties = {
    ...own,
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,${protocol}:${protocol}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': protocol,
    'log.dirs': join(directory, 'data'),
    'num.partitions': 4,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    // Event times lie in the past; what a test writes must not be retention's to take.
    'log.retention.ms': -1,
    'message.max.bytes': 20 * 1024 * 1024,
    ...options.properties,
  };
  const file = join(directory, 'server.properties');
  await writeFile(
    file,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const classPath = join(libraries(), '*');
  await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', cluster, '-c', file]);
  return {
    async launch() {
      const launched = start('java', [`-Xmx${options.heap ?? '1g'}`, '-cp', classPath, 'kafka.Kafka', file]);
      await untilListening(port, launched, START_TIMEOUT_MS);
      return launched;
    },
    remove: () => removeScratch(directory),
  };
}

/** As the name of its jar has it: kafka_2.13-4.1.0.jar. */
async function versionOf(): Promise<string> {
  const names = await readdir(libraries());
  return names.flatMap((name) => /^kafka_[\d.]+-([\d.]+)\.jar$/.exec(name)?.[1] ?? [])[0] ?? 'unknown';
}
