import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, { type LibrdKafkaError, type Producer, type ProducerGlobalConfig } from 'node-rdkafka';
import { ActuaryError } from '../schema/errors.js';
import { Turn } from '../schema/turn.js';

/** A record to be written. */
export interface OutputRecord {
  readonly topic: string;
  /** Null: by the hash of the key. */
  readonly partition: number | null;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers?: readonly (readonly [string, string])[];
  /** Written instead if the broker refuses this one for its size. */
  readonly ifTooLarge?: OutputRecord;
  /** Record timestamp, epoch ms; the time of writing if left out, which is right for the engine's own topics. */
  readonly timestampMs?: number;
}

export interface KafkaSinkOptions {
  readonly brokers: readonly string[];
  readonly properties: Readonly<Record<string, string | number | boolean>>;
  readonly clientId: string;
  /** Largest message, bytes. */
  readonly maxMessageBytes: number;
  /** Most that waits to be sent; {@link KafkaSink.write} waits beyond it. */
  readonly queueKilobytes?: number;
  readonly onTransientError: (message: string) => void;
  /** Further librdkafka properties, which go before all others. */
  readonly overrides?: Readonly<Record<string, string | number | boolean>>;
}

const TOO_LARGE = rdkafka.CODES.ERRORS.ERR_MSG_SIZE_TOO_LARGE;
const CONNECT_TIMEOUT_MS = 30_000;
/** librdkafka's local queue is full: it drains in the background, so wait a moment and go on. */
const QUEUE_FULL_WAIT_MS = 5;
const CLOSE_TIMEOUT_MS = 10_000;
/** A topic that was just created shows up in metadata a moment later. */
const METADATA_ATTEMPTS = 20;
const METADATA_WAIT_MS = 250;
/** How long acknowledgements are waited for before the caller is told; librdkafka retries below this. */
const FLUSH_TIMEOUT_MS = 120_000;

/**
 * Writes records and waits for their acknowledgement. `write` any number of records, then `flush`: when it resolves,
 * every record since the last flush is on all in-sync replicas, once (idempotent producer). When it rejects, some may
 * not be, and the caller must not commit what they were made from.
 */
export class KafkaSink {
  protected readonly producer: Producer;
  protected failure: Error | undefined;
  /** Smaller forms of records that the broker refused, to be written with the next flush. */
  private instead: OutputRecord[] = [];

  constructor(protected readonly options: KafkaSinkOptions) {
    const config: ProducerGlobalConfig = {
      'linger.ms': 5,
      'queue.buffering.max.messages': 200_000,
      'queue.buffering.max.kbytes': options.queueKilobytes ?? 262_144,
      'message.max.bytes': options.maxMessageBytes,
      'topic.metadata.refresh.interval.ms': 10_000,
      ...(options.properties as ProducerGlobalConfig),
      'metadata.broker.list': options.brokers.join(','),
      'client.id': options.clientId,
      'enable.idempotence': true,
      'delivery.report.only.error': true,
      ...options.overrides,
      dr_cb: (error: LibrdKafkaError | null, report: { opaque?: OutputRecord }) => {
        if (!error) return;
        // Delivery reports carry librdkafka's text, not its code.
        if (/message size too large/i.test(error.message) && report.opaque?.ifTooLarge !== undefined)
          this.refused(report.opaque, report.opaque.ifTooLarge);
        else this.failure ??= new ActuaryError('kafka_failed', explained(error.message), { cause: error });
      },
    };
    // Kafka's own default for keyed records; librdkafka's is CRC32, which would part a GPU from its state.
    this.producer = new rdkafka.Producer(config, { partitioner: 'murmur2_random' });
    this.producer.on('event.error', (error) => {
      if (error.isFatal) this.failure ??= new ActuaryError('kafka_failed', error.message, { cause: error });
      else options.onTransientError(error.message);
    });
  }

