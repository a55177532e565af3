import rdkafka, { type LibrdKafkaError, type NewTopic } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { TOPICS, topicName, type Topic, type TopicKey } from '../../schema/topics.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { waitForLeaders } from './leaders.js';

const TIMEOUT_MS = 30_000;
/** The broker went away in the middle. */
const UNREACHABLE: ReadonlySet<number> = new Set([
  rdkafka.CODES.ERRORS.ERR__TRANSPORT,
  rdkafka.CODES.ERRORS.ERR__TIMED_OUT,
  rdkafka.CODES.ERRORS.ERR__ALL_BROKERS_DOWN,
]);

export interface TopicResult {
  readonly topic: string;
  readonly created: boolean;
}

/**
 * Creates those of the engine's topics that are missing, with their policies, and waits until they can be read and
 * written. Existing ones are left as they are.
 * @param partitions of topics without a fixed number
 * @param replicationFactor −1: the broker's default
 * @throws ActuaryError kafka_unreachable, kafka_failed
 */
export async function createTopics(
  connection: KafkaConnection,
  partitions: number,
  replicationFactor: number,
): Promise<TopicResult[]> {
  const admin = rdkafka.AdminClient.create(clientProperties(connection, 'admin'));
  try {
    const results: TopicResult[] = [];
    for (const key of Object.keys(TOPICS) as TopicKey[]) {
      const topic: Topic = TOPICS[key];
      const name = topicName(connection.topicPrefix, key);
      const created = await create(admin, {
        topic: name,
        num_partitions: topic.partitions ?? partitions,
        replication_factor: replicationFactor,
        config: topic.config,
      });
      results.push({ topic: name, created });
    }
    await waitForLeaders(
      connection,
      results.filter(({ created }) => created).map(({ topic }) => topic),
      TIMEOUT_MS,
    );
    return results;
  } finally {
    admin.disconnect();
  }
}

function create(admin: rdkafka.IAdminClient, topic: NewTopic): Promise<boolean> {
  return new Promise((resolve, reject) => {
    admin.createTopic(topic, TIMEOUT_MS, (error: LibrdKafkaError | undefined) => {
      if (!error) resolve(true);
      else if (error.code === rdkafka.CODES.ERRORS.ERR_TOPIC_ALREADY_EXISTS) resolve(false);
      else
        reject(
          new ActuaryError(
            UNREACHABLE.has(error.code) ? 'kafka_unreachable' : 'kafka_failed',
            `creating topic ${topic.topic}: ${error.message}`,
            { cause: error },
          ),
        );
    });
  });
}
