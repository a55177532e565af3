import rdkafka, { type LibrdKafkaError, type Metadata, type ProducerGlobalConfig } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { disconnect } from '../kafka/disconnect.js';

const CONNECT_TIMEOUT_MS = 10_000;

/** Partitions of every topic of the embedded cluster; it creates topics on first use and takes no other number. */
export const EMBEDDED_PARTITIONS = 4;

/** A topic that nothing is in: by it whoever connects knows what cluster this is. */
const MARK = 'gpu-actuary.embedded';

export interface EmbeddedKafka {
  /** Bootstrap servers, host:port. */
  readonly brokers: string[];
  stop(): Promise<void>;
}

/**
 * Starts the in-process Kafka cluster of librdkafka, on an ephemeral loopback port: the real protocol, for the demo
 * and tests. It keeps 5 MiB or 100,000 messages a partition, in memory; creates topics with 4 partitions on first use
 * and none on request; compacts nothing; has no isolation of transactions; and forgets all when it stops.
 */
export async function startEmbeddedKafka(): Promise<EmbeddedKafka> {
  // The cluster lives and dies with a client; this one does nothing else.
  const host = new rdkafka.Producer({
    'test.mock.num.brokers': 1,
    'metadata.broker.list': 'embedded',
  } as ProducerGlobalConfig);
  // To ask for a topic makes it.
  const metadata = await new Promise<Metadata>((resolve, reject) => {
    host.connect({ topic: MARK, timeout: CONNECT_TIMEOUT_MS }, (error: LibrdKafkaError | null, found: Metadata) => {
      if (error) reject(new ActuaryError('kafka_failed', `embedded Kafka: ${error.message}`, { cause: error }));
      else resolve(found);
    });
  });
  return {
    brokers: metadata.brokers.map(({ host: name, port }) => `${name}:${port}`),
    stop: () => disconnect(host),
  };
}

/**
 * The embedded cluster names a controller that is not there, so that clients wait in vain where they ask it to create
 * topics, and it could not do so either.
 * @param topics of the cluster
 * @throws ActuaryError kafka_failed: this cluster is an embedded one, and cannot be what the engine runs on by itself
 */
export function refuseEmbedded(topics: ReadonlyMap<string, number>, brokers: readonly string[]): void {
  if (topics.has(MARK))
    throw new ActuaryError(
      'kafka_failed',
      `Kafka at ${brokers.join(', ')} is the embedded one of a demo: it creates no topics on request and does not isolate transactions. ` +
        'It can be read, and `simulate --output kafka` can write to it; the engine needs a real cluster',
    );
}
