import { HOUR_MS } from '../../schema/clock.js';
import type { Cluster } from '../support/cluster.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { WINDOW_HOURS, writeRaw, type Cadence } from '../support/prepare.js';
import { RAW_SHAPES } from '../support/raw-messages.js';
import { say } from '../support/say.js';

/** What engine and peers read. */
export interface Prepared {
  readonly topic: string;
  readonly records: number;
  /** Seven days of hourly readings before it, for the peers; the engine gets the same as batches. */
  readonly prefill: { readonly topic: string; readonly records: number } | null;
}

export interface Wanted extends Cadence {
  /** Topic to find or to make. */
  readonly topic: string;
  readonly samples: number;
  readonly partitions: number;
  readonly prefill: boolean;
}

const FLAT = RAW_SHAPES.find(({ format }) => format === 'wide-json-flat')!;

/** Finds the topics as an earlier run has left them, else writes them. @throws Error where they hold something else */
export async function prepareTopics(cluster: Cluster, admin: KafkaAdmin, wanted: Wanted): Promise<Prepared> {
  const { topic, samples } = wanted;
  await ensure(admin, topic, samples, wanted.partitions, () => writeRaw(cluster, topic, FLAT, wanted, samples));
  if (!wanted.prefill) return { topic, records: samples, prefill: null };
  const prefill = { topic: `${topic}-prefill`, records: wanted.gpus * WINDOW_HOURS };
  const hourly = { gpus: wanted.gpus, cadenceMs: HOUR_MS };
  await ensure(admin, prefill.topic, prefill.records, wanted.partitions, () =>
    writeRaw(cluster, prefill.topic, FLAT, hourly, prefill.records, -WINDOW_HOURS),
  );
  return { topic, records: samples, prefill };
}

async function ensure(
  admin: KafkaAdmin,
  topic: string,
  records: number,
  partitions: number,
  write: () => Promise<unknown>,
): Promise<void> {
  await admin.createTopic(topic, partitions);
  const there = await admin.written(topic);
  if (there === 0) await write();
  else if (there === records) say(`topic ${topic} is there with its ${records} records`);
  else throw new Error(`topic ${topic} has ${there} records, not ${records}: delete it, or name another`);
}