  /** @throws ActuaryError kafka_unreachable */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.producer.connect({ timeout: CONNECT_TIMEOUT_MS }, (error) => {
        if (error)
          reject(
            new ActuaryError('kafka_unreachable', `Kafka at ${this.options.brokers.join(', ')}: ${error.message}`, {
              cause: error,
            }),
          );
        else resolve();
      });
    });
    this.producer.setPollInterval(20);
  }

  /** Queues records; waits where the queue is full. @throws ActuaryError kafka_failed */
  async write(records: Iterable<OutputRecord>): Promise<void> {
    const turn = new Turn();
    for (const record of records) {
      if (turn.isOver()) await turn.next();
      // The broker refuses whole batches for one record that is too large: such a one travels alone.
      const alone = record.ifTooLarge !== undefined;
      if (alone) await this.drain();
      for (;;) {
        try {
          this.producer.produce(
            record.topic,
            record.partition,
            record.value,
            record.key,
            record.timestampMs,
            record.ifTooLarge === undefined ? undefined : record,
            record.headers?.map(([name, value]) => ({ [name]: value })),
          );
          break;
        } catch (error) {
          const { code } = error as LibrdKafkaError;
          if (code === TOO_LARGE && record.ifTooLarge !== undefined) {
            this.instead.push(record.ifTooLarge);
            break;
          }
          if (code !== rdkafka.CODES.ERRORS.ERR__QUEUE_FULL)
            throw new ActuaryError('kafka_failed', `write to ${record.topic}: ${(error as Error).message}`, {
              cause: error,
            });
          await delay(QUEUE_FULL_WAIT_MS);
        }
      }
      if (alone) await this.drain();
    }
  }

  /** Waits for the acknowledgement of all that was written. @throws ActuaryError kafka_failed */
  async flush(): Promise<void> {
    await this.drain();
    if (this.failure) throw this.failure;
    if (this.instead.length === 0) return;
    const smaller = this.instead;
    this.instead = [];
    await this.write(smaller);
    await this.flush();
  }

  /** The broker did not take a record for its size: its smaller form is written with the next flush. */
  protected refused(_record: OutputRecord, smaller: OutputRecord): void {
    this.instead.push(smaller);
  }

  /** Waits until nothing is on its way, and until what became of it is known. */
  private async drain(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.producer.flush(FLUSH_TIMEOUT_MS, (error: LibrdKafkaError | null) => {
        if (error) reject(new ActuaryError('kafka_failed', `write: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
    // Reports of failed deliveries come by the event loop: let those that the flush set off arrive.
    this.producer.poll();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Number of partitions of a topic; asking for it creates the topic where the cluster does that. */
  async partitions(topic: string): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const count = await new Promise<number>((resolve, reject) => {
        this.producer.getMetadata({ topic, timeout: CONNECT_TIMEOUT_MS }, (error, metadata) => {
          if (error)
            reject(new ActuaryError('kafka_failed', `metadata of ${topic}: ${error.message}`, { cause: error }));
          else resolve(metadata.topics.find(({ name }) => name === topic)?.partitions.length ?? 0);
        });
      });
      if (count > 0) return count;
      if (attempt === METADATA_ATTEMPTS)
        throw new ActuaryError('topic_missing', `topic ${topic} does not exist: run gpu-actuary topics create`);
      await delay(METADATA_WAIT_MS);
    }
  }

  async close(): Promise<void> {
    if (!this.producer.isConnected()) return;
    await Promise.race([
      new Promise<void>((resolve) => this.producer.disconnect(() => resolve())),
      delay(CLOSE_TIMEOUT_MS, undefined, { ref: false }),
    ]);
  }
}

/** The client tries again what too few replicas could take, and says in the end that time has run out. */
function explained(message: string): string {
  return /message timed out/i.test(message)
    ? `write: ${message}: the broker is away, or fewer replicas are in sync than the topic's min.insync.replicas asks for`
    : `write: ${message}`;
}
