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
      bufferBytes: 64e6,
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

  it('reads a partition that it had paused, gave away and got back', async () => {
    const kafka = await startEmbeddedKafka();
    const common = { brokers: kafka.brokers, properties: {}, onTransientError: () => undefined };
    const sink = new KafkaSink({ ...common, clientId: 'writer', maxMessageBytes: 1_000_000 });
    await sink.open();
    const topic = 'paused';
    const partitions = await sink.partitions(topic);
    const assigned = new Map<string, number>();
    const join = async (clientId: string): Promise<RdKafkaLog> => {
      const log = new RdKafkaLog({
        ...common,
        group: 'g',
        clientId,
        topics: [topic],
        sessionTimeoutMs: 6_000,
        bufferBytes: 64e6,
      });
      await log.start({
        assigned: (mine) => Promise.resolve(void assigned.set(clientId, mine.length)).then(() => []),
        revoked: () => Promise.resolve(void assigned.set(clientId, 0)),
      });
      return log;
    };
    const pollUntil = async (logs: readonly RdKafkaLog[], isSo: () => boolean): Promise<void> => {
      for (let polls = 0; !isSo() && polls < 600; polls++) for (const log of logs) await log.poll(100, 50);
      expect(isSo()).toBe(true);
    };
    const first = await join('first');
    await pollUntil([first], () => assigned.get('first') === partitions);
    first.pause(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
    const second = await join('second');
    await pollUntil([first, second], () => assigned.get('first') === partitions / 2 && assigned.get('second') !== 0);
    await second.close();
    await pollUntil([first], () => assigned.get('first') === partitions);
    await sink.write(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition, key: null, value: Buffer.from('x') })),
    );
    await sink.flush();
    let seen = 0;
    for (let polls = 0; seen < partitions && polls < 100; polls++) seen += (await first.poll(100, 50)).length;
    expect(seen).toBe(partitions);
    await first.close();
    await sink.close();
    await kafka.stop();
  });
});
