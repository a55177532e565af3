import type { LogConsumer, LogListener, TopicPartition, TopicPartitionOffset } from '../kafka/log.js';

/**
 * One owner among many instances: whoever is assigned partition 0 of the lock topic. A source without keys is read by
 * its owner alone, for two readers would tear the order of a GPU apart.
 */
export class Ownership implements LogListener {
  private owns = false;
  private stopping = false;
  private watching: Promise<void> = Promise.resolve();

  constructor(
    private readonly consumer: LogConsumer,
    private readonly gained: () => Promise<void>,
    private readonly lost: () => Promise<void>,
    private readonly failed: (error: Error) => void,
  ) {}

  get held(): boolean {
    return this.owns;
  }

  async start(): Promise<void> {
    await this.consumer.start(this);
    this.watching = this.watch().catch(this.failed);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.watching;
    if (this.owns) await this.letGo();
    await this.consumer.close();
  }

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    if (partitions.some(({ partition }) => partition === 0)) {
      this.owns = true;
      await this.gained();
    }
    return [];
  }

  async revoked(): Promise<void> {
    if (this.owns) await this.letGo();
  }

  private async letGo(): Promise<void> {
    this.owns = false;
    await this.lost();
  }

  /** Group membership lives by polling, although nothing is ever written to the topic. */
  private async watch(): Promise<void> {
    while (!this.stopping) await this.consumer.poll(1, 500);
  }
}
