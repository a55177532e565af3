import { setTimeout as delay } from 'node:timers/promises';
import { Instance, type PartitionDigest } from './instance.js';
import type { ChaosEvent, Member } from './schedule.js';

/** A supervisor starts what has ended again after so long. */
const RESTART_MS = 500;
/** An instance that is to be at work is waited for so long at most: what it needs may be away. */
const AT_WORK_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;
/** Characters of what an instance said last that are worth telling. */
const MOST_SAID = 400;

/** An end that nobody wanted. */
export interface UnwantedEnd {
  readonly instance: string;
  readonly status: number | string | null;
  readonly code: string;
}

/** The instances of an engine, and a supervisor that starts those again that end by themselves. */
export class Crew {
  private readonly instances = new Map<string, Instance>();
  /** By name: what is under way with it. One thing after the other, or two processes would have one name. */
  private readonly underWay = new Map<string, Promise<void>>();
  readonly unwanted: UnwantedEnd[] = [];
  /** Processes that killed themselves where they were to. */
  atFailPoint = 0;
  private closing = false;

  /**
   * @param setsOf configuration of an instance, as key=value
   * @param say told what the supervisor does
   */
  constructor(
    private readonly setsOf: (member: Member) => readonly string[],
    private readonly say: (words: string) => void,
  ) {}

  async start(member: Member, failPoint?: string): Promise<void> {
    const ended = (instance: Instance): void => this.ended(instance);
    this.instances.set(member.name, await Instance.start(member, this.setsOf(member), failPoint, ended));
  }

  /**
   * @param rolesOf roles of one that joins
   * @returns when it is over, SIGCONT and new start included
   */
  strike(event: ChaosEvent, rolesOf: (name: string) => readonly string[]): Promise<void> {
    const { target } = event;
    const before = this.underWay.get(target) ?? Promise.resolve();
    const over = before.then(() => this.strikeNow(event, rolesOf));
    this.underWay.set(target, over);
    return over;
  }

  /** Resolves when an instance is at work, and has killed itself where it was to; or when that takes too long. */
  async atWork(name: string): Promise<void> {
    const until = performance.now() + AT_WORK_WITHIN_MS;
    while (performance.now() < until && (await this.instances.get(name)?.isAtWork()) !== true)
      await delay(LOOK_EVERY_MS);
  }

  /** State of all partitions of the score role that any instance has. */
  async digests(): Promise<Map<string, PartitionDigest>> {
    const all = await Promise.all([...this.instances.values()].map((instance) => instance.digests()));
    return new Map(all.flatMap((digests) => Object.entries(digests)));
  }

  /** What each says of itself. */
  async condition(): Promise<string> {
    const all = [...this.instances].map(async ([name, instance]) => `== ${name}\n${await instance.condition()}`);
    return (await Promise.all(all)).join('\n');
  }

  /** Resident memory of each process that there is, by its sort: the roles that it does. */
  memory(): { sort: string; rssMb: number }[] {
    return [...this.instances.values()].flatMap(({ member, rssMb }) =>
      rssMb === null ? [] : [{ sort: member.roles.join(','), rssMb }],
    );
  }

  /** SIGTERM to all. */
  async stop(): Promise<void> {
    this.closing = true;
    await Promise.all(
      [...this.instances.values()].map(async (instance) => {
        await instance.leave();
        if (instance.status !== 0) this.note(instance);
      }),
    );
  }

  /** The newest output of each, for who wants to know what went wrong. */
  outputs(): string {
    return [...this.instances].map(([name, { output }]) => `== ${name}\n${output}`).join('\n');
  }

  private async strikeNow(
    { kind, target, forMs, failPoint }: ChaosEvent,
    rolesOf: (name: string) => readonly string[],
  ): Promise<void> {
    if (kind === 'join') return this.start({ name: target, roles: rolesOf(target) });
    const instance = this.instances.get(target)!;
    switch (kind) {
      case 'kill':
      case 'kill-at-step':
        await instance.kill();
        return this.start(instance.member, failPoint);
      case 'crash':
        this.instances.delete(target);
        return instance.kill();
      case 'leave':
        this.instances.delete(target);
        await instance.leave();
        if (instance.status !== 0) this.note(instance);
        return;
      default:
        instance.signal('SIGSTOP');
        await delay(forMs);
        instance.signal('SIGCONT');
    }
  }

  private ended(instance: Instance): void {
    if (instance.isAtFailPoint) this.atFailPoint++;
    if (instance.isToEnd || this.closing) return;
    this.note(instance);
    void delay(RESTART_MS).then(() => {
      // Struck or stopped meanwhile: somebody else's business.
      if (!this.closing && this.instances.get(instance.member.name) === instance && !instance.isToEnd)
        return this.start(instance.member);
    });
  }

  private note(instance: Instance): void {
    if (instance.isAtFailPoint) return;
    const { member, status, code } = instance;
    this.unwanted.push({ instance: member.name, status, code });
    this.say(
      `${member.name} ended by itself with ${status}, ${code}; it said last ${instance.output.slice(-MOST_SAID)}`,
    );
  }
}
