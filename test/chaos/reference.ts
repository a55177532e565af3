import { openSink } from '../../topology/kafka/connection.js';
import { topicName } from '../../schema/topics.js';
import { messagesToEnd } from '../support/read-to-end.js';
import { connectionTo, PARTITIONS, type EnginePlace } from './engine.js';

const MAX_MESSAGE_BYTES = 1_000_000;

/**
 * Copies gpu.samples from one engine's topics to another's: partition by partition, offset by offset, with the record
 * timestamps. @throws Error where offsets would not be the same
 */
export async function copySamples(from: EnginePlace, to: EnginePlace): Promise<number> {
  const messages = await messagesToEnd([from.brokers], topicName(from.topicPrefix, 'samples'), PARTITIONS);
  const next = new Map(PARTITIONS.map((partition) => [partition, 0]));
  for (const { partition, offset } of messages) {
    if (next.get(partition) !== offset) throw new Error(`partition ${partition} has no offset ${next.get(partition)}`);
    next.set(partition, offset + 1);
  }
  const sink = await openSink(connectionTo(to), 'chaos', MAX_MESSAGE_BYTES, () => undefined);
  const topic = topicName(to.topicPrefix, 'samples');
  await sink.partitions(topic);
  await sink.write(
    messages.map(({ partition, value, timestamp }) => ({ topic, partition, key: null, value, timestampMs: timestamp })),
  );
  await sink.flush();
  await sink.close();
  return messages.length;
}
