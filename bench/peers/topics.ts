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
  /** Records before those, which fill the windows: hourly readings of seven days. */
  readonly before: number;
}

export interface Wanted extends Cadence {
  /** Topic to find or to make. */
  readonly topic: string;
  readonly samples: number;
  readonly partitions: number;
  readonly prefill: boolean;
}

const FLAT = RAW_SHAPES.find(({ format }) => format === 'wide-json-flat')!;

/** Finds the topic as an earlier run has left it, else writes it. @throws Error where it holds something else */
export async function prepareTopic(cluster: Cluster, admin: KafkaAdmin, wanted: Wanted): Promise<Prepared> {
  const { topic, samples, gpus } = wanted;
  const before = wanted.prefill ? gpus * WINDOW_HOURS : 0;
  await admin.createTopic(topic, wanted.partitions);
  const there = await admin.written(topic);
  if (there === 0) {
    if (before > 0) await writeRaw(cluster, topic, FLAT, { gpus, cadenceMs: HOUR_MS }, before, -WINDOW_HOURS);
    await writeRaw(cluster, topic, FLAT, wanted, samples);
  } else if (there === before + samples) say(`topic ${topic} is there with its ${there} records`);
  else throw new Error(`topic ${topic} has ${there} records, not ${before + samples}: delete it, or name another`);
  return { topic, records: samples, before };
}
