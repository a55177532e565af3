import { setTimeout as delay } from 'node:timers/promises';
import { SCORE_STEPS, TRANSACTION_STEPS } from '../../schema/fail-point.js';
import { LOAD_STEPS } from '../../sinks/timescale/sink.js';
import { createTopics } from '../../topology/kafka/topics-admin.js';
import { Crew, type UnwantedEnd } from './crew.js';
import { connectionTo, ingested, loaded, PARTITIONS, scored, settingsOf, type EnginePlace } from './engine.js';
import { Feeder } from './feeder.js';
import type { PartitionDigest } from './instance.js';
import { MemoryWatch, type MemoryPeaks } from './memory-watch.js';
import { actualOfSources, expectedOfSources } from './origins.js';
import { readTables, readTopics } from './outputs.js';
import { SampleLog } from './sample-log.js';
import { drawSchedule, type ChaosEvent, type Kind, type Member, type Pool } from './schedule.js';
import { createSources } from './sources.js';
import { Surroundings } from './surroundings.js';
import { compare, together, type Item, type Verdict } from './verifier.js';

const failPointsOf = (role: string, steps: readonly string[]): string[] =>
  steps.flatMap((step) => [`${role}.${step}.before`, `${role}.${step}.after`]);
const POOLS: readonly Pool[] = [
  {
    ...{ name: 'ingest', roles: ['ingest'], least: 1, most: 3, weight: 1 },
    failPoints: failPointsOf('ingest', TRANSACTION_STEPS),
  },
  {
    ...{ name: 'score', roles: ['score'], least: 1, most: 3, weight: 3 },
    failPoints: failPointsOf('score', SCORE_STEPS),
  },
  {
    ...{ name: 'load', roles: ['load'], least: 1, most: 2, weight: 1 },
    failPoints: failPointsOf('load', LOAD_STEPS),
  },
];
const SESSION_TIMEOUT_MS = 4_000;
/** Of ingest, whose clients take seconds to find together again: so it is at work for most of a run. */
const INGEST_SESSION_TIMEOUT_MS = 2_000;
/** Beyond the session and the transaction's 10 s. */
const ZOMBIE_MS = 12_000;
/** Undisturbed stretch before an outage that was asked for. */
const BEFORE_OUTAGE_MS = 30_000;
/** Undisturbed stretch at the end of the schedule. */
const QUIET_MS = 3_000;

/** Short and few, so that there are many of each in a run of minutes. What is put out does not depend on them. */
const DISTURBED = [
  'checkpoint.intervalMs=5000',
  'checkpoint.ringEveryMs=10000',
  'score.maxBatches=16',
  'kafka.commitIntervalMs=5',
  'database.timeoutMs=3000',
  'ingest.batchSamples=64',
];

export interface Outage {
  readonly kind: Kind & `${'broker' | 'database'}-${string}`;
  readonly forMs: number;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly events: number;
  /** In place of what the seed draws: so long is each of these away, one after the other. */
  readonly outages?: readonly Outage[];
  /** Further settings of the disturbed engine, as key=value. */
  readonly sets: readonly string[];
  /** Told what is going on. */
  readonly say: (words: string) => void;
}

export interface ChaosResult {
  readonly events: readonly ChaosEvent[];
  /** Raw messages that were written meanwhile. */
  readonly messages: number;
  /** Batches of gpu.samples that ingest made of them; and of these, while it was disturbed. */
  readonly batches: number;
  readonly batchesMeanwhile: number;
  /** Processes that killed themselves at a step of a transaction, of those that were to. */
  readonly atFailPoint: number;
  /** How long the engine was disturbed. */
  readonly seconds: number;
  /** By topic and table. */
  readonly parts: ReadonlyMap<string, Verdict>;
  readonly verdict: Verdict;
  readonly unwanted: readonly UnwantedEnd[];
  readonly memory: MemoryPeaks;
}

