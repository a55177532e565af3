import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { endOnInterrupt } from '../../bench/support/interrupt.js';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../topology/embedded/postgres.js';
import { migrateDatabase } from '../../topology/commands/db.js';
import { PostgresProcess } from '../support/postgres-process.js';
import type { ChaosEvent } from './schedule.js';

/** Short, so that a run of minutes has many of them. */
const BROKER_PROPERTIES = {
  'group.min.session.timeout.ms': 1_000,
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1_000,
};

/** A real broker and a real PostgreSQL, and what can happen to them. */
export class Surroundings {
  /** What is under way with each: one thing after the other. */
  private readonly underWay = { broker: Promise.resolve(), database: Promise.resolve() };

  private constructor(
    readonly broker: Broker,
    private readonly postgres: EmbeddedPostgres,
    private readonly server: PostgresProcess,
    private readonly forget: () => void,
  ) {}

  static async open(): Promise<Surroundings> {
    const postgres = await startEmbeddedPostgres();
    const server = new PostgresProcess(postgres);
    // One that sleeps takes no signal to end itself.
    const forget = endOnInterrupt(() => Promise.resolve(server.resume()));
    const broker = await startBroker({ heap: '512m', properties: BROKER_PROPERTIES });
    return new Surroundings(broker, postgres, server, forget);
  }

  /** @returns URL of a new database with the engine's tables */
  async database(name: string): Promise<string> {
    const client = new pg.Client({ connectionString: this.postgres.url });
    await client.connect();
    await client.query(`CREATE DATABASE ${name}`);
    await client.end();
    const url = new URL(this.postgres.url);
    url.pathname = name;
    await migrateDatabase(url.href);
    return url.href;
  }

  /** Resolves when it is over. */
  strike({ kind, target, forMs }: ChaosEvent): Promise<void> {
    const struck = target as keyof typeof this.underWay;
    const [, how] = kind.split('-');
    return (this.underWay[struck] = this.underWay[struck].then(() =>
      struck === 'broker' ? this.strikeBroker(how, forMs) : this.strikeDatabase(how, forMs),
    ));
  }

  async close(): Promise<void> {
    await this.broker.stop();
    await this.server.close();
    await this.postgres.stop();
    this.forget();
  }

  private async strikeBroker(how: string, forMs: number): Promise<void> {
    const { process } = this.broker;
    if (how === 'pause') {
      process.kill('SIGSTOP');
      await delay(forMs);
      process.kill('SIGCONT');
      return;
    }
    if (how === 'kill') process.kill('SIGKILL');
    await process.stop();
    await delay(forMs);
    await this.broker.start();
  }

  private async strikeDatabase(how: string, forMs: number): Promise<void> {
    const { server } = this;
    if (how === 'pause') {
      server.stop();
      await delay(forMs);
      server.resume();
      return;
    }
    await server.end(how === 'kill' ? 'SIGKILL' : 'SIGINT');
    await delay(forMs);
    await server.start();
  }
}
