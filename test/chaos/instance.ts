import { once } from 'node:events';
import { join } from 'node:path';
import { freePort, start, type Running } from '../../bench/support/processes.js';
import { usageOf } from '../../bench/support/usage.js';
import { packageRoot } from '../../schema/package-root.js';
import type { Member } from './schedule.js';

/** A partition's state as GET /debug/state tells it. */
export interface PartitionDigest {
  /** Next offset of the source. */
  readonly offset: number;
  readonly digest: string;
}

/** The built command in a process of its own: `gpu-actuary run --roles …`. */
export class Instance {
  /** Whether its end is what was wanted. */
  isToEnd = false;

  private constructor(
    readonly member: Member,
    private readonly running: Running,
    private readonly port: number,
    private readonly failPoint: string | undefined,
  ) {}

  /**
   * @param sets key=value pairs of the configuration
   * @param failPoint where it is to kill itself, as ACTUARY_FAIL_POINT has it
   * @param onEnd called when its process is gone
   */
  static async start(
    member: Member,
    sets: readonly string[],
    failPoint: string | undefined,
    onEnd: (instance: Instance) => void,
  ): Promise<Instance> {
    const port = await freePort();
    const pairs = [`instance=${member.name}`, `http.port=${port}`, ...sets];
    const running = start(
      process.execPath,
      [
        join(packageRoot(), 'dist', 'cli.cjs'),
        ...['run', '--roles', member.roles.join(',')],
        ...pairs.flatMap((pair) => ['--set', pair]),
      ],
      { env: { ...withoutSettings(process.env), ACTUARY_FAIL_POINT: failPoint } },
    );
    const instance = new Instance(member, running, port, failPoint);
    running.child.once('exit', () => onEnd(instance));
    return instance;
  }

  /** Exit status, or the signal that ended it. */
  get status(): number | string | null {
    return this.running.child.exitCode ?? this.running.child.signalCode;
  }

  /** Whether it has killed itself where it was to. */
  get isAtFailPoint(): boolean {
    return this.failPoint !== undefined && !this.isToEnd && this.status === 'SIGKILL';
  }

  /** Resident memory; null where its process is gone. */
  get rssMb(): number | null {
    const { pid } = this.running.child;
    if (pid === undefined || this.status !== null) return null;
    try {
      return usageOf(pid).rssMb;
    } catch {
      return null;
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.running.kill(signal);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.isToEnd = true;
    this.signal('SIGKILL');
    await this.running.stop();
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    if (this.status === null) await once(this.running.child, 'exit');
  }

  /** SIGTERM; resolves when it is gone. */
  async leave(): Promise<void> {
    this.isToEnd = true;
    await this.running.stop(60_000);
  }

  /** Whether it is ready, and is not to kill itself yet. */
  async isAtWork(): Promise<boolean> {
    if (this.failPoint !== undefined) return false;
    return fetch(`http://127.0.0.1:${this.port}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** The last error code that it logged or ended by. */
  get code(): string {
    return [...this.output.matchAll(/(?:"code":"|^gpu-actuary: )(\w+)/gm)].at(-1)?.[1] ?? 'no code';
  }

  get output(): string {
    return this.running.output();
  }

  /** What it says of its readiness and its state. */
  async condition(): Promise<string> {
    const ask = (path: string): Promise<string> =>
      fetch(`http://127.0.0.1:${this.port}/${path}`).then((response) => response.text(), String);
    return `${await ask('readyz')}\n${await ask('debug/state')}`;
  }

  /** State of the score role by partition; nothing where it does not answer, has no such role, or has no digest now. */
  async digests(): Promise<Record<string, PartitionDigest>> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port}/debug/state`);
      const { roles } = (await response.json()) as {
        roles: { score?: { state: Record<string, Partial<PartitionDigest>> | null } };
      };
      const isWhole = (entry: [string, Partial<PartitionDigest>]): entry is [string, PartitionDigest] =>
        entry[1].digest !== undefined;
      return Object.fromEntries(Object.entries(roles.score?.state ?? {}).filter(isWhole));
    } catch {
      return {};
    }
  }
}

/** What the shell has set for another engine is no part of this one. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('GPU_ACTUARY_')));
}
