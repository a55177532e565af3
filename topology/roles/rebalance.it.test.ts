import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { Random } from '../../simulator/random.js';
import { eventually, TestClient, type Read } from '../../test/support/client.js';
import type { EngineCommand } from '../../test/support/engine-command.js';
import { Engines } from '../../test/support/engines.js';
import { FleetFeed } from '../../test/support/fleet-feed.js';
import { describeWith } from '../../test/support/requirements.js';

const RAW = 'raw';
const PARTITIONS = 6;
const MESSAGES = 15_000;
const CHANGES = 8;
const MOST_INSTANCES = 4;
const SEED = 31;
const OUTPUTS = ['features', 'predictions', 'health', 'decisions', 'panes'] as const;
/** By partition, as `GET /debug/state` and the log tell it. */
type States = Record<string, { offset: number; gpus: number; digest: string }>;

await describeWith('kraft', 'instances of score that come and go', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let engines: Engines;
  let samples: readonly Read[] = [];
  /** By partition, the offset after the last of the samples. */
  const ends = new Map<number, number>();

  const score = (prefix: string, instance: string): EngineCommand =>
    engines.run('score', `kafka.topicPrefix=${prefix}`, `instance=${instance}`);

  /** Writes a share of the samples, as they stand in the topic that they were read from. */
  const feed = (prefix: string, from: number, until: number): Promise<void> =>
    client.produce(
      `${prefix}gpu.samples`,
      samples
        .slice(Math.floor(from * samples.length), Math.floor(until * samples.length))
        .map(({ key, value, partition }) => ({ key, value, partition })),
    );

  const ask = async (instance: EngineCommand, path: string): Promise<Response> => {
    const url = await eventually(`a port among ${instance.output}`, () =>
      Promise.resolve(/"url":"([^"]*)"/.exec(instance.output)?.[1]),
    );
    return fetch(`${url}/${path}`);
  };

  /** Waits until an instance has all partitions, has read them to the end and committed that. @returns its state */
  const atTheEnd = async (instance: EngineCommand, prefix: string): Promise<States> => {
    await eventually('all to be scored', async () => {
      const committed = await client.committed(`${prefix}gpu-actuary.score`, `${prefix}gpu.samples`);
      return [...ends].every(([partition, end]) => committed.get(partition) === end) ? true : undefined;
    });
    return eventually('one instance at the end', async () => {
      if (!(await ask(instance, 'readyz')).ok) return undefined;
      const { roles } = (await (await ask(instance, 'debug/state')).json()) as {
        roles: { score: { state: Partial<States> } };
      };
      const { state } = roles.score;
      return [...ends].every(([partition, end]) => state[partition]?.offset === end) ? (state as States) : undefined;
    });
  };

  /** What a read_committed reader sees of the outputs, by topic and GPU, in order. */
  const outputs = async (prefix: string): Promise<Record<string, unknown[]>> => {
    const byKey: Record<string, unknown[]> = {};
    for (const topic of OUTPUTS)
      for (const { key, value } of await client.readAll(`${prefix}gpu.${topic}`)) {
        const record = await codec.decode<Record<string, unknown>>(topic, value!);
        (byKey[`${topic} ${key}`] ??= []).push({ ...record, emitted_at: null, instance: null });
      }
    return byKey;
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    engines = new Engines(broker.brokers, [
      `kafka.partitions=${PARTITIONS}`,
      'model.directory=null',
      'score.adaptive=false',
      'score.maxBatches=4',
      'ingest.batchSamples=40',
      'checkpoint.intervalMs=1000',
      `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
    ]);
    const feed = new FleetFeed(client, RAW, {
      ...{ gpus: 24, seed: SEED, startMs: Date.UTC(2026, 5, 1), days: 2, cadenceMs: 60_000 },
    });
    await feed.produce(MESSAGES);
    const written = await client.count(RAW);
    const ingest = engines.run('ingest');
    await eventually('all to be read', async () => {
      const read = await client.committed('gpu-actuary.ingest', RAW).catch(() => new Map<number, number>());
      return [...read.values()].reduce((sum, offset) => sum + Math.max(0, offset), 0) === written ? true : undefined;
    });
    expect(await ingest.end('SIGTERM')).toBe(0);
    samples = await client.readAll('gpu.samples');
    for (const { partition } of samples) ends.set(partition, (ends.get(partition) ?? 0) + 1);
    expect(ends.size).toBe(PARTITIONS);
  });
  afterAll(async () => {
    await engines?.end();
    await broker?.stop();
  });

  it('stop at any moment of a rebalance, and leave what a run leaves in which nothing happens', async () => {
    // Side by side with the others: another topic and group.
    const alone = score('alone.', 'alone');
    await alone.says('partitions assigned');
    await feed('alone.', 0, 1);

    const random = new Random(SEED, 'changes');
    const here: EngineCommand[] = [score('many.', 'i0')];
    await here[0].says('partitions assigned');
    for (let change = 0; change < CHANGES; change++) {
      await feed('many.', change / CHANGES, (change + 1) / CHANGES);
      const joins = here.length === 1 || (here.length < MOST_INSTANCES && random.uniform() < 0.5);
      if (joins) here.push(score('many.', `i${change + 1}`));
      // Half of the changes come into the middle of the one before.
      const newest = here[here.length - 1];
      if (random.uniform() < 0.5) await newest.says('partitions assigned');
      else if (joins) await newest.says('role started');
      if (joins) continue;
      const [leaving] = here.splice(Math.floor(random.uniform() * here.length), 1);
      expect(await leaving.end('SIGTERM'), leaving.output).toBe(0);
    }
    while (here.length > 1) expect(await here.pop()!.end('SIGTERM')).toBe(0);
    const [last] = here;
    // It restores what comes to it and reads on first: a state is compared with another as of the same offset.
    const expected = await atTheEnd(alone, 'alone.');
    expect(await atTheEnd(last, 'many.')).toEqual(expected);
    expect(await alone.end('SIGTERM')).toBe(0);
    expect(await last.end('SIGTERM')).toBe(0);
    expect(last.said('state at the end').at(-1)!.partitions).toEqual(expected);
    expect(await outputs('many.')).toEqual(await outputs('alone.'));
  }, 240_000);
});
