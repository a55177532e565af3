import { setTimeout as delay } from 'node:timers/promises';
import { TRANSACTION_STEPS } from '../../schema/fail-point.js';
import { LOAD_STEPS } from '../../sinks/timescale/sink.js';
import { createTopics } from '../../topology/kafka/topics-admin.js';
import { Crew, type UnwantedEnd } from './crew.js';
import { connectionTo, loaded, PARTITIONS, scored, settingsOf, type EnginePlace } from './engine.js';
import { Feeder } from './feeder.js';
import { readTables, readTopics } from './outputs.js';
import { copySamples } from './reference.js';
import { drawSchedule, type ChaosEvent, type Pool } from './schedule.js';
import { Surroundings } from './surroundings.js';
import { compare, together, type Item, type Verdict } from './verifier.js';

const POOLS: readonly Pool[] = [
  {
    ...{ name: 'score', roles: ['score'], least: 1, most: 3, weight: 3 },
    failPoints: TRANSACTION_STEPS.flatMap((step) => [`score.${step}.before`, `score.${step}.after`]),
  },
  {
    ...{ name: 'load', roles: ['load'], least: 1, most: 2, weight: 1 },
    failPoints: LOAD_STEPS.flatMap((step) => [`load.${step}.before`, `load.${step}.after`]),
  },
];
const SESSION_TIMEOUT_MS = 4_000;
/** Beyond the session and the transaction's 10 s. */
const ZOMBIE_MS = 12_000;
/** Undisturbed stretch at the end of the schedule. */
const QUIET_MS = 3_000;

/** Short and few, so that there are many of each in a run of minutes. What is put out does not depend on them. */
const DISTURBED = [
  `kafka.sessionTimeoutMs=${SESSION_TIMEOUT_MS}`,
  'checkpoint.intervalMs=5000',
  'checkpoint.ringEveryMs=10000',
  'score.maxBatches=16',
  'kafka.commitIntervalMs=5',
  'database.timeoutMs=3000',
];

export interface ChaosOptions {
  readonly seed: number;
  readonly events: number;
  /** Further settings of the disturbed engine, as key=value. */
  readonly sets: readonly string[];
  /** Told what is going on. */
  readonly say: (words: string) => void;
}

export interface ChaosResult {
  readonly events: readonly ChaosEvent[];
  readonly batches: number;
  /** How long the engine was disturbed. */
  readonly seconds: number;
  /** By topic and table. */
  readonly parts: ReadonlyMap<string, Verdict>;
  readonly verdict: Verdict;
  readonly unwanted: readonly UnwantedEnd[];
}

/** Disturbs an engine that scores and loads, and compares what it says with what one says that nobody disturbs. */
export async function runChaos({ seed, events: count, sets, say }: ChaosOptions): Promise<ChaosResult> {
  const surroundings = await Surroundings.open();
  const { brokers } = surroundings.broker;
  const place = { brokers, topicPrefix: '', databaseUrl: await surroundings.database('disturbed') };
  const quiet = { brokers, topicPrefix: 'quiet.', databaseUrl: await surroundings.database('undisturbed') };
  for (const one of [place, quiet]) await createTopics(connectionTo(one), PARTITIONS.length, -1);
  const crew = new Crew(() => [...settingsOf(place), ...DISTURBED, ...sets], say);
  try {
    const { first, events } = drawSchedule({ seed, events: count, pools: POOLS, zombieMs: ZOMBIE_MS });
    const feeder = await Feeder.open(connectionTo(place), seed);
    feeder.start();
    for (const member of first) await crew.start(member);
    const began = performance.now();
    await disturb(surroundings, crew, events, say);
    const seconds = Math.round((performance.now() - began) / 1000);
    await delay(QUIET_MS);
    await feeder.stop();
    say(`${feeder.batches} batches written; waiting for the disturbed engine`);
    const digests = await scored(place, crew);
    const said = await readTopics(brokers, place.topicPrefix, PARTITIONS);
    await loaded(place, said, crew, say);
    const stored = await readTables(place.databaseUrl);
    await crew.stop();

    const expected = await undisturbed(place, quiet, say);
    const parts = new Map<string, Verdict>();
    for (const [topic, items] of expected.said) parts.set(`topic ${topic}`, compare(items, said.get(topic)!));
    for (const [table, items] of expected.stored) parts.set(`table ${table}`, compare(items, stored.get(table)!));
    parts.set('state', compare(states(expected.digests), states(digests)));
    return {
      ...{ events, seconds, parts, batches: feeder.batches, unwanted: crew.unwanted },
      verdict: together([...parts.values()]),
    };
  } catch (error) {
    say(crew.outputs());
    throw error;
  } finally {
    await crew.stop();
    await surroundings.close();
  }
}

async function disturb(
  surroundings: Surroundings,
  crew: Crew,
  events: readonly ChaosEvent[],
  say: (words: string) => void,
): Promise<void> {
  const rolesOf = (name: string): readonly string[] => POOLS.find((pool) => name.startsWith(`${pool.name}-`))!.roles;
  const underWay: Promise<void>[] = [];
  for (const [index, event] of events.entries()) {
    await delay(event.afterMs);
    const { kind, target, forMs, failPoint } = event;
    const details = [...(forMs > 0 ? [`${forMs} ms`] : []), ...(failPoint === undefined ? [] : [failPoint])];
    say(`${index + 1}/${events.length} ${[`${kind} ${target}`, ...details].join(', ')}`);
    const isAround = target === 'broker' || target === 'database';
    const over = isAround ? surroundings.strike(event) : crew.strike(event, rolesOf);
    // What goes wrong is told at the end, where it is waited for.
    over.catch(() => undefined);
    underWay.push(over);
  }
  await Promise.all(underWay);
}

/** The same gpu.samples through an engine of one process, in peace. */
async function undisturbed(place: EnginePlace, quiet: EnginePlace, say: (words: string) => void) {
  const batches = await copySamples(place, quiet);
  say(`${batches} batches copied; waiting for the undisturbed engine`);
  const crew = new Crew(() => settingsOf(quiet), say);
  await crew.start({ name: 'undisturbed', roles: ['score', 'load'] });
  try {
    const digests = await scored(quiet, crew);
    const said = await readTopics(quiet.brokers, quiet.topicPrefix, PARTITIONS);
    await loaded(quiet, said, crew, say);
    const stored = await readTables(quiet.databaseUrl);
    if (crew.unwanted.length > 0) throw new Error('the undisturbed engine ended by itself');
    for (const [name, items] of [...said, ...stored])
      if (items.length === 0) throw new Error(`nothing in ${name}: such a comparison would prove nothing`);
    return { digests, said, stored };
  } finally {
    await crew.stop();
  }
}

/** Of a partition there is one state, at its end. */
function states(digests: ReadonlyMap<string, { readonly offset: number; readonly digest: string }>): Item[] {
  return [...digests].map(([partition, { offset, digest }]) => ({
    ...{ from: 'state', key: partition, id: String(offset), content: digest },
  }));
}
