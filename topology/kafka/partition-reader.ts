import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, {
  type ConsumerGlobalConfig,
  type KafkaConsumer,
  type LibrdKafkaError,
  type Message,
} from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { connectAll } from './connect.js';
import { clientProperties, type KafkaConnection, type Warn } from './connection.js';
import { disconnect } from './disconnect.js';
import { keyOf, type TopicPartition, type TopicPartitionOffset } from './log.js';

/** Short of what a role that is told to stop may take. */
const ENDS_TIMEOUT_MS = 5_000;
const IDLE_MS = 5;
const MAX_RECORDS = 2_000;
const RETRY_MS = 500;
/**
 * The next partition is asked for when the answer of the last has come, and at its end the broker holds that for so long:
 * a wait a partition and topic.
 */
const FETCH_WAIT_MS = 5;
const MOST_QUEUED_BYTES = 64 * 1024 * 1024;

export interface Watermarks {
  /** Oldest offset there is, and the one after the newest, committed or not. */
  readonly low: number;
  readonly high: number;
}

/**
 * Reads partitions without a group, one at a time, up to the end that they have at that moment: what a role brings its
 * state back from. Committed messages only; transactions that are open at the end are waited for.
 */
export class PartitionReader {
  private readonly reader: KafkaConsumer;
  /** Asks for ends: a client that reads committed messages is told where the first open transaction begins. */
  private readonly ends: KafkaConsumer;
  private reached: TopicPartitionOffset | undefined;
  private readonly located = new Set<string>();

  private constructor(
    connection: KafkaConnection,
    purpose: string,
    private readonly warn: Warn,
  ) {
    const config = (isolation: string): ConsumerGlobalConfig =>
      ({
        ...clientProperties(connection, purpose),
        // librdkafka wants a group id even where none is joined; nothing is ever committed to it.
        'group.id': `${connection.topicPrefix}gpu-actuary.${purpose}.${connection.instance}`,
        'enable.auto.commit': false,
        'enable.auto.offset.store': false,
        'isolation.level': isolation,
        'enable.partition.eof': true,
        // While state is brought back nothing else is held: this may have more than its place.
        'queued.max.messages.kbytes': Math.floor(Math.min(MOST_QUEUED_BYTES, connection.bufferBytes / 2) / 1024),
        'fetch.message.max.bytes': 8 * 1024 * 1024,
        'fetch.wait.max.ms': FETCH_WAIT_MS,
      }) as ConsumerGlobalConfig;
    this.reader = new rdkafka.KafkaConsumer(config('read_committed'), { 'auto.offset.reset': 'earliest' });
    this.ends = new rdkafka.KafkaConsumer(config('read_uncommitted'), {});
    for (const client of [this.reader, this.ends]) client.on('event.error', (error) => warn(error.message));
    this.reader.on('partition.eof', (end) => (this.reached = end));
  }

  /** @throws ActuaryError kafka_unreachable */
  static async open(connection: KafkaConnection, purpose: string, warn: Warn): Promise<PartitionReader> {
    const opened = new PartitionReader(connection, purpose, warn);
    await connectAll([opened.reader, opened.ends], connection.brokers);
    opened.reader.setDefaultConsumeTimeout(0);
    return opened;
  }

  /** @throws ActuaryError kafka_failed */
  watermarks({ topic, partition }: TopicPartition): Promise<Watermarks> {
    return new Promise((resolve, reject) => {
      this.ends.queryWatermarkOffsets(topic, partition, ENDS_TIMEOUT_MS, (error, offsets) => {
        if (error)
          reject(
            new ActuaryError('kafka_failed', `offsets of ${topic}/${partition}: ${error.message}`, { cause: error }),
          );
        else resolve({ low: offsets.lowOffset, high: offsets.highOffset });
      });
    });
  }

  /**
   * Reads a partition from an offset to the end it has now.
   * @param apply called with records in order; `share` of what is to be read lies behind
   * @param stopping ends the reading early
   * @throws ActuaryError kafka_failed
   */
  async read(
    from: TopicPartitionOffset,
    apply: (messages: readonly Message[], share: number) => Promise<void>,
    stopping: () => boolean,
  ): Promise<void> {
    const { low, high } = await this.patientWatermarks(from, stopping);
    const first = Math.max(from.offset, low);
    if (first >= high) return;
    this.reached = undefined;
    await this.locate(from.topic);
    this.reader.assign([{ topic: from.topic, partition: from.partition, offset: first }]);
    try {
      for (let next = first; next < high && !stopping();) {
        const messages = (await this.consume()).filter((message) => keyOf(message) === keyOf(from));
        if (messages.length > 0) {
          next = messages[messages.length - 1].offset + 1;
          await apply(messages, (next - first) / (high - first));
          continue;
        }
        // Transaction markers take offsets too, so the end may be one that no record comes to.
        next = Math.max(next, this.endOf(from));
        if (next < high) await delay(IDLE_MS);
      }
    } finally {
      this.reader.unassign();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.reader, this.ends].map(disconnect));
  }

  /**
   * Asks where a topic's partitions are. librdkafka does of its own accord, but looks for topics it does not know once a
   * second only. Where nothing answers, that is left to it.
   */
  private async locate(topic: string): Promise<void> {
    if (this.located.has(topic)) return;
    const isFound = await new Promise<boolean>((resolve) => {
      this.reader.getMetadata({ topic, timeout: ENDS_TIMEOUT_MS }, (error) => resolve(!error));
    });
    if (isFound) this.located.add(topic);
  }

  /** Asks until the broker answers: who has just lost it and found it again may lose it once more. */
  private async patientWatermarks(partition: TopicPartition, stopping: () => boolean): Promise<Watermarks> {
    for (;;) {
      try {
        return await this.watermarks(partition);
      } catch (error) {
        if (!(error instanceof ActuaryError)) throw error;
        if (stopping()) return { low: 0, high: 0 };
        this.warn(error.message);
        await delay(RETRY_MS);
      }
    }
  }

  /** Where the end of a partition was come upon, 0 if it was not. */
  private endOf(partition: TopicPartition): number {
    return this.reached !== undefined && keyOf(this.reached) === keyOf(partition) ? this.reached.offset : 0;
  }

  private consume(): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      this.reader.consume(MAX_RECORDS, (error: LibrdKafkaError | null, messages) => {
        if (error) reject(new ActuaryError('kafka_failed', `consume: ${error.message}`, { cause: error }));
        else resolve(messages);
      });
    });
  }
}
