import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const CONNECT_TIMEOUT_MS = 10_000;
const GOODBYE_MS = 1_000;

/** The database took a statement and said nothing: it is stopped, overloaded, or gone without a word. */
export class SilentDatabaseError extends Error {
  constructor(readonly timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
    this.name = 'SilentDatabaseError';
  }
}

/**
 * One connection to the database, opened when it is needed and replaced when it failed. Nothing waits for an answer
 * longer than the timeout: a server that is stopped keeps its sockets open and would be waited for for ever.
 */
export class DatabaseSession {
  private client: pg.Client | undefined;

  constructor(
    private readonly url: string,
    private readonly applicationName: string,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Does something with the connection. If it is not done in time the connection is cut: the server rolls back what
   * was open, or finishes a commit that it has got already.
   * @throws SilentDatabaseError, or whatever the work throws
   */
  async within<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await this.connected();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new SilentDatabaseError(this.timeoutMs));
        this.cut();
      }, this.timeoutMs);
    });
    const done = work(client);
    // Cutting makes it fail too, when nobody looks at it any more.
    done.catch(() => undefined);
    try {
      return await Promise.race([done, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection at once, without a word to the server. */
  cut(): void {
    const { client } = this;
    this.client = undefined;
    if (client !== undefined) socketOf(client).destroy();
  }

  /** Says goodbye where the server listens; returns in any case. */
  async close(): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    await Promise.race([client.end().catch(() => undefined), delay(GOODBYE_MS, undefined, { ref: false })]);
    this.cut();
  }

  private async connected(): Promise<pg.Client> {
    if (this.client !== undefined) return this.client;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: this.applicationName,
      connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, this.timeoutMs),
      // What was cut off here must not hold its locks there for long.
      statement_timeout: this.timeoutMs,
      idle_in_transaction_session_timeout: this.timeoutMs,
      keepAlive: true,
    });
    // Without a listener the loss of an idle connection would end the process.
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
    });
    this.client = client;
    try {
      await client.connect();
    } catch (error) {
      if (this.client === client) this.client = undefined;
      throw error;
    }
    return client;
  }
}

/** pg has no call that ends a connection without waiting for the server. */
function socketOf(client: pg.Client): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream;
}
