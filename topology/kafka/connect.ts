import type { KafkaConsumer, LibrdKafkaError } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';

const TIMEOUT_MS = 30_000;

/** Connects consumers that join no group. @throws ActuaryError kafka_unreachable */
export async function connectAll(consumers: readonly KafkaConsumer[], brokers: readonly string[]): Promise<void> {
  for (const consumer of consumers)
    await new Promise<void>((resolve, reject) => {
      consumer.connect({ timeout: TIMEOUT_MS }, (error: LibrdKafkaError | null) => {
        if (error)
          reject(
            new ActuaryError('kafka_unreachable', `Kafka at ${brokers.join(', ')}: ${error.message}`, { cause: error }),
          );
        else resolve();
      });
    });
}
