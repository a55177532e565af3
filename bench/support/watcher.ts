import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Consumer, type KafkaMessage } from 'kafkajs';
import type { Cluster } from './cluster.js';

const { Kafka, logLevel } = kafkajs;
const JOIN_TIMEOUT_MS = 60_000;

/** A read_committed reader of a topic from its end on, which says of every record when it had it. */
export class Watcher {
  private readonly consumer: Consumer;

  constructor(
    cluster: Cluster,
    private readonly topic: string,
    private readonly onRecord: (message: KafkaMessage, atMs: number) => void,
  ) {
    this.consumer = new Kafka({ brokers: [...cluster.brokers], logLevel: logLevel.NOTHING }).consumer({
      groupId: `bench-watch-${randomUUID()}`,
      maxWaitTimeInMs: 500,
      readUncommitted: false,
    });
  }

  /** Resolves when it reads. */
  async open(): Promise<void> {
    let joined = false;
    this.consumer.on(this.consumer.events.FETCH, () => (joined = true));
    await this.consumer.connect();
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: false });
    await this.consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: 16,
      eachBatch: ({ batch }) => {
        const atMs = performance.timeOrigin + performance.now();
        for (const message of batch.messages) this.onRecord(message, atMs);
        return Promise.resolve();
      },
    });
    const until = Date.now() + JOIN_TIMEOUT_MS;
    while (!joined) {
      if (Date.now() > until) throw new Error(`${this.topic} cannot be read`);
      await delay(50);
    }
  }

  close(): Promise<void> {
    return this.consumer.disconnect();
  }
}
