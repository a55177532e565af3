import type { Config } from '../../schema/config.js';
import { TOPICS, topicName, type TopicKey } from '../../schema/topics.js';
import { ActuaryError } from '../../schema/errors.js';
import type { Log } from '../roles/role.js';
import { openSink, type KafkaConnection } from './connection.js';
import { createTopics } from './topics-admin.js';

/**
 * Sees to it that the engine's topics are there before a role reads or writes them, and that the topics whose
 * partitions belong together have the same number of them.
 * @returns partitions by topic name
 * @throws ActuaryError kafka_unreachable, kafka_failed, topic_mismatch
 */
export async function prepareTopics(
  config: Config,
  connection: KafkaConnection,
  log: Log,
): Promise<ReadonlyMap<string, number>> {
  if (!connection.embedded) {
    const results = await createTopics(connection, config.kafka.partitions, config.kafka.replicationFactor);
    const created = results.filter((result) => result.created).map(({ topic }) => topic);
    if (created.length > 0) log.info({ topics: created }, 'topics created');
  }
  const sink = await openSink(connection, 'startup', 1_000_000, (message) => log.warn({}, message));
  try {
    const counts = new Map<TopicKey, number>();
    for (const key of Object.keys(TOPICS) as TopicKey[])
      counts.set(key, await sink.partitions(topicName(connection.topicPrefix, key)));
    if (counts.get('samples') !== counts.get('panes'))
      throw new ActuaryError(
        'topic_mismatch',
        `${topicName(connection.topicPrefix, 'samples')} has ${counts.get('samples')} partitions and ` +
          `${topicName(connection.topicPrefix, 'panes')} ${counts.get('panes')}: they must have as many, for a GPU's samples and panes lie in partitions of one number`,
      );
    return new Map([...counts].map(([key, count]) => [topicName(connection.topicPrefix, key), count]));
  } finally {
    await sink.close();
  }
}
