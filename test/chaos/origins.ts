import type { Message } from 'node-rdkafka';
import { createDecoder } from '../../operators/decode/decoders.js';
import { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder, readingsOf, type SampleBatch, type SampleMetadata } from '../../schema/batch.js';
import { fromSamplesRecord } from '../../schema/samples.js';
import { messagesToEnd } from '../support/read-to-end.js';
import { FORMAT, MAX_MESSAGE_BYTES, NO_BATCH, SOURCES } from './sources.js';
import type { Item } from './verifier.js';

/** What there is to be made of raw messages, and what ingest made of them: each offset's sample or dead letter once. */

const FROM = 'raw';
const KEYED: ReadonlySet<string> = new Set(SOURCES.filter(({ keyed }) => keyed).map(({ topic }) => topic));

/** Decodes every raw message anew. The samples of a keyed source are in order by GPU. */
export async function expectedOfSources(brokers: string): Promise<Item[]> {
  const decoder = createDecoder(FORMAT, { profUnit: 'percent', maxMessageBytes: MAX_MESSAGE_BYTES });
  const builder = new BatchBuilder();
  const items: Item[] = [];
  for (const { topic, partitions } of SOURCES)
    for (const { partition, offset, key, value, timestamp } of await messagesToEnd([brokers], topic, partitions)) {
      builder.from(topic, partition, offset);
      const bytes = key === null || key === undefined ? null : Buffer.from(key);
      const record = { topic, partition, offset, timestampMs: timestamp ?? 0, key: bytes, value };
      const outcome = decoder.decode(record, builder, () => undefined);
      const batch = builder.view();
      for (let row = 0; row < batch.count; row++) items.push(sample(batch, row));
      builder.clear();
      if (outcome.kind === 'dead-letter') items.push(letter(topic, partition, offset, outcome.code));
    }
  return items;
}

/**
 * @param samples the records of gpu.samples, with what the feeder put among them
 * @param letters of the dead letters, those that ingest wrote
 */
export async function actualOfSources(samples: readonly Message[], letters: readonly Message[]): Promise<Item[]> {
  const codec = await AvroCodec.open(null, '');
  const items: Item[] = [];
  for (const { value } of samples) {
    if (value!.equals(NO_BATCH)) continue;
    const batch = fromSamplesRecord(codec.decodeKnown('samples', value!));
    for (let row = 0; row < batch.count; row++) items.push(sample(batch, row));
  }
  for (const message of letters) {
    const { topic, partition, offset, error_code } = headersOf(message);
    items.push(letter(topic, Number(partition), Number(offset), error_code));
  }
  return items;
}

/** Whether ingest wrote it: all others tell of samples that are late, or of what stands in the engine's own topics. */
export function isOfIngest(message: Message): boolean {
  const { topic, error_code } = headersOf(message);
  return error_code !== 'late' && SOURCES.some((source) => source.topic === topic);
}

/** What a dead letter says of itself. */
export function headersOf({
  headers,
}: Message): Record<'topic' | 'partition' | 'offset' | 'error_code' | 'detail', string> {
  const said = Object.assign({}, ...(headers ?? [])) as Record<string, Buffer>;
  return Object.fromEntries(Object.entries(said).map(([name, text]) => [name, String(text)])) as ReturnType<
    typeof headersOf
  >;
}

function sample(batch: SampleBatch, row: number): Item {
  const { topic, partition } = batch.origins[batch.originIndex[row]];
  const gpu = batch.gpus[batch.gpuIndex[row]];
  const metadata = batch.metadata[batch.metadataIndex[row]] as SampleMetadata | undefined;
  return {
    from: FROM,
    key: KEYED.has(topic) ? gpu : null,
    id: `${topic}/${partition}/${batch.originOffset[row]}`,
    content: JSON.stringify([gpu, batch.eventTimeMs[row], readingsOf(batch, row), ...fieldsOf(metadata)]),
  };
}

const fieldsOf = (metadata: SampleMetadata | undefined): unknown[] => {
  const { model, host, deploymentDateMs, purchaseDateMs, warrantyEndMs } = metadata ?? {};
  return [model, host, deploymentDateMs, purchaseDateMs, warrantyEndMs];
};

const letter = (topic: string, partition: number, offset: number, code: string): Item => ({
  ...{ from: FROM, key: null, id: `${topic}/${partition}/${offset}`, content: code },
});
