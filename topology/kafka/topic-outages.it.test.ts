import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { migrateDatabase } from '../commands/db.js';
import { loadConfiguration } from '../configuration.js';
import { startEmbeddedPostgres } from '../embedded/postgres.js';
import { startEngine, type Engine, type RoleName } from '../runtime.js';

/** What a broker can do to topics behind the engine's back: each told by a code, none passed over. */
await describeWith('kraft', 'the engine, when on the broker', () => {
  let broker: Broker;
  let client: TestClient;
  let admin: Admin;
  let codec: AvroCodec;
  let said: { code?: string; [field: string]: unknown }[] = [];
  const engines: Engine[] = [];

  const start = async (prefix: string, roles: RoleName[], sets: readonly string[] = []): Promise<Engine> => {
    const say = (fields: object, message: string): void => void said.push({ ...fields, message });
    const engine = await startEngine({
      config: loadConfiguration({
        environment: {},
        sets: [
          'instance=test',
          `kafka.brokers=${broker.brokers}`,
          `kafka.topicPrefix=${prefix}`,
          'kafka.partitions=2',
          'model.directory=null',
          'http.port=0',
          ...sets,
        ],
      }),
      roles,
      embedded: false,
      build: { version: 'test', commit: null },
      log: { debug: say, info: say, warn: say, error: say },
    });
    engines.push(engine);
    return engine;
  };
  const failure = (engine: Engine): Promise<unknown> =>
    engine.failed.then(
      () => undefined,
      (error: unknown) => error,
    );

  beforeAll(async () => {
    broker = await startBroker({
      heap: '512m',
      // Or any client that asks for a deleted topic would make it anew at once.
      properties: { 'auto.create.topics.enable': 'false' },
    });
    client = new TestClient([broker.brokers]);
    const { Kafka, logLevel } = kafkajs;
    admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    codec = await AvroCodec.open(null, '');
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
    said = [];
  });
  afterAll(async () => {
    await admin?.disconnect();
    await broker?.stop();
  });

  it.each([
    ['kafkajs', true],
    ['node-rdkafka', false],
  ])('retention was shorter than an outage: tells which offsets are gone, and goes on (%s)', async (name, keyed) => {
    const topic = `raw-${name}`;
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    const sets = [`sources=[{topics: [${topic}], format: wide-json, keyed: ${keyed}}]`];
    const produce = (count: number): Promise<void> =>
      client.produce(
        topic,
        Array.from({ length: count }, () => ({ key: 'host', value: 'no JSON' })),
      );
    const committed = (count: number): Promise<true> =>
      eventually(`${count} offsets`, async () => {
        const offsets = await client.committed(`${name}.gpu-actuary.ingest`, topic).catch(() => null);
        return offsets?.get(0) === count ? true : undefined;
      });
    await produce(10);
    const before = await start(`${name}.`, ['ingest'], sets);
    await committed(10);
    await before.stop();
    expect(said.filter(({ code }) => code === 'offsets_lost')).toEqual([]);
    await produce(10);
    // kafkajs asks a leader that it may not know of yet.
    await eventually('the records to go', () =>
      admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '15' }] }).then(
        () => true,
        () => undefined,
      ),
    );
    const after = await start(`${name}.`, ['ingest'], sets);
    await committed(20);
    expect(said.filter(({ code }) => code === 'offsets_lost')).toEqual([
      expect.objectContaining({
        code: 'offsets_lost',
        role: 'ingest',
        topic,
        partition: 0,
        cause: 'expired',
        from: 10,
        to: 15,
      }),
    ]);
    const metrics = await (await fetch(`${after.url}/metrics`)).text();
    expect(metrics).toContain('gpu_actuary_offsets_lost_total{role="ingest"} 5');
    expect(metrics).toContain('gpu_actuary_offset_gaps_total{role="ingest",cause="expired"} 1');
  });

  it('nothing answers for longer than the session lasts: waits, and goes on with nothing lost', async () => {
    const topic = 'raw-away';
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    const engine = await start(
      'away.',
      ['ingest', 'score'],
      [`sources=[{topics: [${topic}], format: wide-json, keyed: true}]`, 'kafka.sessionTimeoutMs=6000'],
    );
    const failed = failure(engine);
    const letters = async (count: number): Promise<unknown> =>
      Promise.race([
        failed.then((error) => {
          throw error as Error;
        }),
        // Joining again and the transaction that was open can take more than a minute on a busy machine.
        client.readUntil(
          ['away.gpu.dead-letter'],
          (records) => new Set(records.map(({ headers }) => headers.offset)).size === count,
          180_000,
        ),
      ]);
    const produce = (): Promise<void> =>
      client.produce(
        topic,
        Array.from({ length: 20 }, () => ({ key: 'host', value: 'no JSON' })),
      );
    await produce();
    await letters(20);
    broker.process.kill('SIGSTOP');
    // As long as the outage is: what it shows does not depend on how long this takes.
    await delay(9_000);
    broker.process.kill('SIGCONT');
    await produce();
    await letters(40);
    await eventually('readiness', () =>
      Promise.resolve(engine.readiness().every(({ ready }) => ready) ? true : undefined),
    );
  }, 300_000);

  it('one of its topics is deleted: stops with topic_missing, and says how it is made anew', async () => {
    const engine = await start('deleted.', ['score']);
    const failed = failure(engine);
    await admin.deleteTopics({ topics: ['deleted.gpu.panes'] });
    expect(await failed).toMatchObject({
      code: 'topic_missing',
      message: expect.stringMatching(/deleted\.gpu\.panes.*gpu-actuary topics create/) as string,
    });
  });

  it('one of its topics gets more partitions: stops with topic_mismatch, and does not start again', async () => {
    const engine = await start('grown.', ['score']);
    const failed = failure(engine);
    await admin.createPartitions({ topicPartitions: [{ topic: 'grown.gpu.samples', count: 3 }] });
    expect(await failed).toMatchObject({
      code: 'topic_mismatch',
      message: expect.stringMatching(/grown\.gpu\.samples has 3 partitions now and had 2 when/) as string,
    });
    await engine.stop();
    await expect(start('grown.', ['score'])).rejects.toMatchObject({ code: 'topic_mismatch' });
  });

  it('gpu.samples ends before what was scored of it: stops with topic_mismatch, for its state is of what is gone', async () => {
    const samples = 'anew.gpu.samples';
    await admin.createTopics({ topics: [{ topic: 'raw-anew', numPartitions: 1 }] });
    const fleet = new Fleet({ gpus: 8, seed: 5, startMs: Date.UTC(2026, 5, 1), days: 1, cadenceMs: 60_000 });
    const { value: scrape } = fleet.scrapes().next() as { value: Parameters<typeof messagesOf>[0] };
    const messages = [...messagesOf(scrape, 'wide-json-flat')];
    await client.produce(
      'raw-anew',
      messages.map(({ key, value, timeMs }) => ({ key, value, timestampMs: timeMs })),
    );
    const before = await start(
      'anew.',
      ['ingest', 'score'],
      ['sources=[{topics: [raw-anew], format: wide-json-flat, keyed: true}]'],
    );
    const scored = async (): Promise<boolean> => {
      const ends = (await admin.fetchTopicOffsets(samples)).map(({ high }) => Number(high));
      const offsets = await client.committed('anew.gpu-actuary.score', samples);
      return ends.some((end) => end > 0) && ends.every((end, partition) => end === 0 || offsets.get(partition)! > 0);
    };
    await eventually('all samples to be scored', () =>
      scored()
        .then((is) => (is ? true : undefined))
        .catch(() => undefined),
    );
    await before.stop();
    // As if the broker had lost the newest of it: a topic that is deleted takes the group's offsets with it.
    await eventually('the group to be empty', () =>
      admin
        .setOffsets({
          groupId: 'anew.gpu-actuary.score',
          topic: samples,
          partitions: [{ partition: 0, offset: '1000' }],
        })
        .then(
          () => true,
          () => undefined,
        ),
    );
    const after = await start('anew.', ['score']);
    expect(await failure(after)).toMatchObject({
      code: 'topic_mismatch',
      message: expect.stringMatching(
        /anew\.gpu\.samples\/0 ends before offset 1000, up to which it was scored/,
      ) as string,
    });
  });

  it('a source does not exist: stops with topic_missing and its name', async () => {
    const engine = await start(
      'nowhere.',
      ['ingest'],
      ['sources=[{topics: [nowhere], format: wide-json, keyed: false}]'],
    );
    expect(await failure(engine)).toMatchObject({
      code: 'topic_missing',
      message: expect.stringMatching(/nowhere.*create it, or correct sources/) as string,
    });
  });

  /** Batches that nobody can read: score answers each with one dead letter, in the transaction with its offset. */
  const poison = (prefix: string): Promise<void> =>
    client.produce(
      `${prefix}gpu.samples`,
      Array.from({ length: 20 }, (_, n) => ({ value: 'no batch', partition: n % 2 })),
    );
  /** Waits for letters of so many batches. @returns how often each batch has one */
  const lettersOf = async (engine: Engine, prefix: string, count: number): Promise<Map<string, number>> => {
    const times = new Map<string, number>();
    let looked = 0;
    await Promise.race([
      failure(engine).then((error) => {
        throw error as Error;
      }),
      client.readUntil(
        [`${prefix}gpu.dead-letter`],
        (records) => {
          for (; looked < records.length; looked++) {
            const { partition, offset } = records[looked].headers;
            times.set(`${partition}/${offset}`, (times.get(`${partition}/${offset}`) ?? 0) + 1);
          }
          return times.size === count;
        },
        90_000,
      ),
    ]);
    return times;
  };
  const ONCE = (count: number): number[] => new Array<number>(count).fill(1);

  it('gpu.samples goes backwards while it is read, made anew with less in it: stops with topic_mismatch', async () => {
    const topic = 'backwards.gpu.samples';
    const engine = await start('backwards.', ['score']);
    const failed = failure(engine);
    await poison('backwards.');
    await lettersOf(engine, 'backwards.', 20);
    await admin.deleteTopics({ topics: [topic] });
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 2 }] });
    await client.produce(
      topic,
      [0, 1].map((partition) => ({ value: 'no batch', partition })),
    );
    expect(await failed).toMatchObject({
      code: 'topic_mismatch',
      message: expect.stringMatching(/backwards\.gpu\.samples\/\d ends before offset 10, up to which/) as string,
    });
    expect(said.filter(({ code }) => code === 'offsets_lost')).toContainEqual(
      expect.objectContaining({ role: 'score', topic, cause: 'anew', from: 10, to: 0 }),
    );
  });

  it('a source is of another format: stops with dead_letter_limit, with letters of what it could not read', async () => {
    const topic = 'raw-wrong';
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    const messages = Array.from({ length: 11_000 }, () => ({ key: 'host', value: 'no JSON' }));
    await client.produce(topic, messages);
    const engine = await start(
      'wrong.',
      ['ingest'],
      [`sources=[{topics: [${topic}], format: wide-json, keyed: true}]`],
    );
    expect(await failure(engine)).toMatchObject({
      code: 'dead_letter_limit',
      message: expect.stringMatching(/raw-wrong: 100 % of the last \d+ messages/) as string,
    });
    expect(await client.count('wrong.gpu.dead-letter')).toBeGreaterThanOrEqual(10_000);
  });

  it('fewer replicas are in sync than a topic asks for: says so, waits, and goes on with nothing lost or twice', async () => {
    const engine = await start('isr.', ['score']);
    const demand = (replicas: string): Promise<unknown> =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: kafkajs.ConfigResourceTypes.TOPIC,
            name: 'isr.gpu.dead-letter',
            configEntries: [{ name: 'min.insync.replicas', value: replicas }],
          },
        ],
      });
    await poison('isr.');
    await lettersOf(engine, 'isr.', 20);
    const topic = 'isr.gpu.dead-letter';
    const replica = await broker.startReplica();
    await admin.alterPartitionReassignments({
      topics: [{ topic, partitionAssignment: [0, 1].map((partition) => ({ partition, replicas: [1, 2] })) }],
    });
    const inSync = async (replicas: number): Promise<true> =>
      eventually(`${replicas} replicas in sync`, async () => {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        return topics[0].partitions.every(({ isr }) => isr.length === replicas) ? true : undefined;
      });
    await inSync(2);
    await demand('2');
    await replica.stop();
    await inSync(1);
    await poison('isr.');
    await eventually('a word about replicas', () =>
      Promise.resolve(
        said.some(({ code, message }) => code === 'transaction_failed' && /min\.insync\.replicas/.test(String(message)))
          ? true
          : undefined,
      ),
    );
    await demand('1');
    expect([...(await lettersOf(engine, 'isr.', 40)).values()]).toEqual(ONCE(40));
  });

  /** In the wire format, of a schema that no version so far has. */
  const ofLaterVersion = (): Buffer => {
    const message = codec.header('samples');
    message.writeUInt32BE(1_999, 1);
    return message;
  };

  it('gpu.samples holds a batch of a later version: stops with format_newer, and takes nothing of it or behind it', async () => {
    const engine = await start('later.', ['score']);
    const failed = failure(engine);
    await poison('later.');
    await lettersOf(engine, 'later.', 20);
    await client.produce('later.gpu.samples', [
      { value: ofLaterVersion(), partition: 0 },
      { value: 'no batch', partition: 0 },
    ]);
    expect(await failed).toMatchObject({
      code: 'format_newer',
      message: expect.stringMatching(/schema id 1999, of a later version .* run the version that wrote them/) as string,
    });
    await engine.stop();
    const again = await start('later.', ['score']);
    expect(await failure(again)).toMatchObject({ code: 'format_newer' });
    expect((await client.committed('later.gpu-actuary.score', 'later.gpu.samples')).get(0)).toBe(10);
    expect(await client.readAll('later.gpu.dead-letter')).toHaveLength(20);
  });

  it('gpu.health holds a record of a later version: load and serve stop with format_newer, no row of it or behind it', async () => {
    const postgres = await startEmbeddedPostgres();
    await migrateDatabase(postgres.url);
    const database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    const rows = async (): Promise<unknown[]> =>
      (await database.query<{ gpu_uuid: string }>('SELECT gpu_uuid FROM gpu_health_scores')).rows;
    const health = (gpuUuid: string): { key: string; value: Buffer; partition: number } => ({
      key: gpuUuid,
      value: codec.encode('health', {
        ...{ gpu_uuid: gpuUuid, as_of: 0, newest_reading_at: 0, trigger: 'change', score: 95, grade: 'excellent' },
        ...{ coverage: 1, dimensions: {}, deductions: [], emitted_at: 0, instance: 'test' },
      }),
      partition: 0,
    });
    const sets = [`database.url=${postgres.url}`, 'alerts.role=score'];
    const load = await start('reads.', ['load'], sets);
    await client.produce('reads.gpu.health', [health('GPU-before')]);
    await eventually('a row', async () => ((await rows()).length > 0 ? true : undefined));
    await client.produce('reads.gpu.health', [
      { key: 'GPU-later', value: ofLaterVersion(), partition: 0 },
      health('GPU-behind'),
    ]);
    expect(await failure(load)).toMatchObject({ code: 'format_newer' });
    await load.stop();
    for (const role of ['load', 'serve'] as const)
      expect(await failure(await start('reads.', [role], sets)), role).toMatchObject({
        code: 'format_newer',
        message: expect.stringMatching(/gpu\.health holds records of schema id 1999, of a later version/) as string,
      });
    expect(await rows()).toEqual([{ gpu_uuid: 'GPU-before' }]);
    expect(await client.count('reads.gpu.dead-letter')).toBe(0);
    await database.end();
    await postgres.stop();
  });

  it('it is killed and started again: score goes on with nothing lost or twice', async () => {
    const engine = await start('killed.', ['score'], ['kafka.sessionTimeoutMs=6000']);
    await poison('killed.');
    await lettersOf(engine, 'killed.', 20);
    // A client that was cut off in the middle may not know whether it has written: what stands there is asked below.
    const producing = Promise.allSettled([poison('killed.')]);
    broker.process.kill('SIGKILL');
    await broker.process.stop();
    await broker.start();
    await producing;
    await poison('killed.');
    const ends = await client.ends('killed.gpu.samples');
    const batches = [...ends.values()].reduce((sum, end) => sum + end, 0);
    expect(batches).toBeGreaterThanOrEqual(40);
    expect([...(await lettersOf(engine, 'killed.', batches)).values()]).toEqual(ONCE(batches));
    await eventually('readiness', () =>
      Promise.resolve(engine.readiness().every(({ ready }) => ready) ? true : undefined),
    );
  });
});
