import { connectionOf, type KafkaConnection } from '../../topology/kafka/connection.js';
import { loadConfiguration } from '../../topology/configuration.js';
import { topicName } from '../../schema/topics.js';
import { eventually, eventuallyAnswered, TestClient } from '../support/client.js';
import type { Crew } from './crew.js';
import type { PartitionDigest } from './instance.js';
import { progressOf, TABLES } from './outputs.js';
import type { SampleLog } from './sample-log.js';
import { SOURCES, SOURCES_SETTING } from './sources.js';

export const PARTITIONS = [0, 1, 2, 3];
const CAUGHT_UP_TIMEOUT_MS = 120_000;

/** The coordinator of a broker that has just come back may be loading. */
const NOT_YET: ReadonlyMap<number, number> = new Map();

/** An engine of a run: its topics, its group, its database. */
export interface EnginePlace {
  readonly brokers: string;
  readonly topicPrefix: string;
  readonly databaseUrl: string;
}

/** What both runs have in common: all that says what is put out. */
export function settingsOf({ brokers, topicPrefix, databaseUrl }: EnginePlace): string[] {
  return [
    `kafka.brokers=${brokers}`,
    `kafka.topicPrefix=${topicPrefix}`,
    `kafka.partitions=${PARTITIONS.length}`,
    `database.url=${databaseUrl}`,
    SOURCES_SETTING,
    'model.directory=null',
    'score.adaptive=false',
  ];
}

/** As a client of the engine's cluster. */
export function connectionTo(place: EnginePlace): KafkaConnection {
  return connectionOf(loadConfiguration({ environment: {}, sets: ['instance=chaos', ...settingsOf(place)] }));
}

/** Waits until all raw messages are read, and what came of them is committed. @throws Error when it takes too long */
export async function ingested({ brokers, topicPrefix }: EnginePlace): Promise<void> {
  const client = new TestClient([brokers]);
  for (const { topic, partitions } of SOURCES) {
    // A broker that has just come back does not know at once what it leads.
    const ends = await eventuallyAnswered(`the ends of ${topic}`, () => client.ends(topic));
    await eventually(
      `all of ${topic} to be ingested`,
      async () => {
        const offsets = await client.committed(`${topicPrefix}gpu-actuary.ingest`, topic).catch(() => NOT_YET);
        // Of a partition to which no GPU reports nothing is ever committed.
        const isRead = (partition: number): boolean =>
          Math.max(0, offsets.get(partition) ?? NaN) === ends.get(partition);
        return partitions.every(isRead) ? true : undefined;
      },
      CAUGHT_UP_TIMEOUT_MS,
    );
  }
}

/**
 * Waits until every batch is scored, and every partition's state is as of its end.
 * @returns digests of these states. @throws Error when it takes too long
 */
export async function scored(
  { brokers, topicPrefix }: EnginePlace,
  { ends }: SampleLog,
  crew: Crew,
): Promise<ReadonlyMap<string, PartitionDigest>> {
  const client = new TestClient([brokers]);
  await eventually(
    'all samples to be scored',
    async () => {
      const samples = topicName(topicPrefix, 'samples');
      const offsets = await client.committed(`${topicPrefix}gpu-actuary.score`, samples).catch(() => NOT_YET);
      return PARTITIONS.every((partition) => offsets.get(partition) === ends.get(partition)) ? true : undefined;
    },
    CAUGHT_UP_TIMEOUT_MS,
  );
  return eventually(
    'the state of all partitions',
    async () => {
      const digests = await crew.digests();
      return PARTITIONS.every((partition) => digests.get(String(partition))?.offset === ends.get(partition))
        ? digests
        : undefined;
    },
    CAUGHT_UP_TIMEOUT_MS,
  );
}

/**
 * Waits until the database has as many rows as there are records, and all samples. Where some never come, that is
 * for the comparison to tell, and what is missing is said.
 */
export async function loaded(
  place: EnginePlace,
  { ends }: SampleLog,
  records: ReadonlyMap<string, readonly unknown[]>,
  crew: Crew,
  say: (words: string) => void,
): Promise<void> {
  let missing: string[] = [];
  const look = async (): Promise<true | undefined> => {
    const { rows, samples } = await progressOf(place.databaseUrl);
    missing = [
      ...Object.entries(TABLES).flatMap(([table, topic]) => {
        const there = rows[table as keyof typeof TABLES];
        return topic === null || there >= records.get(topic)!.length ? [] : [`${table}: ${there}`];
      }),
      ...PARTITIONS.filter((partition) => samples.get(partition) !== ends.get(partition)).map(
        (partition) => `gpu.samples/${partition}: ${samples.get(partition)} of ${ends.get(partition)}`,
      ),
    ];
    return missing.length === 0 ? true : undefined;
  };
  await eventually('all rows to be loaded', look, CAUGHT_UP_TIMEOUT_MS).catch(async () => {
    say(`not loaded: ${missing.join(', ')}\n${await crew.condition()}`);
  });
}
