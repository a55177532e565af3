import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { eventually, TestClient, type Read } from '../../test/support/client.js';
import type { EngineCommand } from '../../test/support/engine-command.js';
import { Engines } from '../../test/support/engines.js';
import { FleetFeed } from '../../test/support/fleet-feed.js';
import { describeWith } from '../../test/support/requirements.js';

const RAW = 'raw';
/** A topic in which nothing comes for so long has been read to its end. */
const QUIET_MS = 2_000;
const OUTPUTS = ['features', 'predictions', 'health', 'decisions', 'panes'] as const;
type Output = Record<string, unknown> & { gpu_uuid: string };

await describeWith('kraft', 'the score role, killed and started again', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let engines: Engines;
  let feed: FleetFeed;

  const run = (roles: string, prefix: string): EngineCommand => engines.run(roles, `kafka.topicPrefix=${prefix}`);
  const sum = (offsets: Map<number, number>): number =>
    [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
  /** Sum of what a group has committed; 0 while the group's coordinator is not there yet. */
  const committed = (group: string, topic: string): Promise<number> =>
    client.committed(group, topic).then(sum, () => 0);
  const scored = (prefix: string): Promise<number> => committed(`${prefix}gpu-actuary.score`, `${prefix}gpu.samples`);
  /** All records of a topic: read until nothing has come for a while. */
  const readAll = (topic: string): Promise<Read[]> => {
    let seen = 0;
    let quietSince = performance.now();
    return client.readUntil([topic], (records) => {
      if (records.length !== seen) quietSince = performance.now();
      seen = records.length;
      return seen > 0 && performance.now() - quietSince > QUIET_MS;
    });
  };
  /** Records by topic and GPU, in order, without what a run leaves of itself; repeats, which at-least-once allows, once. */
  const outputs = async (prefix: string): Promise<Record<string, string[]>> => {
    const byKey: Record<string, string[]> = {};
    for (const topic of OUTPUTS)
      for (const { value } of await readAll(`${prefix}gpu.${topic}`)) {
        const record = await codec.decode<Output>(topic, value!);
        const list = (byKey[`${topic} ${record.gpu_uuid}`] ??= []);
        const text = JSON.stringify({ ...record, emitted_at: null, instance: null });
        if (!list.includes(text)) list.push(text);
      }
    return byKey;
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    feed = new FleetFeed(client, RAW, {
      gpus: 24,
      seed: 5,
      startMs: Date.UTC(2026, 5, 1),
      days: 2,
      cadenceMs: 60_000,
    });
    engines = new Engines(broker.brokers, [
      ...['score.adaptive=false', 'score.maxBatches=2', 'ingest.batchSamples=200', 'checkpoint.intervalMs=1000'],
      `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
    ]);
  });
  afterAll(async () => {
    await engines?.end();
    await broker?.stop();
  });

  it('says what a run says in which nothing happened, and ends in the same state', async () => {
    await feed.produce(20_000);
    // The same gpu.samples for both: the second run's score reads a copy of what the first one's ingest wrote.
    const first = run('ingest,score', '');
    await eventually('all read', async () =>
      (await committed('gpu-actuary.ingest', RAW)) >= 20_000 ? true : undefined,
    );
    const all = await readAll('gpu.samples');
    const ends = new Map<number, number>();
    for (const { partition, offset } of all) ends.set(partition, offset + 1);
    await eventually('all scored', async () => ((await scored('')) >= sum(ends) ? true : undefined));
    await first.end('SIGTERM');
    const whole = first.said('state at the end').at(-1)!.partitions as Record<string, object>;
    const second = run('score', 'b.');
    await eventually('a second one that waits', () => Promise.resolve(second.said('role started').at(0)));
    const bySlice = (from: number, until: number) =>
      client.produce(
        'b.gpu.samples',
        all
          .slice(Math.floor(from * all.length), Math.floor(until * all.length))
          .map(({ key, value, partition }) => ({ key, value, partition })),
      );
    await bySlice(0, 0.4);
    await eventually('some scored', async () =>
      (await scored('b.')) >= Math.floor(0.4 * all.length) ? true : undefined,
    );
    await bySlice(0.4, 0.7);
    await eventually('a checkpoint', async () => ((await client.count('b.gpu.checkpoints')) > 0 ? true : undefined));
    await second.end('SIGKILL');
    const third = run('score', 'b.');
    await bySlice(0.7, 1);
    await eventually('all scored', async () => ((await scored('b.')) >= all.length ? true : undefined));
    expect(third.said('windows restored').at(-1)!.gpus).toBeGreaterThan(0);
    await third.end('SIGTERM');
    const after = third.said('state at the end').at(-1)!.partitions as Record<string, { digest: string }>;
    for (const [partition, state] of Object.entries(whole))
      expect(after[partition].digest).toBe((state as { digest: string }).digest);
    expect(await outputs('b.')).toEqual(await outputs(''));
  }, 180_000);
});
