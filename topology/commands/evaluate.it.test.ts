import { PassThrough } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS } from '../../schema/clock.js';
import { TimescaleSink, type Row } from '../../sinks/timescale/sink.js';
import { OUTPUT_TABLES } from '../../sinks/timescale/tables.js';
import { prediction } from '../../test/fixtures/fleet-records.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/postgres.js';
import { migrateDatabase } from './db.js';
import { main } from './main.js';

const START = Date.UTC(2026, 0, 1);
const GPUS = 40;
const DAYS = 3;

interface Horizon {
  readonly horizon_days: number;
  readonly known_rows: number;
  readonly failing_rows: number;
  readonly censored_rows: number;
  readonly reason: string | null;
  readonly metrics: Record<string, { value: number; low: number; high: number }> | null;
}
interface Report {
  readonly gpus: number;
  readonly predictions: number;
  readonly just_failed: number;
  readonly silent_gpus: number;
  readonly labels: number;
  readonly horizons: Horizon[];
  readonly models: { readonly model_version: string; readonly run_id: string; readonly horizons: Horizon[] }[];
}

describe('gpu-actuary evaluate', () => {
  let postgres: EmbeddedPostgres;
  let database: pg.Client;

  const command = async (...args: string[]): Promise<{ status: number; out: string; err: string }> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const argv = ['evaluate', '--set', `database.url=${postgres.url}`, ...args];
    const status = await main(argv, {}, { stdin: new PassThrough(), stdout, stderr });
    return { status, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
  };
  const report = async (...args: string[]): Promise<Report> =>
    JSON.parse((await command('--labels-until', iso(START + 60 * DAY_MS), '--json', ...args)).out) as Report;
  const iso = (ms: number): string => new Date(ms).toISOString();
  const row = (gpu: number, asOf: number, prob30d: number, version: string): Row => ({
    table: OUTPUT_TABLES.predictions.name,
    columns: OUTPUT_TABLES.predictions.columns,
    cells: OUTPUT_TABLES.predictions.row({
      ...prediction(`GPU-${gpu}`, {}, asOf),
      ...{ failure_prob_7d: prob30d / 4, failure_prob_30d: prob30d, failure_prob_90d: Math.min(1, 2 * prob30d) },
      ...{ model_version: version, run_id: `run of ${version}`, newest_reading_at: asOf },
    } as never),
    origin: { topic: 'gpu.predictions', partition: 0, offset: 0 },
  });

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres();
    await migrateDatabase(postgres.url);
    database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    const rows: Row[] = [];
    for (let gpu = 0; gpu < GPUS; gpu++) {
      for (let day = 0; day < DAYS; day++) {
        const asOf = START + day * DAY_MS + 6 * HOUR_MS;
        // What was said before on the same day does not count, however often.
        for (let minute = 0; minute < gpu; minute++) rows.push(row(gpu, asOf + minute * 60_000, 0.9, 'one'));
        rows.push(row(gpu, asOf + 2 * HOUR_MS, 0.01 * (gpu + 1), day === 0 ? 'one' : 'two'));
      }
      // Heard for 60 days, the last three only for ten.
      rows.push(row(gpu, START + (gpu < GPUS - 3 ? 60 : 10) * DAY_MS, 0.5, 'two'));
    }
    const sink = new TimescaleSink(postgres.url, 'test', 30_000);
    await sink.write(rows, []);
    await sink.close();
    await database.query(`INSERT INTO gpu_failure_labels VALUES
      ('GPU-30', '${iso(START + 5 * DAY_MS)}', 'memory'),
      ('GPU-20', '${iso(START + 20 * DAY_MS)}', 'memory'),
      ('GPU-10', '${iso(START + DAY_MS + 4 * HOUR_MS)}', 'power'),
      ('GPU-elsewhere', '${iso(START + DAY_MS)}', 'other')`);
  });
  afterAll(async () => {
    await database?.end();
    await postgres?.stop();
  });

  it('judges the last prediction of each GPU and day, those that went out of sight by those that did not', async () => {
    const found = await report('--since', iso(START), '--until', iso(START + DAYS * DAY_MS));
    // GPU-10 failed on the second day: what was said of it then, hours later, is left out.
    expect(found).toMatchObject({ gpus: GPUS, predictions: GPUS * DAYS - 1, just_failed: 1, labels: 3 });
    // Heard for ten days of the sixty, and no failure of them is known.
    expect(found.silent_gpus).toBe(3);
    const [week, month, quarter] = found.horizons;
    expect(week).toMatchObject({ horizon_days: 7, failing_rows: 4, known_rows: GPUS * DAYS - 1, censored_rows: 0 });
    expect(week.metrics!.base_rate.value).toBeCloseTo(4 / (GPUS * DAYS - 1), 12);
    expect(month).toMatchObject({ failing_rows: 7, known_rows: GPUS * DAYS - 10, censored_rows: 9 });
    // The three that were heard for ten days are stood for by the others: more rows than are known, not fewer failures.
    expect(month.metrics!.base_rate.value).toBeLessThan(7 / month.known_rows);
    expect(month.metrics!.base_rate.value).toBeGreaterThan(7 / (GPUS * DAYS - 1));
    expect(month.metrics!.auc.low).toBeLessThanOrEqual(month.metrics!.auc.value);
    expect(quarter).toMatchObject({ metrics: null, reason: 'not_followed' });
    expect(found.models.map(({ model_version, run_id }) => [model_version, run_id])).toEqual([
      ['one', 'run of one'],
      ['two', 'run of two'],
    ]);
    expect(found.models.map(({ horizons }) => horizons[0].failing_rows)).toEqual([2, 2]);
  });

  it('says the same in words', async () => {
    const { status, out } = await command(
      '--since',
      iso(START),
      '--until',
      iso(START + DAYS * DAY_MS),
      '--labels-until',
      iso(START + 60 * DAY_MS),
    );
    expect(status).toBe(0);
    expect(out).toContain(`${GPUS * DAYS - 1} predictions of ${GPUS} GPUs`);
    expect(out).toContain('3 of the GPUs stopped reporting');
    expect(out).toContain('30 days: 7 of 110 fail; 9 more went out of sight before');
    expect(out).toMatch(/AUC +0\.\d+ {2}\(0\.\d+ to \d\.\d+\)/);
    expect(out).toContain('90 days: 7 of 7 fail');
  });

  it('says what is missing: predictions, a time that makes sense, tables, a database', async () => {
    expect(await command('--since', '1h')).toMatchObject({
      status: 1,
      err: expect.stringContaining('no_prediction') as string,
    });
    expect((await command('--since', '2026-01-02', '--until', '2026-01-01')).status).toBe(2);
    expect((await command('--since', 'soon')).status).toBe(2);
    const elsewhere = postgres.url.replace(/\/[^/]*$/, '/template1');
    const empty = await command('--since', '1d', '--set', `database.url=${elsewhere}`);
    expect(empty.err).toMatch(/database_failed.*run gpu-actuary db migrate/);
  });
});
