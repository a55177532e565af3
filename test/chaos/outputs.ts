import pg from 'pg';
import type { Message } from 'node-rdkafka';
import { AvroCodec } from '../../schema/avro.js';
import { topicName, type TopicKey } from '../../schema/topics.js';
import { messagesToEnd } from '../support/read-to-end.js';
import type { EnginePlace } from './engine.js';
import { headersOf, isOfIngest } from './origins.js';
import type { SampleLog } from './sample-log.js';
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

export interface Said {
  /** By topic; of the dead letters, those that ingest did not write. */
  readonly items: ReadonlyMap<TopicKey, readonly Item[]>;
  /** Dead letters of ingest. */
  readonly refused: readonly Message[];
}

/** What a read_committed reader sees of an engine's output topics. @param samples what it was made of */
export async function readTopics({ brokers, topicPrefix }: EnginePlace, samples: SampleLog): Promise<Said> {
  const codec = await AvroCodec.open(null, '');
  const items = new Map<TopicKey, Item[]>();
  let refused: Message[] = [];
  for (const topic of TOPICS) {
    const messages = await messagesToEnd([brokers], topicName(topicPrefix, topic), [...samples.ends.keys()]);
    if (topic !== 'deadLetter')
      items.set(
        topic,
        messages.map((message) => output(codec, topic, message)),
      );
    else {
      refused = messages.filter(isOfIngest);
      items.set(
        topic,
        messages.filter((message) => !isOfIngest(message)).map((message) => letter(message, topicPrefix, samples)),
      );
    }
  }
  return { items, refused };
}

function output(codec: AvroCodec, topic: TopicKey, { key, value }: Message): Item {
  const { emitted_at, instance, ...record } = codec.decodeKnown<Record<string, unknown>>(topic, value!);
  void [emitted_at, instance];
  const id = String(record.as_of ?? record.hour_start);
  return { from: topicName('', topic), key: String(key), id, content: JSON.stringify(record) };
}

function letter(message: Message, topicPrefix: string, samples: SampleLog): Item {
  const { topic, partition, offset, error_code, detail } = headersOf(message);
  // Of a batch that cannot be read the origin is gpu.samples itself, by its full name.
  const origin =
    topic === topicName(topicPrefix, 'samples')
      ? [topicName('', 'samples'), partition, samples.countBefore(Number(partition), Number(offset))]
      : [topic, partition, offset];
  const content = String(message.value);
  const gpu = message.key === null || message.key === undefined ? null : String(message.key);
  return {
    from: topicName('', 'deadLetter'),
    key: gpu,
    id: [error_code, ...origin, content].join(' '),
    content: detail,
  };
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
