import { describe, expect, it } from 'vitest';
import { TOPICS, topicName, type TopicKey } from '../../schema/topics.js';
import { loadConfiguration } from '../configuration.js';
import { connectionOf } from './connection.js';
import { prepareTopics } from './startup.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
// Nobody listens on port 1: whoever asks the cluster for anything fails.
const config = loadConfiguration({ environment: {}, sets: ['kafka.brokers=127.0.0.1:1', 'kafka.topicPrefix=own.'] });
const present = (partitionsOf: (key: TopicKey) => number): Map<string, number> =>
  new Map([['raw', 7], ...(Object.keys(TOPICS) as TopicKey[]).map(named(partitionsOf))]);
const named =
  (partitionsOf: (key: TopicKey) => number) =>
  (key: TopicKey): [string, number] => [topicName('own.', key), partitionsOf(key)];

describe('topics that are all there', () => {
  it('are neither created nor asked for once more', async () => {
    const partitions = await prepareTopics(
      config,
      connectionOf(config),
      present(() => 3),
      silent,
    );
    expect(partitions).toEqual(new Map((Object.keys(TOPICS) as TopicKey[]).map(named(() => 3))));
  });

  it('are refused where samples and panes have another number of partitions', async () => {
    const uneven = present((key) => (key === 'panes' ? 4 : 3));
    await expect(prepareTopics(config, connectionOf(config), uneven, silent)).rejects.toMatchObject({
      code: 'topic_mismatch',
      message: expect.stringMatching(/own\.gpu\.samples has 3 partitions and own\.gpu\.panes 4/) as string,
    });
  });
});
