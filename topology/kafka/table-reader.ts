import rdkafka, {
  type ConsumerGlobalConfig,
  type KafkaConsumer,
  type LibrdKafkaError,
  type Message,
} from 'node-rdkafka';
import { setTimeout as delay } from 'node:timers/promises';
import { ActuaryError } from '../../schema/errors.js';
import { fetchBounds } from './buffers.js';
import { connectAll } from './connect.js';
import { clientProperties, type KafkaConnection, type Warn } from './connection.js';
import { disconnect } from './disconnect.js';
import { BEGINNING, keyOf, type LogRecord, type TopicPartition } from './log.js';

const TIMEOUT_MS = 30_000;
const IDLE_MS = 20;
const MAX_RECORDS = 2_000;

/**
 * Reads whole topics without a group: from their beginning to the end that was seen at the start, then on as records
 * come. Every reader sees every partition. For tables (compacted topics) that a process keeps in memory; and, from the
 * end on, for what is new.
 */
export class TableReader {
  private readonly consumer: KafkaConsumer;
  private closed = false;
  /** The last look found as much as one may take: there is more. */
  private isBehind = false;
  private readonly reachedEnd: string[] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly connection: KafkaConnection,
    purpose: string,
    private readonly topics: readonly string[],
    warn: Warn,
    private readonly from: 'beginning' | 'end' = 'beginning',
  ) {
    const config = {
      ...clientProperties(connection, purpose),
      // librdkafka wants a group id even where none is joined; nothing is ever committed to it.
      'group.id': `${connection.topicPrefix}gpu-actuary.${purpose}.${connection.instance}`,
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      'isolation.level': 'read_committed',
      'enable.partition.eof': true,
      // Beside the role's own reader.
      ...fetchBounds(connection.bufferBytes / 2),
      'fetch.wait.max.ms': 100,
      'allow.auto.create.topics': true,
    };
    this.consumer = new rdkafka.KafkaConsumer(config as ConsumerGlobalConfig, { 'auto.offset.reset': 'earliest' });
    this.consumer.on('event.error', (error) => warn(error.message));
    this.consumer.on('partition.eof', (end) => this.reachedEnd.push(keyOf(end)));
  }

  /** Whether there is more to read than a look takes. */
  get behind(): boolean {
    return this.isBehind;
  }

  /**
   * Resolves when everything that was there at the start has been applied; goes on in the background until close.
   * @param apply called with blocks of records, in order within a partition
   * @param failed called once if reading cannot go on
   * @throws ActuaryError kafka_unreachable, topic_missing
   */
  async start(apply: (records: readonly LogRecord[]) => Promise<void>, failed: (error: Error) => void): Promise<void> {
    await connectAll([this.consumer], this.connection.brokers);
    this.consumer.setDefaultConsumeTimeout(0);
    const partitions = (await Promise.all(this.topics.map((topic) => this.partitionsOf(topic)))).flat();
    const ends = new Map<string, number>();
    const starts = new Map<string, number>();
    for (const partition of partitions) {
      const { low, high } = await this.watermarks(partition);
      starts.set(keyOf(partition), this.from === 'end' ? high : BEGINNING);
      if (high > low && this.from === 'beginning') ends.set(keyOf(partition), high);
    }
    this.consumer.assign(partitions.map((partition) => ({ ...partition, offset: starts.get(keyOf(partition))! })));
    await new Promise<void>((resolve, reject) => {
      let caughtUp = false;
      const arrived = (): void => {
        if (caughtUp) return;
        caughtUp = true;
        resolve();
      };
      this.running = this.run(apply, ends, arrived).then(arrived, (error: Error) => {
        if (caughtUp) failed(error);
        else reject(error);
      });
    });
  }

  private async run(
    apply: (records: readonly LogRecord[]) => Promise<void>,
    ends: Map<string, number>,
    arrived: () => void,
  ): Promise<void> {
    while (!this.closed) {
      if (ends.size === 0) arrived();
      this.reachedEnd.length = 0;
      const messages = await this.consume();
      // Transaction markers take offsets too, so an end is what the broker calls one, not an offset counted to.
      const reached = [...this.reachedEnd];
      this.isBehind = messages.length === MAX_RECORDS;
      if (messages.length === 0) await delay(IDLE_MS);
      else await apply(messages.map(toRecord));
      for (const partition of reached) ends.delete(partition);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.running;
    await disconnect(this.consumer);
  }

  private consume(): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      this.consumer.consume(MAX_RECORDS, (error: LibrdKafkaError | null, messages) => {
        if (error) reject(new ActuaryError('kafka_failed', `consume: ${error.message}`, { cause: error }));
        else resolve(messages);
      });
    });
  }

  private partitionsOf(topic: string): Promise<TopicPartition[]> {
    return new Promise((resolve, reject) => {
      this.consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, (error, metadata) => {
        if (error) reject(new ActuaryError('kafka_failed', `metadata of ${topic}: ${error.message}`, { cause: error }));
        else {
          const partitions = metadata.topics.find(({ name }) => name === topic)?.partitions ?? [];
          if (partitions.length === 0)
            reject(new ActuaryError('topic_missing', `topic ${topic} does not exist: run gpu-actuary topics create`));
          else resolve(partitions.map(({ id }) => ({ topic, partition: id })));
        }
      });
    });
  }

  private watermarks({ topic, partition }: TopicPartition): Promise<{ low: number; high: number }> {
    return new Promise((resolve, reject) => {
      this.consumer.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, (error, offsets) => {
        if (error)
          reject(
            new ActuaryError('kafka_failed', `offsets of ${topic}/${partition}: ${error.message}`, { cause: error }),
          );
        else resolve({ low: offsets.lowOffset, high: offsets.highOffset });
      });
    });
  }
}

function toRecord(message: Message): LogRecord {
  const { topic, partition, offset, timestamp, value, key } = message;
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp ?? 0,
    key: key === null || key === undefined ? null : Buffer.isBuffer(key) ? key : Buffer.from(key),
    value,
  };
}
