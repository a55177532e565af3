import { Command } from 'commander';
import pg from 'pg';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { migrate, type MigrationResult } from '../../sinks/timescale/migrate.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

const CONNECT_TIMEOUT_MS = 10_000;

export function dbCommand(context: CommandContext): Command {
  const command = new Command('db');
  command.addCommand(
    configurable(new Command('migrate'))
      .description('create or update tables and views, with the TimescaleDB parts where the extension is')
      .option('--json', 'print {applied, timescale} as JSON')
      .action(async (options: ConfigurationOptions & { json?: boolean }) => {
        const { url } = configurationOf(context, options).database;
        if (url === null) throw new ActuaryError('usage', 'no database is configured: set database.url');
        const result = await migrateDatabase(url);
        if (options.json) {
          writeLine(context.stdout, JSON.stringify(result));
          return;
        }
        for (const name of result.applied) writeLine(context.stdout, `applied ${name}`);
        if (result.applied.length === 0) writeLine(context.stdout, 'the database is up to date');
        if (!result.timescale)
          writeLine(
            context.stdout,
            'TimescaleDB is not installed here: plain tables, without compression and retention',
          );
      }),
  );
  return command;
}

/** @throws ActuaryError database_unreachable, database_failed */
export async function migrateDatabase(url: string): Promise<MigrationResult> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'gpu-actuary db',
  });
  try {
    await client.connect();
  } catch (error) {
    throw new ActuaryError('database_unreachable', `database: ${messageOf(error)}`, { cause: error });
  }
  try {
    return await migrate({
      query: (sql, parameters) => client.query(sql, parameters),
      script: async (sql) => {
        await client.query(sql);
      },
    });
  } finally {
    await client.end();
  }
}
