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
 * @param present topics that are known to be there; the cluster is asked about the others alone, and not at all where
 *   there is none: the client that can create topics keeps the event loop for a second now and then when it ends
 * @throws ActuaryError kafka_unreachable, kafka_failed
 */
export async function createTopics(
  connection: KafkaConnection,
  partitions: number,
  replicationFactor: number,
  present: ReadonlySet<string> = new Set(),
): Promise<TopicResult[]> {
  const wanted = (Object.keys(TOPICS) as TopicKey[]).map((key): NewTopic => {
    const topic: Topic = TOPICS[key];
    return {
      topic: topicName(connection.topicPrefix, key),
      num_partitions: topic.partitions ?? partitions,
      replication_factor: replicationFactor,
      config: topic.config,
    };
  });
  const created = await createAll(
    connection,
    wanted.filter(({ topic }) => !present.has(topic)),
  );
  await waitForLeaders(connection, [...created], TIMEOUT_MS);
  return wanted.map(({ topic }) => ({ topic, created: created.has(topic) }));
}

/** @returns names of those that were not there */
async function createAll(connection: KafkaConnection, topics: readonly NewTopic[]): Promise<Set<string>> {
  const created = new Set<string>();
  if (topics.length === 0) return created;
  const admin = rdkafka.AdminClient.create(clientProperties(connection, 'admin'));
  try {
    for (const topic of topics) if (await create(admin, topic)) created.add(topic.topic);
    return created;
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
