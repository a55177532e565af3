import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, { type KafkaConsumer, type LibrdKafkaError, type Message } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { letGo } from './disconnect.js';
import { BEGINNING, keyOf, type TopicPartitionOffset } from './log.js';

const TIMEOUT_MS = 30_000;
const IDLE_MS = 10;
const MAX_MESSAGES = 1_000;

/**
 * Reads a topic from a time on to the end that it had at the start, in no group, committing nothing: for a look, not
 * for a stream. What is written meanwhile may be read too, and does not keep it from its end.
 * @param from record timestamp to begin at, epoch ms; or next offsets, by partition, as an earlier call returned them.
 *   0, and a partition that is not among them: the beginning
 * @param take called with each message, in order within a partition
 * @returns by partition, the offset after the last that was read or passed over
 * @throws ActuaryError kafka_unreachable, kafka_failed, topic_missing
 */
export async function readToEnd(
  connection: KafkaConnection,
  topic: string,
  from: number | ReadonlyMap<number, number>,
  take: (message: Message) => void,
): Promise<Map<number, number>> {
  const consumer = new rdkafka.KafkaConsumer(
    {
      ...clientProperties(connection, 'reader'),
      // librdkafka wants a group id even where none is joined.
      'group.id': `${connection.topicPrefix}gpu-actuary.reader.${connection.instance}`,
      'enable.auto.commit': false,
      'enable.partition.eof': true,
      'isolation.level': 'read_committed',
      'allow.auto.create.topics': false,
    },
    { 'auto.offset.reset': 'earliest' },
  );
  /** By partition that is still read: where it ended. The last records before that may be markers, never seen. */
  const open = new Map<string, number>();
  const next = new Map<number, number>();
  consumer.on('partition.eof', (end) => open.delete(keyOf(end)));
  try {
    await call<unknown>('kafka_unreachable', `Kafka at ${connection.brokers.join(', ')}`, (done) =>
      consumer.connect({ timeout: TIMEOUT_MS }, done),
    );
    const starts = await startsOf(consumer, topic, from);
    for (const start of starts) {
      const { lowOffset, highOffset } = await call<rdkafka.WatermarkOffsets>(
        'kafka_failed',
        `end of ${topic}`,
        (done) => consumer.queryWatermarkOffsets(start.topic, start.partition, TIMEOUT_MS, done),
      );
      next.set(start.partition, highOffset);
      if (highOffset > Math.max(lowOffset, start.offset)) open.set(keyOf(start), highOffset);
    }
    consumer.setDefaultConsumeTimeout(0);
    consumer.assign(starts.map((start) => ({ ...start })));
    while (open.size > 0) {
      const messages = await call<Message[]>('kafka_failed', `reading ${topic}`, (done) =>
        consumer.consume(MAX_MESSAGES, done),
      );
      for (const message of messages) {
        take(message);
        next.set(message.partition, Math.max(next.get(message.partition)!, message.offset + 1));
        if (message.offset + 1 >= (open.get(keyOf(message)) ?? Infinity)) open.delete(keyOf(message));
      }
      if (messages.length === 0) await delay(IDLE_MS);
    }
    return next;
  } finally {
    letGo(consumer);
  }
}

async function startsOf(
  consumer: KafkaConsumer,
  topic: string,
  from: number | ReadonlyMap<number, number>,
): Promise<TopicPartitionOffset[]> {
  const metadata = await call<rdkafka.Metadata>('kafka_failed', `metadata of ${topic}`, (done) =>
    consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done),
  );
  const partitions = metadata.topics.find(({ name }) => name === topic)?.partitions ?? [];
  if (partitions.length === 0) throw new ActuaryError('topic_missing', `topic ${topic} does not exist`);
  if (typeof from !== 'number' || from <= 0) {
    const known = typeof from === 'number' ? null : from;
    return partitions.map(({ id }) => ({ topic, partition: id, offset: known?.get(id) ?? BEGINNING }));
  }
  // librdkafka takes the time where the offset comes back.
  return call<TopicPartitionOffset[]>('kafka_failed', `offsets of ${topic}`, (done) =>
    consumer.offsetsForTimes(
      partitions.map(({ id }) => ({ topic, partition: id, offset: from })),
      TIMEOUT_MS,
      done as never,
    ),
  );
}

function call<T>(
  code: 'kafka_unreachable' | 'kafka_failed',
  what: string,
  start: (done: (error: LibrdKafkaError | null, value: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(new ActuaryError(code, `${what}: ${error.message}`, { cause: error }));
      else resolve(value);
    });
  });
}
