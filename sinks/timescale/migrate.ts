import { ActuaryError, messageOf } from '../../schema/errors.js';
import { FEATURES } from '../../schema/features.js';
import { migrations } from '../../schema/migrations.js';

/** The part of a database client that migrating takes; that of pg, and of PostgreSQL in WASM alike. */
export interface SqlSession {
  query(sql: string, parameters?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  /** Runs a script of several statements. */
  script(sql: string): Promise<void>;
}

export interface MigrationResult {
  readonly applied: string[];
  /** Whether the TimescaleDB parts apply; without the extension the tables are plain ones. */
  readonly timescale: boolean;
}

/** Any constant: who migrates holds it, so that two at once take turns. */
const ADVISORY_LOCK = 7_283_114_025;

/**
 * Brings a database to the newest schema. Safe to repeat, and for two to do at once.
 * @throws ActuaryError database_failed: a step failed, or one that was applied has changed since
 */
export async function migrate(session: SqlSession): Promise<MigrationResult> {
  await session.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
  try {
    await session.script(
      'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    const timescale = await hasTimescale(session);
    const { rows } = await session.query('SELECT name, checksum FROM schema_migrations');
    const done = new Map(rows.map(({ name, checksum }) => [name as string, checksum as string]));
    const applied: string[] = [];
    for (const migration of migrations()) {
      const before = done.get(migration.name);
      if (before !== undefined && before !== migration.checksum)
        throw new ActuaryError(
          'database_failed',
          `migration ${migration.name} was applied in another form: this version of the software does not fit the database`,
        );
      if (before !== undefined || (migration.needsTimescale && !timescale)) continue;
      await apply(session, migration.name, migration.sql, migration.checksum);
      applied.push(migration.name);
    }
    await defineFeatures(session);
    return { applied, timescale };
  } finally {
    await session.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]);
  }
}

/** Uses the extension where it is installed, and installs it where the server has it and lets us. */
async function hasTimescale(session: SqlSession): Promise<boolean> {
  const installed = await session.query("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'");
  if (installed.rows.length > 0) return true;
  const available = await session.query("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'");
  if (available.rows.length === 0) return false;
  try {
    await session.script('CREATE EXTENSION IF NOT EXISTS timescaledb');
    return true;
  } catch (error) {
    throw new ActuaryError(
      'database_failed',
      `the server has TimescaleDB but it cannot be switched on: ${messageOf(error)}. Run CREATE EXTENSION timescaledb as a superuser, then migrate again`,
      { cause: error },
    );
  }
}

async function apply(session: SqlSession, name: string, sql: string, checksum: string): Promise<void> {
  await session.script('BEGIN');
  try {
    await session.script(sql);
    await session.query('INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)', [name, checksum]);
    await session.script('COMMIT');
  } catch (error) {
    await session.script('ROLLBACK');
    throw new ActuaryError('database_failed', `migration ${name}: ${messageOf(error)}`, { cause: error });
  }
}

/** feature_definitions says what the columns of gpu_features mean, in this version's words. */
async function defineFeatures(session: SqlSession): Promise<void> {
  const published = FEATURES.filter(({ set }) => set !== 'internal');
  await session.query(
    `INSERT INTO feature_definitions (name, unit, feature_set, description)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
     ON CONFLICT (name) DO UPDATE SET unit = excluded.unit, feature_set = excluded.feature_set, description = excluded.description`,
    [
      published.map(({ name }) => name),
      published.map(({ unit }) => unit),
      published.map(({ set }) => set),
      published.map(({ description }) => description),
    ],
  );
}
