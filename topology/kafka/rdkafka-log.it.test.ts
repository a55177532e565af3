import { describe, expect, it } from 'vitest';
import { KafkaSink } from '../../sinks/kafka.js';
import { startEmbeddedKafka } from '../embedded/kafka.js';
import { RdKafkaLog } from './rdkafka-log.js';

const RECORDS = 20_000;

describe('a group member over node-rdkafka', () => {
  it('gives the records of a partition in order, each once, however often offsets are committed in between', async () => {
    const kafka = await startEmbeddedKafka();
    const common = { brokers: kafka.brokers, properties: {}, onTransientError: () => undefined };
    const sink = new KafkaSink({ ...common, clientId: 'writer', maxMessageBytes: 1_000_000 });
    await sink.open();
    const topic = 'ordered';
    const partitions = await sink.partitions(topic);
    await sink.write(
      Array.from({ length: RECORDS }, (_, n) => ({
        topic,
        partition: n % partitions,
        key: null,
        value: Buffer.from(String(n)),
      })),
    );
    await sink.flush();
    const log = new RdKafkaLog({
      ...common,
      group: 'readers',
      clientId: 'reader',
      topics: [topic],
      sessionTimeoutMs: 10_000,
    });
    await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
    const next = new Array<number>(partitions).fill(0);
    let seen = 0;
    while (seen < RECORDS) {
      const records = await log.poll(100, 1_000);
      for (const { partition, offset } of records) {
        expect(offset).toBe(next[partition]);
        next[partition]++;
        seen++;
      }
      if (records.length > 0) await log.commit(next.map((offset, partition) => ({ topic, partition, offset })));
    }
    for (let partition = 0; partition < partitions; partition++)
      expect(log.endReachedAt({ topic, partition })).toBeLessThanOrEqual(RECORDS / partitions);
    await log.close();
    await sink.close();
    await kafka.stop();
  });
});
