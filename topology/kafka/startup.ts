import type { Config } from '../../schema/config.js';
import { TOPICS, topicName, type TopicKey } from '../../schema/topics.js';
import { ActuaryError } from '../../schema/errors.js';
import type { Log } from '../roles/role.js';
import { openSink, type KafkaConnection } from './connection.js';
import { createTopics } from './topics-admin.js';

/**
 * Sees to it that the engine's topics are there before a role reads or writes them, and that the topics whose
 * partitions belong together have the same number of them.
 * @param present partitions of the cluster's topics by name, as far as they are known
 * @returns partitions by topic name
 * @throws ActuaryError kafka_unreachable, kafka_failed, topic_mismatch
 */
export async function prepareTopics(
  config: Config,
  connection: KafkaConnection,
  present: ReadonlyMap<string, number>,
  log: Log,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map([...present].filter(([, partitions]) => partitions > 0));
  if (!connection.embedded) {
    const { partitions, replicationFactor } = config.kafka;
    const results = await createTopics(connection, partitions, replicationFactor, new Set(counts.keys()));
    const created = results.filter((result) => result.created).map(({ topic }) => topic);
    if (created.length > 0) log.info({ topics: created }, 'topics created');
  }
  const names = (Object.keys(TOPICS) as TopicKey[]).map((key) => topicName(connection.topicPrefix, key));
  const unknown = names.filter((name) => !counts.has(name));
  for (const [name, partitions] of await partitionsOf(connection, unknown, log)) counts.set(name, partitions);
  const [samples, panes] = (['samples', 'panes'] as const).map((key) => topicName(connection.topicPrefix, key));
  if (counts.get(samples) !== counts.get(panes))
    throw new ActuaryError(
      'topic_mismatch',
      `${samples} has ${counts.get(samples)} partitions and ${panes} ${counts.get(panes)}: ` +
        "they must have as many, for a GPU's samples and panes lie in partitions of one number",
    );
  return new Map(names.map((name) => [name, counts.get(name)!]));
}

async function partitionsOf(
  connection: KafkaConnection,
  topics: readonly string[],
  log: Log,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  if (topics.length === 0) return counts;
  const sink = await openSink(connection, 'startup', 1_000_000, (message) => log.warn({}, message));
  try {
    for (const topic of topics) counts.set(topic, await sink.partitions(topic));
    return counts;
  } finally {
    await sink.close();
  }
}