/** Disturbs a whole engine, and compares what it says with what one says that nobody disturbs. */
export async function runChaos({ seed, events: count, outages, sets, say }: ChaosOptions): Promise<ChaosResult> {
  const surroundings = await Surroundings.open();
  const { brokers } = surroundings.broker;
  const place = { brokers, topicPrefix: '', databaseUrl: await surroundings.database('disturbed') };
  const quiet = { brokers, topicPrefix: 'quiet.', databaseUrl: await surroundings.database('undisturbed') };
  for (const one of [place, quiet]) await createTopics(connectionTo(one), PARTITIONS.length, -1);
  await createSources(brokers);
  const sessionMs = ({ roles }: Member): number =>
    roles.includes('ingest') ? INGEST_SESSION_TIMEOUT_MS : SESSION_TIMEOUT_MS;
  const setsOf = (member: Member): string[] => [
    ...settingsOf(place),
    `kafka.sessionTimeoutMs=${sessionMs(member)}`,
    ...DISTURBED,
    ...sets,
  ];
  const crew = new Crew(setsOf, say);
  try {
    const drawn = drawSchedule({ seed, events: count, pools: POOLS, zombieMs: ZOMBIE_MS });
    const { first } = drawn;
    const events = outages?.map(eventOf) ?? drawn.events;
    const feeder = await Feeder.open(connectionTo(place), seed);
    feeder.start();
    for (const member of first) await crew.start(member);
    const memory = new MemoryWatch(crew);
    const began = performance.now();
    await disturb(surroundings, crew, events, outages !== undefined, say, () => memory.disturbed());
    const endedMs = Date.now();
    const seconds = Math.round((performance.now() - began) / 1000);
    await delay(QUIET_MS);
    await feeder.stop();
    say(`${feeder.messages} raw messages written; waiting for the disturbed engine`);
    await ingested(place);
    const samples = await SampleLog.read(place);
    const digests = await scored(place, samples, crew);
    const { items: said, refused } = await readTopics(place, samples);
    await loaded(place, samples, said, crew, say);
    const stored = await readTables(place.databaseUrl);
    // Catching up with what came meanwhile is part of it.
    const peaks = memory.end();
    await crew.stop();

    const parts = new Map<string, Verdict>();
    const ingestedOnce = await actualOfSources(samples.messages, refused);
    parts.set('raw offsets', compare(await expectedOfSources(brokers), ingestedOnce));
    const expected = await undisturbed(samples, quiet, say);
    for (const [topic, items] of expected.said) parts.set(`topic ${topic}`, compare(items, said.get(topic)!));
    for (const [table, items] of expected.stored) parts.set(`table ${table}`, compare(items, stored.get(table)!));
    parts.set('state', compare(expected.states, states(digests, samples)));
    return {
      ...{ events, seconds, parts, messages: feeder.messages, batches: samples.messages.length },
      batchesMeanwhile: samples.messages.filter(({ timestamp }) => timestamp! < endedMs).length,
      ...{ atFailPoint: crew.atFailPoint, unwanted: crew.unwanted, memory: peaks },
      verdict: together([...parts.values()]),
    };
  } catch (error) {
    say(`${crew.outputs()}\n${await crew.condition()}`);
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
  oneByOne: boolean,
  say: (words: string) => void,
  begins: () => void,
): Promise<void> {
  const rolesOf = (name: string): readonly string[] => POOLS.find((pool) => name.startsWith(`${pool.name}-`))!.roles;
  const underWay: Promise<void>[] = [];
  for (const [index, event] of events.entries()) {
    await delay(event.afterMs);
    if (event.atWork) await crew.atWork(event.target);
    const { kind, target, forMs, failPoint } = event;
    const details = [...(forMs > 0 ? [`${forMs} ms`] : []), ...(failPoint === undefined ? [] : [failPoint])];
    begins();
    say(`${index + 1}/${events.length} ${[`${kind} ${target}`, ...details].join(', ')}`);
    const isAround = target === 'broker' || target === 'database';
    const over = isAround ? surroundings.strike(event) : crew.strike(event, rolesOf);
    // What goes wrong is told at the end, where it is waited for.
    over.catch(() => undefined);
    underWay.push(over);
    if (oneByOne) await over;
  }
  await Promise.all(underWay);
}

/** The same gpu.samples through an engine of one process, in peace. */
async function undisturbed(samples: SampleLog, quiet: EnginePlace, say: (words: string) => void) {
  await samples.copyTo(quiet);
  say(`${samples.messages.length} batches copied; waiting for the undisturbed engine`);
  const crew = new Crew(() => settingsOf(quiet), say);
  await crew.start({ name: 'undisturbed', roles: ['score', 'load'] });
  try {
    const copied = await SampleLog.read(quiet);
    const digests = await scored(quiet, copied, crew);
    const { items: said } = await readTopics(quiet, copied);
    await loaded(quiet, copied, said, crew, say);
    const stored = await readTables(quiet.databaseUrl);
    if (crew.unwanted.length > 0) throw new Error('the undisturbed engine ended by itself');
    for (const [name, items] of [...said, ...stored])
      if (items.length === 0) throw new Error(`nothing in ${name}: such a comparison would prove nothing`);
    return { states: states(digests, copied), said, stored };
  } finally {
    await crew.stop();
  }
}

function eventOf({ kind, forMs }: Outage): ChaosEvent {
  return { kind, target: kind.split('-')[0], forMs, afterMs: BEFORE_OUTAGE_MS, atWork: false };
}

/** Of a partition there is one state, at its end. */
function states(digests: ReadonlyMap<string, PartitionDigest>, samples: SampleLog): Item[] {
  return [...digests].map(([partition, { offset, digest }]) => {
    const id = String(samples.countBefore(Number(partition), offset));
    return { from: 'state', key: partition, id, content: digest };
  });
}
