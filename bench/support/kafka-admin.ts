import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import rdkafka from 'node-rdkafka';
import { messageOf } from '../../schema/errors.js';
import type { Cluster } from './cluster.js';
import { say } from './say.js';

const { Kafka, logLevel } = kafkajs;
const TIMEOUT_MS = 10_000;
const RETRY_MS = 100;

/** What a benchmark asks of the cluster beside the engine: topics, ends, offsets of groups. */
export class KafkaAdmin {
  private constructor(
    private readonly admin: Admin,
    private readonly cluster: Cluster,
  ) {}

  static async open(cluster: Cluster): Promise<KafkaAdmin> {
    const admin = new Kafka({
      brokers: [...cluster.brokers],
      clientId: 'bench-admin',
      logLevel: logLevel.NOTHING,
    }).admin();
    await admin.connect();
    return new KafkaAdmin(admin, cluster);
  }

  /** The in-process cluster makes topics when they are first used, with partitions of its own number. */
  async createTopic(topic: string, partitions: number): Promise<void> {
    if (this.cluster.kind === 'embedded') return;
    await this.admin.createTopics({
      waitForLeaders: true,
      // Event times lie in the past: retention would take what was written a moment ago.
      topics: [{ topic, numPartitions: partitions, configEntries: [{ name: 'retention.ms', value: '-1' }] }],
    });
    await this.untilServed(topic);
  }

  /** A broker names leaders of partitions that it does not serve yet: for long where others keep its cores. */
  private async untilServed(topic: string): Promise<void> {
    for (const deadlineMs = Date.now() + TIMEOUT_MS; ; await delay(RETRY_MS))
      try {
        await this.ends(topic);
        return;
      } catch (error) {
        if (Date.now() > deadlineMs) throw error;
      }
  }

  /** Records that were ever written to a topic. */
  async written(topic: string): Promise<number> {
    return (await this.ends(topic)).reduce((sum, end) => sum + end, 0);
  }

  /** Next offset by partition. */
  async ends(topic: string): Promise<number[]> {
    const ends: number[] = [];
    for (const { partition, high } of await this.admin.fetchTopicOffsets(topic)) ends[partition] = Number(high);
    return ends;
  }

  /** Records of a topic that a group has committed. */
  async committed(group: string, topic: string): Promise<number> {
    const [{ partitions }] = await this.admin.fetchOffsets({ groupId: group, topics: [topic] });
    return partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  }

  /** Makes a group that nobody is in believe that it has read a topic to its end. */
  async commitEnds(group: string, topic: string): Promise<void> {
    const ends = await this.ends(topic);
    const consumer = new rdkafka.KafkaConsumer(
      { 'metadata.broker.list': this.cluster.brokers.join(','), 'group.id': group, 'enable.auto.commit': false },
      {},
    );
    await new Promise<void>((resolve, reject) =>
      consumer.connect({ timeout: TIMEOUT_MS }, (error) => (error ? reject(new Error(error.message)) : resolve())),
    );
    // A commit without joining: the members that come later find it.
    consumer.commitSync(ends.map((offset, partition) => ({ topic, partition, offset })));
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }

  /** Removes a run's topics, so that one run leaves no more to the next than it found. */
  async deleteTopics(topics: readonly string[]): Promise<void> {
    if (this.cluster.kind !== 'embedded') await this.admin.deleteTopics({ topics: [...topics] });
  }

  /** Deletes what a benchmark is through with; says what is left where that fails: its result, or its error, goes first. */
  async tidyUp(topics: readonly string[]): Promise<void> {
    await this.deleteTopics(topics).catch((error: unknown) =>
      say(`left are ${topics.join(', ')}: ${messageOf(error)}`),
    );
  }

  close(): Promise<void> {
    return this.admin.disconnect();
  }
}
