import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf } from '../../schema/errors.js';
import { failPoint } from '../../schema/fail-point.js';
import { DatabaseSession } from './session.js';
import { copyLine, UPSERT_KEYS, type Cell } from './tables.js';

/** A row for a table, and where it came from, should it be refused. */
export interface Row {
  readonly table: string;
  readonly columns: readonly string[];
  readonly cells: readonly Cell[];
  /** Takes the rows with these cells out of the table instead. */
  readonly removes?: boolean;
  readonly origin: { readonly topic: string; readonly partition: number; readonly offset: number };
}

/** How far one partition moves with a transaction. */
export interface OffsetMove {
  readonly sink: string;
  readonly topic: string;
  readonly partition: number;
  /** What the database says now; −1 where it says nothing yet. */
  readonly from: number;
  readonly to: number;
}

/** Another loader has moved the offsets: what was read has to be read again from where the database is. */
export class FencedError extends Error {
  constructor(readonly move: OffsetMove) {
    super(
      `another loader, or a commit whose answer was lost, has moved ${move.topic}/${move.partition} (${move.sink})`,
    );
    this.name = 'FencedError';
  }
}

/** Steps of a transaction, in order; each has a fail point before and after. */
export const LOAD_STEPS = ['begin', 'offsets', 'copy', 'commit'] as const;
const BLOCK_CHARACTERS = 256 * 1024;
/**
 * SQLSTATEs that say a value is at fault, not the server: data exception, constraint violation, beyond what a row can
 * hold.
 */
const DATA_ERROR = /^(22|23|54000$)/;

/** Whether an error speaks of a value in the rows. */
export function isDataError(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && DATA_ERROR.test(code);
}

/**
 * Writes rows by COPY, together with the offsets they were read up to: both or neither. One connection; a failed one
 * is replaced at the next call.
 */
export class TimescaleSink {
  private readonly session: DatabaseSession;

  /** @param timeoutMs longest that an answer of the database is waited for, a whole transaction's too */
  constructor(url: string, applicationName: string, timeoutMs: number) {
    this.session = new DatabaseSession(url, applicationName, timeoutMs);
  }

  /** Next offsets by `topic/partition` of one sink. */
  async offsets(sink: string): Promise<Map<string, number>> {
    const { rows } = await this.session.within((client) =>
      client.query<{ topic: string; partition: number; next_offset: string }>(
        'SELECT topic, partition, next_offset FROM sink_offsets WHERE sink = $1',
        [sink],
      ),
    );
    return new Map(rows.map(({ topic, partition, next_offset }) => [`${topic}/${partition}`, Number(next_offset)]));
  }

  /**
   * Copies rows and moves offsets in one transaction.
   * @throws FencedError if another loader was faster; any other error as the database gives it
   */
  async write(rows: readonly Row[], moves: readonly OffsetMove[]): Promise<void> {
    await this.session.within(async (client) => {
      try {
        await step('begin', () => client.query('BEGIN'));
        await step('offsets', async () => {
          for (const move of moves) await moveOffset(client, move);
        });
        await step('copy', async () => {
          for (const [table, own] of byTable(rows)) await copy(client, table, own);
        });
        await step('commit', () => client.query('COMMIT'));
      } catch (error) {
        // A connection in doubt is not worth keeping; the server rolls back what it leaves.
        if (error instanceof FencedError || isDataError(error))
          await client.query('ROLLBACK').catch(() => this.session.cut());
        else this.session.cut();
        throw error;
      }
    });
  }

  /**
   * Finds the rows that the database refuses, by halving; nothing is written. For when {@link write} failed with a
   * data error.
   */
  async refused(rows: readonly Row[]): Promise<{ readonly row: Row; readonly reason: string }[]> {
    const refused: { row: Row; reason: string }[] = [];
    for (const [table, own] of byTable(rows)) await this.halve(table, own, refused);
    return refused;
  }

