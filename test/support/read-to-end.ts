import { randomUUID } from 'node:crypto';
import rdkafka, { type Message } from 'node-rdkafka';
import type { Read } from './client.js';

/** All committed records of a topic up to its end as of now, as {@link messagesToEnd}. */
export async function readToEnd(
  brokers: readonly string[],
  topic: string,
  partitions: readonly number[],
): Promise<Read[]> {
  const messages = await messagesToEnd(brokers, topic, partitions);
  return messages.map(({ partition, offset, key, value, timestamp }) => ({
    ...{ topic, partition, offset, timestampMs: timestamp ?? NaN, headers: {} },
    key: key === null || key === undefined ? null : String(key),
    value,
  }));
}

/**
 * All committed messages of a topic up to its end as of now. By librdkafka, which says when it has come to the end of a
 * partition: markers of transactions take offsets and are no records, so that the end cannot be counted to.
 */
export async function messagesToEnd(
  brokers: readonly string[],
  topic: string,
  partitions: readonly number[],
): Promise<Message[]> {
  const consumer = new rdkafka.KafkaConsumer(
    {
      'metadata.broker.list': brokers.join(','),
      'group.id': randomUUID(),
      'enable.partition.eof': true,
      'isolation.level': 'read_committed',
    },
    {},
  );
  await new Promise<void>((resolve, reject) =>
    consumer.connect({ timeout: 10_000 }, (error) => (error ? reject(new Error(error.message)) : resolve())),
  );
  const read: Message[] = [];
  const ended = new Set<number>();
  consumer.on('partition.eof', ({ partition }) => ended.add(partition));
  consumer.assign(partitions.map((partition) => ({ topic, partition, offset: 0 })));
  consumer.setDefaultConsumeTimeout(100);
  while (ended.size < partitions.length)
    await new Promise<void>((resolve, reject) =>
      consumer.consume(1_000, (error, messages) => {
        if (error) return reject(new Error(error.message));
        for (const message of messages)
          read.push({ ...message, value: message.value === null ? null : Buffer.from(message.value) });
        resolve();
      }),
    );
  await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  return read;
}
