import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { PANE_RECORD_FIELDS } from '../operators/window/pane-record.js';
import { AVRO_TOPICS, AvroCodec, DecodeError, HEADER_BYTES, schemaText, earlierSchemaText } from './avro.js';
import { FEATURES } from './features.js';
import { packageRoot } from './package-root.js';
import { TOPICS } from './topics.js';

interface AvroSchema {
  fields: { name: string; type: unknown; default?: unknown }[];
}
/** A message of a former version, under the fixed id that it had. */
function formerMessage(key: (typeof AVRO_TOPICS)[number], id: number, record: object): Buffer {
  const writer = avro.Type.forSchema(JSON.parse(earlierSchemaText(key, id)) as avro.Schema);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(id, 1);
  return Buffer.concat([header, writer.toBuffer(record)]);
}
const schemaOf = (key: (typeof AVRO_TOPICS)[number]): AvroSchema => JSON.parse(schemaText(key)) as AvroSchema;

const prediction = {
  gpu_uuid: 'GPU-a',
  as_of: 1_764_000_000_123,
  newest_reading_at: 1_764_000_000_123,
  trigger: 'change',
  model: 'NVIDIA H100',
  host: null,
  failure_prob_7d: 0.01,
  failure_prob_30d: 0.02,
  failure_prob_90d: 0.03,
  predicted_failure_type: null,
  failure_type_prob: null,
  estimated_ttf_days: null,
  coverage: 1,
  confidence: 0.9,
  model_version: 'test',
  run_id: 'run-7',
  feature_set: 'v1',
  top_factors: null,
  emitted_at: 1_764_000_000_456,
  instance: 'test',
};

describe('Avro schemas', () => {
  it('carry every published feature and every field of a pane', () => {
    const features = schemaOf('features').fields.find(({ name }) => name === 'features')!.type as AvroSchema;
    expect(features.fields.map(({ name }) => name)).toEqual(
      FEATURES.filter(({ set }) => set !== 'internal').map(({ name }) => name),
    );
    expect(schemaOf('panes').fields.map(({ name }) => name)).toEqual([
      'gpu_uuid',
      'hour_start',
      'samples',
      ...PANE_RECORD_FIELDS,
    ]);
  });

  it('have a fixed id each, for clusters without a registry', () => {
    const ids = JSON.parse(readFileSync(join(packageRoot(), 'schema', 'ids.json'), 'utf8')) as Record<string, number>;
    const names = AVRO_TOPICS.map((key) => TOPICS[key].name);
    expect(Object.keys(ids).sort()).toEqual([...names].sort());
    expect(new Set(Object.values(ids)).size).toBe(names.length);
  });
});

describe('the codec', () => {
  it('gives back what it was given, in the Confluent wire format', async () => {
    const codec = await AvroCodec.open(null, '');
    const message = codec.encode('predictions', prediction);
    expect(message[0]).toBe(0);
    expect(message.readUInt32BE(1)).toBe(1011);
    expect({ ...(await codec.decode<object>('predictions', message)) }).toEqual(prediction);
  });

  it('reads assets that a version without batch and place wrote', async () => {
    const codec = await AvroCodec.open(null, '');
    const message = formerMessage('assets', 1008, {
      gpu_uuid: 'GPU-a',
      model: 'H100',
      deployment_date: '2024-02-01',
    });
    expect({ ...(await codec.decode<object>('assets', message)) }).toMatchObject({
      gpu_uuid: 'GPU-a',
      deployment_date: '2024-02-01',
      batch: null,
      slot: null,
    });
    expect(codec.encode('assets', { gpu_uuid: 'GPU-a', batch: 'B7', slot: 3 }).readUInt32BE(1)).toBe(1010);
  });

  it('reads predictions that a version without the training run wrote', async () => {
    const codec = await AvroCodec.open(null, '');
    const message = formerMessage('predictions', 1003, prediction);
    expect({ ...(await codec.decode<object>('predictions', message)) }).toEqual({ ...prediction, run_id: null });
  });

  it('writes null for features that are not given', async () => {
    const codec = await AvroCodec.open(null, '');
    const head = { gpu_uuid: 'GPU-a', as_of: 1, newest_reading_at: 1, trigger: 'pane', emitted_at: 1, instance: 'i' };
    const message = codec.encode('features', { ...head, feature_set: 'v1', features: { gpu_temp_mean: 61.5 } });
    const record = await codec.decode<{ features: Record<string, number | null> }>('features', message);
    expect(record.features.gpu_temp_mean).toBe(61.5);
    expect(record.features.silent_minutes).toBeNull();
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'malformed'],
    ['another format', Buffer.from('{"gpu_uuid":"GPU-a"}'), 'malformed'],
    ['an unknown schema id', Buffer.from([0, 0, 0, 0, 7, 1, 2, 3]), 'unknown_schema'],
    ['a body that ends early', Buffer.from([0, 0, 0, 3, 0xf3, 10]), 'malformed'],
  ])('refuses %s with a code', async (_name, message, code) => {
    const codec = await AvroCodec.open(null, '');
    const error = await codec.decode('predictions', message).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DecodeError);
    expect((error as DecodeError).code).toBe(code);
  });

  it.each(AVRO_TOPICS)('refuses %s of a later version, neither misread nor passed over', async (key) => {
    const codec = await AvroCodec.open(null, '');
    const ids = JSON.parse(readFileSync(join(packageRoot(), 'schema', 'ids.json'), 'utf8')) as Record<string, number>;
    const id = Math.max(...Object.values(ids)) + 1;
    const message = Buffer.from([0, 0, 0, 0, 0, 1, 2, 3]);
    message.writeUInt32BE(id, 1);
    const decoding = codec.decode(key, message);
    await expect(decoding).rejects.toMatchObject({ code: 'format_newer' });
    await expect(decoding).rejects.not.toBeInstanceOf(DecodeError);
    await expect(decoding).rejects.toThrow(new RegExp(`${TOPICS[key].name} .* ${id}, of a later version`));
  });

  it('refuses bytes that the schema does not explain', async () => {
    const codec = await AvroCodec.open(null, '');
    const message = Buffer.concat([codec.encode('predictions', prediction), Buffer.from([1])]);
    await expect(codec.decode('predictions', message)).rejects.toThrow(/bytes/);
  });
});
