import rdkafka, { type KafkaConsumer, type LibrdKafkaError, type Message } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { letGo } from './disconnect.js';

const TIMEOUT_MS = 10_000;
/** Newest messages looked at in each partition: producers do not mix keyed and unkeyed messages message by message. */
const MESSAGES = 3;

/**
 * Looks at the newest messages of topics to see whether they carry keys.
 * @returns true if all do, false if one does not, null where there was nothing to see
 * @throws ActuaryError kafka_unreachable, kafka_failed
 */
export async function peekKeyed(connection: KafkaConnection, topics: readonly string[]): Promise<boolean | null> {
  const consumer = new rdkafka.KafkaConsumer(
    {
      ...clientProperties(connection, 'peek'),
      'group.id': `${connection.topicPrefix}gpu-actuary.peek.${connection.instance}`,
      'enable.auto.commit': false,
      'allow.auto.create.topics': true,
      'fetch.wait.max.ms': 100,
    },
    { 'auto.offset.reset': 'earliest' },
  );
  const failed = (what: string) => (error: LibrdKafkaError) =>
    new ActuaryError('kafka_failed', `${what}: ${error.message}`, { cause: error });
  try {
    await promised<unknown>((done) => consumer.connect({ timeout: TIMEOUT_MS }, done), failed('connecting to Kafka'));
    let expected = 0;
    const positions: { topic: string; partition: number; offset: number }[] = [];
    for (const topic of topics) {
      const metadata = await promised<rdkafka.Metadata>(
        (done) => consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done),
        failed(`metadata of ${topic}`),
      );
      for (const { id } of metadata.topics.find(({ name }) => name === topic)?.partitions ?? []) {
        const { lowOffset, highOffset } = await promised<rdkafka.WatermarkOffsets>(
          (done) => consumer.queryWatermarkOffsets(topic, id, TIMEOUT_MS, done),
          failed(`offsets of ${topic}/${id}`),
        );
        const offset = Math.max(lowOffset, highOffset - MESSAGES);
        expected += highOffset - offset;
        if (highOffset > lowOffset) positions.push({ topic, partition: id, offset });
      }
    }
    if (expected === 0) return null;
    consumer.assign(positions);
    return await look(consumer, expected);
  } finally {
    letGo(consumer);
  }
}

async function look(consumer: KafkaConsumer, expected: number): Promise<boolean | null> {
  consumer.setDefaultConsumeTimeout(100);
  const until = performance.now() + TIMEOUT_MS;
  let seen = 0;
  // Transaction markers take offsets too: there may be fewer messages than offsets.
  let idle = 0;
  while (seen < expected && idle < 10 && performance.now() < until) {
    const messages = await promised<Message[]>(
      (done) => consumer.consume(expected, done),
      (error) => new ActuaryError('kafka_failed', `consume: ${error.message}`, { cause: error }),
    );
    if (messages.some(({ key }) => key === null || key === undefined)) return false;
    seen += messages.length;
    idle = messages.length === 0 ? idle + 1 : 0;
  }
  return seen === 0 ? null : true;
}

/** A promise of a callback in node-rdkafka's manner. */
function promised<T>(
  call: (done: (error: LibrdKafkaError | null, value: T) => void) => unknown,
  failed: (error: LibrdKafkaError) => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(failed(error));
      else resolve(value);
    });
  });
}
