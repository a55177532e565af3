import { setTimeout as delay } from 'node:timers/promises';
import rdkafka, { type KafkaConsumer, type LibrdKafkaError } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { connectAll } from './connect.js';
import { disconnect } from './disconnect.js';
import type { TopicPartition, TopicPartitionOffset } from './log.js';

/** The broker does not answer, or not yet. */
export const WAIT_ERRORS: ReadonlySet<number> = new Set([
  rdkafka.CODES.ERRORS.ERR__TIMED_OUT,
  rdkafka.CODES.ERRORS.ERR__TRANSPORT,
  rdkafka.CODES.ERRORS.ERR__WAIT_COORD,
  rdkafka.CODES.ERRORS.ERR_COORDINATOR_LOAD_IN_PROGRESS,
  rdkafka.CODES.ERRORS.ERR_COORDINATOR_NOT_AVAILABLE,
  rdkafka.CODES.ERRORS.ERR_NOT_COORDINATOR,
  rdkafka.CODES.ERRORS.ERR_UNSTABLE_OFFSET_COMMIT,
]);
const RETRY_MS = 200;
/** An open transaction of the one who had the partition before holds the answer back until it has ended. */
const TIMEOUT_MS = 10_000;

export interface Asking {
  readonly closed: () => boolean;
  readonly onTransientError: (message: string) => void;
}

/**
 * What a consumer's group has committed of partitions, without those of which it has not. Asks until the broker
 * answers: it may be away, or a transaction of the owner before may be open yet.
 * @throws ActuaryError kafka_failed
 */
export async function committedOffsets(
  consumer: KafkaConsumer,
  partitions: readonly TopicPartition[],
  { closed, onTransientError }: Asking,
): Promise<TopicPartitionOffset[]> {
  if (partitions.length === 0) return [];
  for (;;) {
    const answer = await ask(consumer, partitions);
    if (Array.isArray(answer)) return answer.filter(({ offset }) => offset >= 0);
    const { code, message } = answer;
    if (!WAIT_ERRORS.has(code) || closed())
      throw new ActuaryError('kafka_failed', `committed offsets: ${message}`, { cause: answer });
    onTransientError(`committed offsets: ${message}`);
    await delay(RETRY_MS);
  }
}

function ask(
  consumer: KafkaConsumer,
  partitions: readonly TopicPartition[],
): Promise<TopicPartitionOffset[] | LibrdKafkaError> {
  return new Promise((resolve) => {
    consumer.committed(
      partitions.map((partition) => ({ ...partition })),
      TIMEOUT_MS,
      (error: LibrdKafkaError | null, offsets) => resolve(error ?? offsets),
    );
  });
}

export interface GroupOffsetsOptions {
  readonly brokers: readonly string[];
  readonly properties: Readonly<Record<string, string | number | boolean>>;
  readonly group: string;
  readonly clientId: string;
  readonly onTransientError: (message: string) => void;
}

/**
 * The offsets of a group, for one who never joins it: another client's members, or other handles, read its topics. In
 * a transaction its offsets carry no generation, so that the coordinator takes them from whoever writes under the
 * latest epoch of the transactional id; that one alone is fenced by it.
 */
export class GroupOffsets {
  readonly consumer: KafkaConsumer;
  private closed = false;

  constructor(private readonly options: GroupOffsetsOptions) {
    this.consumer = new rdkafka.KafkaConsumer(
      {
        ...options.properties,
        'metadata.broker.list': options.brokers.join(','),
        'group.id': options.group,
        'client.id': options.clientId,
        'enable.auto.commit': false,
        // Offsets of a transaction that has not ended are waited for.
        'isolation.level': 'read_committed',
      },
      {},
    );
    this.consumer.on('event.error', (error) => options.onTransientError(error.message));
  }

  /** @throws ActuaryError kafka_unreachable */
  open(): Promise<void> {
    return connectAll([this.consumer], this.options.brokers);
  }

  committed(partitions: readonly TopicPartition[]): Promise<TopicPartitionOffset[]> {
    return committedOffsets(this.consumer, partitions, {
      closed: () => this.closed,
      onTransientError: this.options.onTransientError,
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    await disconnect(this.consumer);
  }
}
