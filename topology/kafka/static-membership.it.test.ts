import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { describeWith } from '../../test/support/requirements.js';
import { connectionOf, openLog } from './connection.js';
import { loadConfiguration } from '../configuration.js';
import type { TopicPartition } from './log.js';
import type { RdKafkaLog } from './rdkafka-log.js';

const TOPIC = 'watched';
const PARTITIONS = 4;

interface Member {
  readonly log: RdKafkaLog;
  readonly mine: TopicPartition[];
  /** How often it was told of partitions, coming or going. */
  changes: number;
}

await describeWith('kraft', 'a static member of a group', () => {
  let broker: Broker;
  let admin: Admin;

  const join = async (group: string, instance: string): Promise<Member> => {
    const config = loadConfiguration({
      environment: {},
      sets: [
        `instance=${instance}`,
        `kafka.brokers=${broker.brokers}`,
        `kafka.topicPrefix=${group}.`,
        'kafka.staticMembership=true',
        // Longer than the test: whoever does not come back is waited for.
        'kafka.sessionTimeoutMs=60000',
      ],
    });
    const log = openLog(connectionOf(config), 'score', [TOPIC], () => undefined);
    const member: Member = { log, mine: [], changes: 0 };
    await log.start({
      assigned: (partitions) => {
        member.changes++;
        member.mine.splice(0, Infinity, ...partitions.map(({ topic, partition }) => ({ topic, partition })));
        return Promise.resolve([]);
      },
      revoked: () => {
        member.changes++;
        member.mine.length = 0;
        return Promise.resolve();
      },
    });
    return member;
  };
  const pollUntil = async (members: readonly Member[], isSo: () => boolean): Promise<void> => {
    for (let polls = 0; !isSo() && polls < 600; polls++) for (const { log } of members) await log.poll(100, 50);
    expect(isSo()).toBe(true);
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    const { Kafka, logLevel } = kafkajs;
    admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  });
  afterAll(async () => {
    await admin?.disconnect();
    await broker?.stop();
  });

  it('gets its partitions back after a restart, and nobody else is disturbed', async () => {
    const first = await join('restarted', 'first');
    await pollUntil([first], () => first.mine.length === PARTITIONS);
    const second = await join('restarted', 'second');
    await pollUntil([first, second], () => first.mine.length === 2 && second.mine.length === 2);
    const before = { partitions: [...second.mine], changesOfFirst: first.changes };

    await second.log.close();
    const again = await join('restarted', 'second');
    await pollUntil([first, again], () => again.mine.length > 0);

    expect(again.mine).toEqual(before.partitions);
    expect(first.changes).toBe(before.changesOfFirst);
    await Promise.all([first.log.close(), again.log.close()]);
  });

  it('is told with a code when another process comes under its name', async () => {
    const first = await join('fenced', 'twin');
    await pollUntil([first], () => first.mine.length > 0);
    const second = await join('fenced', 'twin');
    const polls = async (): Promise<void> => {
      for (let polled = 0; polled < 600; polled++) {
        await second.log.poll(100, 10);
        await first.log.poll(100, 10);
      }
    };
    await expect(polls()).rejects.toMatchObject({
      code: 'kafka_failed',
      message: expect.stringMatching(/instance/i) as string,
    });
    await Promise.all([first.log.close(), second.log.close()]);
  });
});