  /** Gives up what is under way: it fails, and the server rolls it back. */
  cut(): void {
    this.session.cut();
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async halve(table: string, rows: readonly Row[], refused: { row: Row; reason: string }[]): Promise<void> {
    const reason = await this.reasonAgainst(table, rows);
    if (reason === null) return;
    if (rows.length === 1) {
      refused.push({ row: rows[0], reason });
      return;
    }
    const middle = rows.length >> 1;
    await this.halve(table, rows.slice(0, middle), refused);
    await this.halve(table, rows.slice(middle), refused);
  }

  private reasonAgainst(table: string, rows: readonly Row[]): Promise<string | null> {
    return this.session.within(async (client) => {
      try {
        await client.query('BEGIN');
        await copy(client, table, rows);
        await client.query('ROLLBACK');
        return null;
      } catch (error) {
        if (!isDataError(error)) {
          this.session.cut();
          throw error;
        }
        await client.query('ROLLBACK');
        return messageOf(error);
      }
    });
  }
}

async function step(name: (typeof LOAD_STEPS)[number], work: () => Promise<unknown>): Promise<void> {
  failPoint(`load.${name}.before`);
  await work();
  failPoint(`load.${name}.after`);
}

async function moveOffset(client: pg.Client, move: OffsetMove): Promise<void> {
  const { sink, topic, partition, from, to } = move;
  const moved =
    from < 0
      ? await client.query(
          'INSERT INTO sink_offsets (sink, topic, partition, next_offset) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
          [sink, topic, partition, to],
        )
      : await client.query(
          'UPDATE sink_offsets SET next_offset = $4 WHERE sink = $1 AND topic = $2 AND partition = $3 AND next_offset = $5',
          [sink, topic, partition, to, from],
        );
  if (moved.rowCount !== 1) throw new FencedError(move);
}

async function copy(client: pg.Client, table: string, rows: readonly Row[]): Promise<void> {
  const keys = UPSERT_KEYS[table];
  if (keys === undefined) {
    await copyInto(client, table, rows[0].columns, rows);
    return;
  }
  for (const run of runsOf(rows))
    if (run[0].removes) await remove(client, table, run);
    else await upsert(client, table, keys, run);
}

async function remove(client: pg.Client, table: string, rows: readonly Row[]): Promise<void> {
  const { columns } = rows[0];
  const places = rows.map(
    (_, row) => `(${columns.map((_, column) => `$${row * columns.length + column + 1}`).join(', ')})`,
  );
  await client.query(
    `DELETE FROM ${table} WHERE (${columns.join(', ')}) IN (${places.join(', ')})`,
    rows.flatMap(({ cells }) => cells),
  );
}

async function upsert(client: pg.Client, table: string, keys: readonly string[], rows: readonly Row[]): Promise<void> {
  const { columns } = rows[0];
  // A table of one row a key cannot be copied into directly: by way of a temporary one, the newest row of a key wins.
  const staging = `staging_${table}`;
  await client.query(`CREATE TEMPORARY TABLE IF NOT EXISTS ${staging} (LIKE ${table}) ON COMMIT DELETE ROWS`);
  await copyInto(client, staging, columns, newestByKey(rows, columns, keys));
  const updates = columns.filter((column) => !keys.includes(column)).map((column) => `${column} = excluded.${column}`);
  await client.query(
    `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM ${staging} ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
  );
  await client.query(`DELETE FROM ${staging}`);
}

async function copyInto(
  client: pg.Client,
  table: string,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  const stream = client.query(copyFrom(`COPY ${table} (${columns.join(', ')}) FROM STDIN`));
  await pipeline(Readable.from(blocksOf(rows)), stream);
}

function* blocksOf(rows: readonly Row[]): Generator<Buffer> {
  let block = '';
  for (const { cells } of rows) {
    block += copyLine(cells);
    if (block.length < BLOCK_CHARACTERS) continue;
    yield Buffer.from(block);
    block = '';
  }
  if (block !== '') yield Buffer.from(block);
}

/** Stretches of rows that are written, and of rows that are removed, in their order. */
function runsOf(rows: readonly Row[]): Row[][] {
  const runs: Row[][] = [];
  for (const row of rows) {
    const run = runs.at(-1);
    if (run !== undefined && isAlike(run[0], row)) run.push(row);
    else runs.push([row]);
  }
  return runs;
}

function isAlike(one: Row, other: Row): boolean {
  return Boolean(one.removes) === Boolean(other.removes) && one.columns.length === other.columns.length;
}

function byTable(rows: readonly Row[]): Map<string, Row[]> {
  const tables = new Map<string, Row[]>();
  for (const row of rows) {
    const own = tables.get(row.table);
    if (own === undefined) tables.set(row.table, [row]);
    else own.push(row);
  }
  return tables;
}

function newestByKey(rows: readonly Row[], columns: readonly string[], keys: readonly string[]): Row[] {
  const indices = keys.map((key) => columns.indexOf(key));
  return [...new Map(rows.map((row) => [indices.map((index) => row.cells[index]).join('\0'), row])).values()];
}
