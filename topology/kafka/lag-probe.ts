import rdkafka, { type KafkaConsumer, type LibrdKafkaError } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { disconnect } from './disconnect.js';
import type { TopicPartition } from './log.js';

const TIMEOUT_MS = 10_000;

/** Measures from outside how far a group is behind; takes part in nothing. */
export class LagProbe {
  private readonly consumer: KafkaConsumer;
  private partitions: TopicPartition[] | undefined;

  constructor(
    connection: KafkaConnection,
    group: string,
    private readonly topics: readonly string[],
  ) {
    this.consumer = new rdkafka.KafkaConsumer(
      {
        ...clientProperties(connection, 'lag'),
        'group.id': group,
        'enable.auto.commit': false,
      },
      {},
    );
  }

  async open(): Promise<void> {
    await this.call<unknown>('connect', (done) => this.consumer.connect({ timeout: TIMEOUT_MS }, done));
  }

  /** Records between the group's committed offsets and the ends of its topics; what was never committed counts whole. */
  async lag(): Promise<number> {
    return (await this.positions()).reduce((lag, { next, end }) => lag + Math.max(0, end - next), 0);
  }

  /** Where the group stands in each partition of its topics, and where that ends. */
  async positions(): Promise<(TopicPartition & { readonly next: number; readonly end: number })[]> {
    this.partitions ??= await this.findPartitions();
    const committed = await this.call<rdkafka.TopicPartitionOffset[]>('committed offsets', (done) =>
      this.consumer.committed(this.partitions!, TIMEOUT_MS, done),
    );
    const positions = [];
    for (const { topic, partition, offset } of committed) {
      const { lowOffset, highOffset } = await this.call<rdkafka.WatermarkOffsets>('watermarks', (done) =>
        this.consumer.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, done),
      );
      positions.push({ topic, partition, next: offset >= 0 ? offset : lowOffset, end: highOffset });
    }
    return positions;
  }

  close(): Promise<void> {
    return disconnect(this.consumer);
  }

  private async findPartitions(): Promise<TopicPartition[]> {
    const found: TopicPartition[] = [];
    for (const topic of this.topics) {
      const metadata = await this.call<rdkafka.Metadata>('metadata', (done) =>
        this.consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done),
      );
      for (const { id } of metadata.topics.find(({ name }) => name === topic)?.partitions ?? [])
        found.push({ topic, partition: id });
    }
    return found;
  }

  private call<T>(
    what: string,
    start: (done: (error: LibrdKafkaError | null, value: T) => void) => unknown,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, value) => {
        if (error) reject(new ActuaryError('kafka_failed', `${what}: ${error.message}`, { cause: error }));
        else resolve(value);
      });
    });
  }
}
