import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { LOAD_STEPS } from '../../sinks/timescale/sink.js';
import { Instance } from '../../test/chaos/instance.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { migrateDatabase } from '../commands/db.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/postgres.js';

const START = Date.UTC(2026, 0, 1);
const PARTITIONS = 4;
const RECORDS_A_LIFE = 200;

await describeWith('kraft', 'load, killed at a step of its transaction', () => {
  let broker: Broker;
  let postgres: EmbeddedPostgres;
  let client: TestClient;
  let codec: AvroCodec;
  let produced = 0;

  const start = (failPoint?: string): Promise<Instance> =>
    Instance.start(
      { name: 'loader', roles: ['load'] },
      [
        `kafka.brokers=${broker.brokers}`,
        `kafka.partitions=${PARTITIONS}`,
        'kafka.sessionTimeoutMs=1500',
        `database.url=${postgres.url}`,
      ],
      failPoint,
      () => undefined,
    );
  const produce = async (): Promise<void> => {
    const from = produced;
    produced += RECORDS_A_LIFE;
    await client.produce(
      'gpu.health',
      Array.from({ length: RECORDS_A_LIFE }, (_, index) => {
        const asOf = START + (from + index) * 1000;
        const record = {
          ...{ gpu_uuid: `GPU-${index % 7}`, as_of: asOf, newest_reading_at: asOf, trigger: 'change', score: 95 },
          ...{ grade: 'excellent', coverage: 1, dimensions: {}, deductions: [], emitted_at: START, instance: 'test' },
        };
        return { value: codec.encode('health', record), partition: index % PARTITIONS };
      }),
    );
    // What the client wrote twice is no fault of the engine.
    expect(await client.count('gpu.health')).toBe(produced);
  };
  /** Rows, and different ones among them. */
  const rows = async (): Promise<{ n: number; d: number }> => {
    const database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    const counted = await database.query<{ n: number; d: number }>(
      'SELECT count(*)::int AS n, count(DISTINCT as_of)::int AS d FROM gpu_health_scores',
    );
    await database.end();
    return counted.rows[0];
  };

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres();
    await migrateDatabase(postgres.url);
    broker = await startBroker({ heap: '512m', properties: { 'group.min.session.timeout.ms': 1_000 } });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    await produce();
  });
  afterAll(async () => {
    await broker?.stop();
    await postgres?.stop();
  });

  it.each(LOAD_STEPS.flatMap((step) => [`load.${step}.before`, `load.${step}.after`]))(
    '%s: writes nothing twice',
    async (point) => {
      await produce();
      const loader = await start(point);
      await loader.ended();
      expect(loader.isAtFailPoint).toBe(true);
      const { n, d } = await rows();
      expect(n).toBe(d);
      if (point === 'load.commit.after') expect(n).toBeGreaterThan(0);
    },
  );

  it('after all that: every row is there once', async () => {
    const loader = await start();
    await eventually('all rows', async () => ((await rows()).n >= produced ? true : undefined));
    await loader.leave();
    expect(await rows()).toEqual({ n: produced, d: produced });
  });
});
