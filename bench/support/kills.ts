import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaAdmin } from './kafka-admin.js';
import { spreadOf, type Spread } from './statistics.js';

/** How soon records came that had not been there before a kill. */
export interface NewRecords {
  /** Until offsets beyond those before the kill are committed, and with them what was made of the records. */
  readonly killToFirstRecordsSeconds: number;
  /** Until all that was written after the kill, a reading of each GPU, is. */
  readonly killToWholeRoundSeconds: number;
}

const TIMEOUT_MS = 30 * 60_000;

/**
 * Waits until a group has committed all of a topic.
 * @param end records of the topic, all of them committed, before the kill
 * @param check throws where waiting is in vain
 */
export async function newRecords(
  admin: KafkaAdmin,
  group: string,
  topic: string,
  killedMs: number,
  end: number,
  check?: () => void,
): Promise<NewRecords> {
  const until = async (records: number): Promise<number> => {
    while ((await admin.committed(group, topic)) < records) {
      check?.();
      if (Date.now() - killedMs > TIMEOUT_MS) throw new Error(`${group} does not commit ${records} records`);
      await delay(20);
    }
    return seconds(Date.now() - killedMs);
  };
  const whole = await admin.written(topic);
  return { killToFirstRecordsSeconds: await until(end + 1), killToWholeRoundSeconds: await until(whole) };
}

/** Median, least and most of each figure over several kills. */
export function spreads<T extends Readonly<Record<keyof T, number>>>(kills: readonly T[]): Record<keyof T, Spread> {
  const names = Object.keys(kills[0]) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, spreadOf(kills.map((kill) => kill[name]))])) as Record<
    keyof T,
    Spread
  >;
}

export const seconds = (ms: number): number => Math.round(ms / 100) / 10;
