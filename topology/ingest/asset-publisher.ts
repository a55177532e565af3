import { readFile } from 'node:fs/promises';
import { parseAssets } from '../../operators/assets.js';
import type { AvroCodec } from '../../schema/avro.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import type { AssetRecord } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import type { KafkaConnection, Warn } from '../kafka/connection.js';
import { TableReader } from '../kafka/table-reader.js';
import { AssetTable } from '../score/asset-table.js';

export interface AssetDifferences {
  readonly changed: number;
  readonly removed: number;
}

/**
 * Brings gpu.assets in line with an assets file: writes what is new or changed, and a tombstone for each GPU that is
 * no longer in it.
 * @throws ActuaryError assets_invalid; nothing is written then
 */
export async function publishAssets(
  file: string,
  connection: KafkaConnection,
  codec: AvroCodec,
  sink: KafkaSink,
  warn: Warn,
): Promise<AssetDifferences> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ActuaryError('assets_invalid', `assets file ${file}: ${messageOf(error)}`, { cause: error });
  }
  const wanted = parseAssets(text, file);
  const topic = topicName(connection.topicPrefix, 'assets');
  await sink.partitions(topic);
  const published = await readPublished(connection, topic, codec, warn);
  const { records, changed, removed } = differences(wanted, published, (asset) => codec.encode('assets', asset), topic);
  await sink.write(records);
  await sink.flush();
  return { changed, removed };
}

/** What to write so that the topic says what the file says. */
export function differences(
  wanted: ReadonlyMap<string, AssetRecord>,
  published: Iterable<[string, AssetRecord]>,
  encode: (asset: AssetRecord) => Buffer,
  topic: string,
): { records: OutputRecord[]; changed: number; removed: number } {
  const records: OutputRecord[] = [];
  const known = new Map(published);
  for (const [uuid, asset] of wanted) {
    const value = encode(asset);
    const before = known.get(uuid);
    if (before === undefined || !encode(before).equals(value))
      records.push({ topic, partition: null, key: uuid, value });
  }
  const changed = records.length;
  for (const uuid of known.keys())
    if (!wanted.has(uuid)) records.push({ topic, partition: null, key: uuid, value: null });
  return { records, changed, removed: records.length - changed };
}

async function readPublished(
  connection: KafkaConnection,
  topic: string,
  codec: AvroCodec,
  warn: Warn,
): Promise<Iterable<[string, AssetRecord]>> {
  const table = new AssetTable(codec, (record, error) =>
    warn(`${record.topic} offset ${record.offset}: ${error.message}`),
  );
  const reader = new TableReader(connection, 'ingest-assets', [topic], warn);
  try {
    await reader.start(table.apply, (error) => warn(error.message));
  } finally {
    await reader.close();
  }
  return table.entries();
}
