import { Random } from '../../simulator/random.js';

/** What is done to the engine and its surroundings, when: drawn from a seed, the same each time. */

export const KINDS = [
  'kill',
  'kill-at-step',
  'crash',
  'pause',
  'zombie',
  'join',
  'leave',
  'broker-kill',
  'broker-restart',
  'broker-pause',
  'database-kill',
  'database-restart',
  'database-pause',
] as const;
export type Kind = (typeof KINDS)[number];

/** What each kind is, for people. */
export const MEANING: Readonly<Record<Kind, string>> = {
  kill: 'kill -9 of an instance, started again at once under its name',
  'kill-at-step': 'the same, and once more before or after a step of a transaction (a fail point)',
  crash: 'kill -9 of an instance that never comes back',
  pause: 'SIGSTOP of an instance, SIGCONT within its session timeout',
  zombie: 'SIGSTOP of an instance, SIGCONT after session and transaction timeouts',
  join: 'a new instance',
  leave: 'SIGTERM of an instance',
  'broker-kill': 'kill -9 of the broker, started again',
  'broker-restart': 'SIGTERM of the broker, started again',
  'broker-pause': 'SIGSTOP of the broker, then SIGCONT',
  'database-kill': 'kill -9 of PostgreSQL with all its processes, started again',
  'database-restart': 'fast shutdown of PostgreSQL, started again',
  'database-pause': 'SIGSTOP of PostgreSQL with all its processes, then SIGCONT',
};

/** Of 100 drawn events, about. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  kill: 16,
  'kill-at-step': 12,
  crash: 8,
  pause: 10,
  zombie: 6,
  join: 14,
  leave: 10,
  'broker-kill': 5,
  'broker-restart': 4,
  'broker-pause': 4,
  'database-kill': 5,
  'database-restart': 4,
  'database-pause': 4,
};

export interface ChaosEvent {
  readonly kind: Kind;
  /** Wait after the event before, ms. */
  readonly afterMs: number;
  /** Name of an instance; broker or database. */
  readonly target: string;
  /** How long it is away or asleep, ms; 0 where that is not part of the event. */
  readonly forMs: number;
  /** Whether the instance is to be at work by then, and is waited for; otherwise it is struck whatever it is at. */
  readonly atWork: boolean;
  /** ACTUARY_FAIL_POINT of the process that is started, if the event is about one. */
  readonly failPoint?: string;
}

/** A sort of instances: what they do, and how many of them there may be. */
export interface Pool {
  /** First part of their names. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly least: number;
  readonly most: number;
  /** Share of the events that go to this pool, against the others'. */
  readonly weight: number;
  /** Fail points of its roles. */
  readonly failPoints: readonly string[];
}

export interface Schedule {
  /** Names of those that are there at the beginning, by pool. */
  readonly first: readonly Member[];
  readonly events: readonly ChaosEvent[];
}

export interface Member {
  readonly name: string;
  readonly roles: readonly string[];
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly events: number;
  readonly pools: readonly Pool[];
  /** Beyond it an instance has lost its partitions and its transaction. */
  readonly zombieMs: number;
}

const LONGEST_GAP_MS = 6_000;
const MEAN_GAP_MS = 1_800;
/** A fail point is passed at most so often before it kills. */
const MOST_PASSES = 20;
/** Of those struck, how many are to be at work: or a slow machine would see nothing but processes that start. */
const AT_WORK_SHARE = 0.75;
const PAUSE_MS = [200, 2_000] as const;
const BROKER_AWAY_MS = [0, 4_000] as const;
const DATABASE_AWAY_MS = [0, 5_000] as const;
/** A broker that starts, and those who wait for it, have so long before it is struck again; PostgreSQL too. */
const BACK_MS = 10_000;

interface Drawn extends Member {
  readonly pool: Pool;
  awakeAtMs: number;
}

