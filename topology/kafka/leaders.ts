import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, { type KafkaConsumer, type LibrdKafkaError } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { letGo } from './disconnect.js';

const ATTEMPT_MS = 2_000;
const WAIT_MS = 50;

/**
 * Waits until every partition of topics that were just created answers: they have no leader for a moment, and the one
 * that the metadata names may not know of it yet.
 * @throws ActuaryError kafka_unreachable; kafka_failed: not all have one within the time
 */
export async function waitForLeaders(
  connection: KafkaConnection,
  topics: readonly string[],
  timeoutMs: number,
): Promise<void> {
  if (topics.length === 0) return;
  const consumer = new rdkafka.KafkaConsumer(
    {
      ...clientProperties(connection, 'leaders'),
      // librdkafka wants a group id even where none is joined.
      'group.id': `${connection.topicPrefix}gpu-actuary.leaders.${connection.instance}`,
      'allow.auto.create.topics': false,
    },
    {},
  );
  const until = performance.now() + timeoutMs;
  try {
    const refusal = await ask((done) => consumer.connect({ timeout: timeoutMs }, done));
    if (refusal !== null)
      throw new ActuaryError('kafka_unreachable', `Kafka at ${connection.brokers.join(', ')}: ${refusal}`);
    for (const topic of topics)
      for (;;) {
        const missing = await refusalOf(consumer, topic);
        if (missing === null) break;
        if (performance.now() >= until) throw new ActuaryError('kafka_failed', `topic ${topic}: ${missing}`);
        await delay(WAIT_MS);
      }
  } finally {
    letGo(consumer);
  }
}

/** Why a topic cannot be read and written in all its partitions; null where it can. */
async function refusalOf(consumer: KafkaConsumer, topic: string): Promise<string | null> {
  let metadata: rdkafka.Metadata | undefined;
  const refusal = await ask((done) =>
    consumer.getMetadata({ topic, timeout: ATTEMPT_MS }, (error: LibrdKafkaError | null, found) => {
      metadata = found;
      done(error);
    }),
  );
  if (refusal !== null) return refusal;
  const partitions = metadata?.topics.find(({ name }) => name === topic)?.partitions ?? [];
  if (partitions.length === 0) return 'not known to the broker yet';
  for (const { id, leader } of partitions) {
    if (leader < 0) return `partition ${id} has no leader`;
    const silent = await ask((done) => consumer.queryWatermarkOffsets(topic, id, ATTEMPT_MS, done));
    if (silent !== null) return `partition ${id}: ${silent}`;
  }
  return null;
}

/** @returns what went wrong; null where nothing did */
function ask(start: (done: (error: LibrdKafkaError | null) => void) => unknown): Promise<string | null> {
  return new Promise((resolve) => {
    start((error) => resolve(error ? error.message : null));
  });
}
