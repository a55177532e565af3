import rdkafka, { type Metadata } from 'node-rdkafka';
import { describe, expect, it, vi } from 'vitest';
import { KafkaSink } from '../../sinks/kafka.js';
import { startEmbeddedKafka } from '../embedded/kafka.js';
import { placeBytes } from './buffers.js';
import type { TopicPartition } from './log.js';
import { RdKafkaLog } from './rdkafka-log.js';

const RECORDS = 20_000;

/** The in-process cluster, with a broker that takes so long for each answer. */
async function startSlowKafka(answersAfterMs: number): Promise<{ brokers: string[]; stop(): Promise<void> }> {
  const host = new rdkafka.Producer({
    ...{ 'test.mock.num.brokers': 1, 'test.mock.broker.rtt': answersAfterMs },
    'metadata.broker.list': 'embedded',
  });
  const { brokers } = await new Promise<Metadata>((resolve, reject) => {
    host.connect({}, (error, found) => (error ? reject(new Error(error.message)) : resolve(found)));
  });
  return {
    brokers: brokers.map((broker) => `${broker.host}:${broker.port}`),
    stop: () => new Promise((resolve) => host.disconnect(() => resolve())),
  };
}

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

  it('keeps no more than its budget while the outcome of a commit is awaited, and reads on afterwards', async () => {
    // Much more is fetched by then than may be kept, so that all of it would be.
    const kafka = await startSlowKafka(200);
    const common = { brokers: kafka.brokers, properties: {}, onTransientError: () => undefined };
    const sink = new KafkaSink({ ...common, clientId: 'writer', maxMessageBytes: 1_000_000 });
    await sink.open();
    const topic = 'much';
    const partitions = await sink.partitions(topic);
    const [records, valueBytes, bufferBytes] = [4_000, 1_000, 1_600_000];
    await sink.write(
      Array.from({ length: records }, (_, n) => ({
        topic,
        partition: n % partitions,
        key: null,
        value: Buffer.alloc(valueBytes, String(n)),
      })),
    );
    await sink.flush();
    const log = new RdKafkaLog({
      ...common,
      group: 'readers',
      clientId: 'reader',
      topics: [topic],
      sessionTimeoutMs: 10_000,
      bufferBytes,
    });
    const pauses = vi.spyOn(log.consumer, 'pause');
    await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
    const next = new Array<number>(partitions).fill(0);
    const offsets = (): (TopicPartition & { offset: number })[] =>
      next.map((offset, partition) => ({ topic, partition, offset }));
    // What was taken at a time when the budget was reached comes on top of it.
    const most = placeBytes(bufferBytes) / valueBytes + 100;
    const seen = (): number => next.reduce((sum, offset) => sum + offset, 0);
    const read = async (): Promise<Set<number>> => {
      const polled = await log.poll(10, 1_000);
      expect(polled.length).toBeLessThanOrEqual(most);
      for (const { partition, offset } of polled) expect(offset).toBe(next[partition]++);
      return new Set(polled.map(({ partition }) => partition));
    };
    // The caller pauses one of those that are held: it alone is not read on with the others.
    const apart = { topic, partition: 0 };
    for (let isApart = false; !isApart;) {
      await read();
      expect(seen()).toBeLessThan(records / 2);
      const held = pauses.mock.calls.length;
      let isOver = false;
      const committing = log.commit(offsets()).finally(() => (isOver = true));
      await vi.waitUntil(() => isOver || pauses.mock.calls.length > held, { interval: 1, timeout: 60_000 });
      isApart = !isOver;
      if (isApart) log.pause([apart]);
      await committing;
    }
    await read();
    const stands = next[apart.partition];
    while (seen() - stands < (records / partitions) * (partitions - 1)) {
      expect([...(await read())]).not.toContain(apart.partition);
      await log.commit(offsets());
    }
    expect(next[apart.partition]).toBe(stands);
    log.resume([apart]);
    while (seen() < records) await read();
    await log.close();
    await sink.close();
    await kafka.stop();
  });
});
