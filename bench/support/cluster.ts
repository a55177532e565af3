import { startEmbeddedKafka } from '../../topology/embedded/kafka.js';
import { brokerNeeds, startBroker } from './kraft.js';
import { say } from './say.js';

/** The Kafka cluster of a benchmark. */
export interface Cluster {
  readonly brokers: readonly string[];
  /** kraft: started for this run; given: somebody's; embedded: librdkafka's, in this process. */
  readonly kind: 'kraft' | 'given' | 'embedded';
  /** For the provenance of figures. */
  readonly version: string;
  /** Process of the broker, where it is known. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly brokers?: string;
  readonly embedded?: boolean;
}

/**
 * Brokers as a deployment has them: processes that start together are given their partitions together, not one after
 * the other with a rebalance between them.
 */
const PROPERTIES = { 'group.initial.rebalance.delay.ms': 3_000 };

/** Opens the cluster that was asked for: the given brokers, the in-process one, else a KRaft broker. @throws Error */
export async function openCluster({ brokers, embedded }: ClusterOptions): Promise<Cluster> {
  if (embedded) {
    if (brokers !== undefined) throw new Error('--brokers and --embedded exclude each other');
    say('on the in-process cluster: it shows that the benchmark works, not how fast anything is');
    const kafka = await startEmbeddedKafka();
    return { brokers: kafka.brokers, kind: 'embedded', version: 'in-process', pid: null, stop: () => kafka.stop() };
  }
  if (brokers !== undefined)
    return { brokers: brokers.split(','), kind: 'given', version: 'given', pid: null, stop: () => Promise.resolve() };
  const missing = await brokerNeeds();
  if (missing !== null)
    throw new Error(`no --brokers given, and ${missing} is missing to start one (--embedded needs nothing)`);
  say('starting a KRaft broker');
  const broker = await startBroker({ properties: PROPERTIES });
  return {
    brokers: [broker.brokers],
    kind: 'kraft',
    version: `Apache Kafka ${broker.version}, KRaft, 1 node`,
    pid: broker.process.child.pid ?? null,
    stop: () => broker.stop(),
  };
}

/**
 * Runs that do not count, on a broker that was started for this benchmark: its JIT compiler has ways to see that it
 * meets only with transactions, and takes a fifth of a core in the first of them, next to none in the third.
 */
const WARM_UP_REPEATS = 2;

/** How often the engine runs before anything is measured. @param asked by the user; undefined: as the cluster needs */
export function warmUpRepeatsOn({ kind }: Cluster, asked: number | undefined): number {
  return asked ?? (kind === 'kraft' ? WARM_UP_REPEATS : 0);
}

export async function withCluster<T>(options: ClusterOptions, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await openCluster(options);
  try {
    return await work(cluster);
  } finally {
    await cluster.stop();
  }
}
