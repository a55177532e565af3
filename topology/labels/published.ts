import { DecodeError, type AvroCodec } from '../../schema/avro.js';
import { labelKey, namedByLabelKey } from '../../schema/label-key.js';
import type { LabelRecord } from '../../schema/records.js';
import { readToEnd } from '../kafka/bounded-reader.js';
import type { KafkaConnection } from '../kafka/connection.js';

/**
 * What gpu.labels says now, by {@link labelKey}: as the load role has it in the table.
 * @param unreadable told of records that are no labels
 * @throws ActuaryError kafka_unreachable, kafka_failed, topic_missing
 */
export async function publishedLabels(
  connection: KafkaConnection,
  topic: string,
  codec: AvroCodec,
  unreadable: (where: string, error: DecodeError) => void,
): Promise<Map<string, LabelRecord['type']>> {
  const messages: { readonly key: string | null; readonly value: Buffer | null; readonly where: string }[] = [];
  await readToEnd(connection, topic, 0, ({ key, value, partition, offset }) =>
    messages.push({
      key: key === null || key === undefined ? null : key.toString(),
      value,
      where: `${topic}/${partition}@${offset}`,
    }),
  );
  const labels = new Map<string, LabelRecord['type']>();
  for (const { key, value, where } of messages) {
    if (value === null) {
      if (key !== null) remove(labels, key);
      continue;
    }
    try {
      const label = await codec.decode<LabelRecord>('labels', value);
      labels.set(labelKey(label), label.type);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      unreadable(where, error);
    }
  }
  return labels;
}

function remove(labels: Map<string, unknown>, key: string): void {
  const [gpuUuid, failedAt] = namedByLabelKey(key);
  if (failedAt !== undefined) labels.delete(key);
  else for (const known of [...labels.keys()]) if (namedByLabelKey(known)[0] === gpuUuid) labels.delete(known);
}
