import { setTimeout as delay } from 'node:timers/promises';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { FencedError } from '../../sinks/timescale/sink.js';
import { Backoff } from '../backoff.js';

/** Between two looks after the group while the database is waited for. */
const ATTEND_MS = 100;

/** SQLSTATEs that a person has to do something about. */
const ADVICE: Readonly<Record<string, string>> = {
  '42P01': 'its tables are missing: run gpu-actuary db migrate',
  '42703': 'its tables are of another version: run gpu-actuary db migrate',
  '3D000': 'the database does not exist',
  '28P01': 'it refuses the password',
  '28000': 'it refuses the user',
  '42501': 'the user may not write its tables',
  '25006': 'it takes no writes: is it a standby?',
  '53100': 'its disk is full',
};

export interface PatienceListener {
  /** It fails for another reason than before. */
  troubled(trouble: string): void;
  retried(): void;
  /** It answers again. */
  recovered(): void;
  /** Called over and over while it is waited for. */
  attend(): Promise<void>;
}

/** Does things with the database again and again until they work, with growing pauses; says why it waits. */
export class Patience {
  private readonly backoff = new Backoff();
  private ended = false;
  private abandoned = 0;
  private reason: string | null = null;

  constructor(private readonly listener: PatienceListener) {}

  /** Why the database is waited for; null while it answers. */
  get trouble(): string | null {
    return this.reason;
  }

  /**
   * @returns null when it was abandoned or ended meanwhile
   * @throws FencedError, and errors that are not the database's
   */
  async until<T>(work: () => Promise<T>): Promise<T | null> {
    const { abandoned } = this;
    for (;;) {
      try {
        return this.succeeded(await work());
      } catch (error) {
        if (error instanceof FencedError || error instanceof ActuaryError) throw error;
        this.failed(error);
      }
      if (this.ended || abandoned !== this.abandoned || !(await this.pause())) return null;
      if (abandoned !== this.abandoned) return null;
    }
  }

  /** One attempt. @returns null where it failed */
  async once<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return this.succeeded(await work());
    } catch (error) {
      this.failed(error);
      return null;
    }
  }

  /** What is waited for now is not wanted any more. */
  abandon(): void {
    this.abandoned++;
    this.backoff.skip();
  }

  /** From now on nothing is waited for. */
  end(): void {
    this.ended = true;
    this.backoff.cancel();
  }

  private succeeded<T>(result: T): T {
    if (this.reason !== null) this.listener.recovered();
    this.reason = null;
    this.backoff.reset();
    return result;
  }

  private failed(error: unknown): void {
    const trouble = describe(error);
    if (trouble !== this.reason) this.listener.troubled(trouble);
    this.reason = trouble;
    this.listener.retried();
  }

  private async pause(): Promise<boolean> {
    let over = false;
    const waited = this.backoff.wait().finally(() => {
      over = true;
    });
    while (!over) {
      await this.listener.attend();
      await Promise.race([waited, delay(ATTEND_MS)]);
    }
    return waited;
  }
}

function describe(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  const advice = typeof code === 'string' ? ADVICE[code] : undefined;
  // Of several addresses that all refuse, Node gives an error without words.
  const message = messageOf(error) || String(code);
  return `waiting for the database: ${advice === undefined ? message : `${advice} (${message})`}`;
}
