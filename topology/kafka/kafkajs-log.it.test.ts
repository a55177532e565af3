import type { Consumer, ConsumerGroupJoinEvent, Kafka } from 'kafkajs';
import { describe, expect, it, vi } from 'vitest';
import { KafkaSink, type OutputRecord } from '../../sinks/kafka.js';
import { startEmbeddedKafka } from '../embedded/kafka.js';
import { blockKafkaJs } from './kafkajs-blocks.js';
import { isBeyondKafkaJs, KafkaJsLog } from './kafkajs-log.js';

const RECORDS = 20_000;
const HALF = RECORDS / 2;
const topic = 'ordered';

const record = (n: number, partitions: number): OutputRecord => ({
  topic,
  partition: n % partitions,
  key: `key-${n}`,
  value: Buffer.from(String(n)),
  timestampMs: 1_000_000 + n,
});

describe('a group member over kafkajs', () => {
  it('gives the records of a partition in order, each once, goes on where it committed, and knows the end', async () => {
    const kafka = await startEmbeddedKafka();
    const common = { brokers: kafka.brokers, properties: {}, onTransientError: () => undefined };
    const open = async (properties: Record<string, string> = {}): Promise<KafkaSink> => {
      const sink = new KafkaSink({ ...common, properties, clientId: 'writer', maxMessageBytes: 1_000_000 });
      await sink.open();
      return sink;
    };
    const plain = await open();
    const zipped = await open({ 'compression.codec': 'gzip' });
    const partitions = await plain.partitions(topic);
    const all = Array.from({ length: RECORDS }, (_, n) => record(n, partitions));
    await plain.write(all.slice(0, HALF));
    await plain.flush();
    await zipped.write(all.slice(HALF));
    await zipped.flush();

    const next = new Array<number>(partitions).fill(0);
    let seen = 0;
    const read = async (until: number): Promise<void> => {
      const options = { brokers: kafka.brokers, group: 'readers', clientId: 'reader', topics: [topic] };
      const log = new KafkaJsLog({
        ...options,
        sessionTimeoutMs: 10_000,
        bufferBytes: 64e6,
        onTransientError: () => undefined,
      });
      await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
      while (seen < until) {
        for (const block of await log.pollBlocks(10_000, 1_000)) {
          const cursor = block.cursor(0);
          while (cursor.next()) {
            const { partition, offset, timestampMs, key, value } = cursor.record();
            expect(offset).toBe(next[partition]);
            const n = offset * partitions + partition;
            expect([String(key), String(value), timestampMs]).toEqual([`key-${n}`, String(n), 1_000_000 + n]);
            next[partition]++;
            seen++;
          }
          expect(block.nextOffset).toBe(next[block.partition]);
        }
        await log.commit(next.map((offset, partition) => ({ topic, partition, offset })));
      }
      if (seen === RECORDS)
        for (let partition = 0; partition < partitions; partition++)
          expect(log.endReachedAt({ topic, partition })).toBe(RECORDS / partitions);
      await log.close();
    };
    await read(HALF);
    await read(RECORDS);
    await plain.close();
    await zipped.close();
    await kafka.stop();
  });

  it('joins anew where the client hands out partitions and never says that it holds them', async () => {
    const kafka = await startEmbeddedKafka();
    const options = { brokers: kafka.brokers, onTransientError: () => undefined };
    const sink = new KafkaSink({ ...options, properties: {}, clientId: 'writer', maxMessageBytes: 1_000_000 });
    await sink.open();
    await sink.partitions(topic);
    await sink.write([{ topic, partition: 0, key: null, value: Buffer.from('a') }]);
    await sink.flush();
    // As after a join that failed for a coordinator that was loading: the first event of a join does not come.
    let joins = 0;
    const { Kafka } = blockKafkaJs();
    const make = Object.getOwnPropertyDescriptor(Kafka.prototype, 'consumer')!.value as Kafka['consumer'];
    const making = vi.spyOn(Kafka.prototype, 'consumer').mockImplementation(function (this: Kafka, config) {
      const consumer = make.call(this, config);
      type Listen = (name: string, listener: (event: ConsumerGroupJoinEvent) => void) => () => void;
      const listen = consumer.on.bind(consumer) as Listen;
      vi.spyOn(consumer, 'on').mockImplementation(((name, listener) =>
        listen(name, (event) => {
          if (name !== consumer.events.GROUP_JOIN || ++joins > 1) listener(event);
        })) as Listen as Consumer['on']);
      return consumer;
    });
    const log = new KafkaJsLog({
      ...options,
      ...{ group: 'g', clientId: 'c', topics: [topic], sessionTimeoutMs: 10_000, bufferBytes: 64e6 },
    });
    await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
    const values: string[] = [];
    while (values.length === 0)
      for (const block of await log.pollBlocks(1e6, 1_000)) {
        const cursor = block.cursor(0);
        while (cursor.next()) values.push(String(cursor.record().value));
      }
    expect([values, joins]).toEqual([['a'], 2]);
    making.mockRestore();
    await log.close();
    await sink.close();
    await kafka.stop();
  }, 60_000);

  it('says so where a codec is beyond it', async () => {
    const kafka = await startEmbeddedKafka();
    const options = { brokers: kafka.brokers, onTransientError: () => undefined };
    const sink = new KafkaSink({
      ...options,
      properties: { 'compression.codec': 'snappy' },
      clientId: 'writer',
      maxMessageBytes: 1_000_000,
    });
    await sink.open();
    await sink.partitions(topic);
    await sink.write([{ topic, partition: 0, key: null, value: Buffer.from('a'.repeat(1000)) }]);
    await sink.flush();
    const log = new KafkaJsLog({
      ...options,
      group: 'g',
      clientId: 'c',
      topics: [topic],
      sessionTimeoutMs: 10_000,
      bufferBytes: 64e6,
    });
    await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
    const failure = await (async () => {
      for (;;) await log.pollBlocks(1, 1_000);
    })().catch((error: unknown) => error as Error);
    expect(isBeyondKafkaJs(failure)).toBe(true);
    await log.close();
    await sink.close();
    await kafka.stop();
  });
});