/** Draws a schedule in which each pool always has its least number of instances awake. */
export function drawSchedule({ seed, events: count, pools, zombieMs }: ScheduleOptions): Schedule {
  const random = new Random(seed, 'chaos');
  const members: Drawn[] = [];
  const made = new Map<Pool, number>();
  const make = (pool: Pool): Drawn => {
    const number = (made.get(pool) ?? 0) + 1;
    made.set(pool, number);
    const member = { name: `${pool.name}-${number}`, roles: pool.roles, pool, awakeAtMs: 0 };
    members.push(member);
    return member;
  };
  for (const pool of pools) for (let n = 0; n < pool.least; n++) make(pool);
  const first = members.map(({ name, roles }) => ({ name, roles }));

  let nowMs = 0;
  const backAtMs = { broker: 0, database: 0 };
  const around = (kind: Kind): keyof typeof backAtMs | null =>
    kind.startsWith('broker') ? 'broker' : kind.startsWith('database') ? 'database' : null;
  const events: ChaosEvent[] = [];
  let waitedMs = 0;
  while (events.length < count) {
    const afterMs = waitedMs + Math.round(Math.min(LONGEST_GAP_MS, -MEAN_GAP_MS * Math.log(1 - random.uniform())));
    const pool = weighted(random, pools, ({ weight }) => weight)!;
    const own = members.filter((member) => member.pool === pool);
    const awake = own.filter(({ awakeAtMs }) => awakeAtMs <= nowMs + afterMs);
    const spare = awake.length > pool.least;
    const kind = weighted(random, KINDS, (kind) => {
      const struck = around(kind);
      if (struck !== null) return backAtMs[struck] <= nowMs + afterMs ? WEIGHTS[kind] : 0;
      if (kind === 'join') return own.length < pool.most ? WEIGHTS.join : 0;
      if (kind === 'crash' || kind === 'leave' || kind === 'zombie') return spare ? WEIGHTS[kind] : 0;
      if (kind === 'kill-at-step' && pool.failPoints.length === 0) return 0;
      if (kind === 'kill' || kind === 'kill-at-step' || kind === 'pause') return awake.length > 0 ? WEIGHTS[kind] : 0;
      return WEIGHTS[kind];
    });
    // All asleep: time has to pass.
    waitedMs = kind === null ? afterMs : 0;
    if (kind === null) continue;
    nowMs += afterMs;
    const between = ([low, high]: readonly [number, number]): number => Math.round(random.between(low, high));
    const target = around(kind);
    if (target !== null) {
      const forMs = between(target === 'broker' ? BROKER_AWAY_MS : DATABASE_AWAY_MS);
      backAtMs[target] = nowMs + forMs + BACK_MS;
      events.push({ kind, afterMs, target, forMs, atWork: false });
      continue;
    }
    const member = kind === 'join' ? make(pool) : random.pick(awake);
    let forMs = 0;
    if (kind === 'pause') forMs = between(PAUSE_MS);
    if (kind === 'zombie') forMs = between([zombieMs, 1.5 * zombieMs]);
    member.awakeAtMs = nowMs + forMs;
    if (kind === 'crash' || kind === 'leave') members.splice(members.indexOf(member), 1);
    const event = {
      kind,
      afterMs,
      target: member.name,
      forMs,
      atWork: kind !== 'join' && random.chance(AT_WORK_SHARE),
    };
    if (kind === 'kill-at-step')
      events.push({
        ...event,
        failPoint: `${random.pick(pool.failPoints)}:${Math.floor(random.between(0, MOST_PASSES))}`,
      });
    else events.push(event);
  }
  return { first, events };
}

/** @returns null where nothing has a weight */
function weighted<T>(random: Random, items: readonly T[], weightOf: (item: T) => number): T | null {
  const total = items.reduce((sum, item) => sum + weightOf(item), 0);
  let left = random.uniform() * total;
  for (const item of items) {
    left -= weightOf(item);
    if (left < 0) return item;
  }
  return null;
}
