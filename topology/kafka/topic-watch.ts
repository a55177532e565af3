import rdkafka, { type LibrdKafkaError, type Metadata, type Producer } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection } from './connection.js';
import { letGo } from './disconnect.js';

const EVERY_MS = 5_000;
const TIMEOUT_MS = 10_000;
/** A broker that has just come up may not know its topics yet: only what is seen so often in a row counts. */
const SEEN_TIMES = 2;

/**
 * Looks after the engine's topics while it runs: one that was deleted, or has another number of partitions than state
 * was built for, ends the process before it writes GPUs to where nobody looks for them.
 */
export class TopicWatch {
  private readonly client: Producer;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private seen = 0;

  /**
   * @param expected partitions by topic name
   * @param failed called once, with topic_missing or topic_mismatch
   */
  constructor(
    connection: KafkaConnection,
    private readonly expected: ReadonlyMap<string, number>,
    private readonly failed: (error: Error) => void,
  ) {
    this.client = new rdkafka.Producer(clientProperties(connection, 'watch'));
    // A broker that is away is others' to tell.
    this.client.on('event.error', () => undefined);
  }

  start(): void {
    this.client.connect({ timeout: TIMEOUT_MS }, () => this.later());
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    letGo(this.client);
  }

  private later(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => this.look(), EVERY_MS);
    this.timer.unref();
  }

  /** Of all topics: asking for one by name would make it anew on brokers that create topics on request. */
  private look(): void {
    this.client.getMetadata({ timeout: TIMEOUT_MS }, (error: LibrdKafkaError | null, metadata: Metadata) => {
      if (this.closed) return;
      const wrong = error ? null : wrongTopic(this.expected, metadata);
      this.seen = wrong === null ? 0 : this.seen + 1;
      if (wrong !== null && this.seen >= SEEN_TIMES) this.failed(wrong);
      else this.later();
    });
  }
}

/** The first topic that is not as expected; null if all are. */
export function wrongTopic(
  expected: ReadonlyMap<string, number>,
  { topics }: Pick<Metadata, 'topics'>,
): ActuaryError | null {
  const found = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  for (const [topic, count] of expected) {
    const now = found.get(topic) ?? 0;
    if (now === count) continue;
    return now === 0
      ? new ActuaryError(
          'topic_missing',
          `topic ${topic} was deleted while the engine ran, and what it held is gone. gpu-actuary topics create makes it anew; ` +
            'windows are then rebuilt from gpu.panes and what gpu.samples still has',
        )
      : new ActuaryError(
          'topic_mismatch',
          `topic ${topic} has ${now} partitions now and had ${count} when the engine started, because some were added or it was made anew: a GPU belongs to a partition by its number of them, ` +
            'so its samples would part from its state. Stop all processes, and begin with a new kafka.topicPrefix, or with engine topics made anew',
        );
  }
  return null;
}
