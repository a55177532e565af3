import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { EmbeddedPostgres } from '../../topology/embedded/postgres.js';
import { eventually } from './client.js';

/** A PostgreSQL server as what it is, a family of processes that signals can be sent to. Linux only. */
export class PostgresProcess {
  private readonly argv: string[];
  private readonly owner: { uid: number; gid: number };
  private started: ChildProcess | undefined;

  constructor(private readonly server: EmbeddedPostgres) {
    this.argv = readFileSync(`/proc/${this.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const { uid, gid } = statSync(`/proc/${this.pid}`);
    this.owner = { uid, gid };
  }

  /** Stopped, all of them: sockets stay open and nothing answers. */
  stop(): void {
    for (const pid of this.family()) signal(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of this.family()) signal(pid, 'SIGCONT');
  }

  /** Ends it by a signal: SIGKILL, or SIGINT for an orderly end without waiting for clients. */
  async end(by: 'SIGKILL' | 'SIGINT'): Promise<void> {
    const family = this.family();
    for (const pid of by === 'SIGKILL' ? family : family.slice(0, 1)) signal(pid, by);
    await eventually('the end of PostgreSQL', () => Promise.resolve(family.some(lives) ? undefined : true));
  }

  /** Starts it again after {@link end}, with the same data and port. */
  async start(): Promise<void> {
    const [command, ...args] = this.argv;
    this.started = spawn(command, args, { ...this.owner, stdio: 'ignore' });
    await eventually('PostgreSQL', async () => {
      const client = new pg.Client({ connectionString: this.server.url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return true;
      } catch {
        return undefined;
      }
    });
  }

  /** Ends what {@link start} started. */
  async close(): Promise<void> {
    if (this.started?.exitCode === null && this.started.signalCode === null) await this.end('SIGKILL');
  }

  private get pid(): number {
    return Number.parseInt(readFileSync(join(this.server.dataDirectory, 'postmaster.pid'), 'utf8'), 10);
  }

  /** The postmaster, then its children. */
  private family(): number[] {
    const { pid } = this;
    const others = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    return [pid, ...others.filter((other) => parentOf(other) === pid)];
  }
}

/** A child may have ended since it was seen. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return NaN;
  }
}

function lives(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
