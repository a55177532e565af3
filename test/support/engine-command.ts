import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { start, type Running } from '../../bench/support/processes.js';
import { packageRoot } from '../../schema/package-root.js';
import { eventually } from './client.js';

const SAYS_TIMEOUT_MS = 60_000;

/** The built command in a process of its own, to be listened to, stopped and killed. Never outlives the test file. */
export class EngineCommand {
  private readonly running: Running;

  /**
   * @param args as on the command line
   * @param sets key=value pairs of the configuration
   * @param failPoint where it is to signal itself, as ACTUARY_FAIL_POINT has it
   */
  constructor(args: readonly string[], sets: readonly string[], failPoint = '') {
    this.running = start(
      process.execPath,
      [join(packageRoot(), 'dist', 'cli.cjs'), ...args, ...sets.flatMap((set) => ['--set', set])],
      { env: { ...process.env, ACTUARY_FAIL_POINT: failPoint } },
    );
  }

  get alive(): boolean {
    return this.status === null;
  }

  get output(): string {
    return this.running.output();
  }

  /** Messages of its log. */
  get messages(): string[] {
    return this.log().map(({ msg }) => String(msg));
  }

  /** Lines of its log that bear a message. */
  said(message: string): Record<string, unknown>[] {
    return this.log().filter(({ msg }) => msg === message);
  }

  /** Waits until a message of its log has these words. @throws Error with its output where it does not come to that */
  async says(words: string): Promise<void> {
    const until = Date.now() + SAYS_TIMEOUT_MS;
    while (!this.messages.some((message) => message.includes(words))) {
      if (!this.alive || Date.now() > until)
        throw new Error(`"${words}" is not among what it says (${this.status ?? 'alive'}): ${this.output}`);
      await delay(50);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.running.kill(signal);
  }

  /** @returns exit status, or the signal that ended it */
  async ended(): Promise<number | string | null> {
    if (this.alive) await once(this.running.child, 'exit');
    return this.status;
  }

  /** Signals, and waits for the end. @returns as {@link ended} */
  end(signal: NodeJS.Signals): Promise<number | string | null> {
    this.signal(signal);
    return this.ended();
  }

  /** Waits until it has stopped itself. */
  async asleep(): Promise<void> {
    await eventually('the process to stop', async () => {
      const stat = await readFile(`/proc/${this.running.child.pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T') ? true : undefined;
    });
  }

  private get status(): number | string | null {
    return this.running.child.exitCode ?? this.running.child.signalCode;
  }

  private log(): Record<string, unknown>[] {
    return this.output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
