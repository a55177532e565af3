import pg from 'pg';
import type { Message } from 'node-rdkafka';
import { AvroCodec } from '../../schema/avro.js';
import { topicName, type TopicKey } from '../../schema/topics.js';
import { messagesToEnd } from '../support/read-to-end.js';
import type { Item } from './verifier.js';

/** What is compared. gpu.alerts is not: a wall clock drives it. gpu.checkpoints is each run's own. */
const TOPICS = ['features', 'predictions', 'health', 'decisions', 'panes', 'deadLetter'] as const;
export const TABLES = {
  gpu_features: 'features',
  gpu_failure_predictions: 'predictions',
  gpu_health_scores: 'health',
  gpu_economic_decisions: 'decisions',
  gpu_metrics: null,
} as const satisfies Record<string, TopicKey | null>;

/** What a read_committed reader sees of an engine's output topics. */
export async function readTopics(
  brokers: string,
  topicPrefix: string,
  partitions: readonly number[],
): Promise<Map<TopicKey, Item[]>> {
  const codec = await AvroCodec.open(null, '');
  const items = new Map<TopicKey, Item[]>();
  for (const topic of TOPICS) {
    const messages = await messagesToEnd([brokers], topicName(topicPrefix, topic), partitions);
    const itemOf = (message: Message): Item =>
      topic === 'deadLetter' ? letter(message, topicPrefix) : output(codec, topic, message);
    items.set(topic, messages.map(itemOf));
  }
  return items;
}

function output(codec: AvroCodec, topic: TopicKey, { key, value }: Message): Item {
  const { emitted_at, instance, ...record } = codec.decodeKnown<Record<string, unknown>>(topic, value!);
  void [emitted_at, instance];
  const id = String(record.as_of ?? record.hour_start);
  return { from: topicName('', topic), key: String(key), id, content: JSON.stringify(record) };
}

function letter({ key, value, headers }: Message, topicPrefix: string): Item {
  const said = Object.assign({}, ...(headers ?? [])) as Record<string, Buffer>;
  const of = (name: string): string => String(said[name]);
  // Of a batch that cannot be read the origin is gpu.samples itself, by its full name.
  const topic = of('topic').startsWith(topicPrefix) ? of('topic').slice(topicPrefix.length) : of('topic');
  const content = String(value);
  const id = [of('error_code'), topic, of('partition'), of('offset'), content].join(' ');
  const gpu = key === null || key === undefined ? null : String(key);
  return { from: topicName('', 'deadLetter'), key: gpu, id, content: of('detail') };
}

/** All rows of the tables that the load role fills, without who said it and when. */
export async function readTables(url: string): Promise<Map<keyof typeof TABLES, Item[]>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const items = new Map<keyof typeof TABLES, Item[]>();
    for (const table of Object.keys(TABLES) as (keyof typeof TABLES)[]) {
      const { rows } = await client.query<{ key: string; id: string; content: string }>(
        `SELECT gpu_uuid AS key, as_of::text AS id, (to_jsonb(t) - 'emitted_at' - 'instance')::text AS content
         FROM ${table} t ORDER BY gpu_uuid, as_of`,
      );
      items.set(
        table,
        rows.map((row) => ({ from: table, ...row })),
      );
    }
    return items;
  } finally {
    await client.end();
  }
}

/** Rows of each table now; what the load role says of gpu.samples, by partition. */
export async function progressOf(
  url: string,
): Promise<{ readonly rows: Record<keyof typeof TABLES, number>; readonly samples: ReadonlyMap<number, number> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const rows = {} as Record<keyof typeof TABLES, number>;
    for (const table of Object.keys(TABLES) as (keyof typeof TABLES)[])
      rows[table] = (await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;
    const { rows: offsets } = await client.query<{ partition: number; next: number }>(
      "SELECT partition, next_offset::int AS next FROM sink_offsets WHERE sink = 'gpu_metrics'",
    );
    return { rows, samples: new Map(offsets.map(({ partition, next }) => [partition, next])) };
  } finally {
    await client.end();
  }
}
