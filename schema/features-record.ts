import type { AvroCodec } from './avro.js';
import { schemaText } from './avro.js';
import type { AvroWriter } from './avro-bytes.js';
import { FEATURES, type FeatureSet } from './features.js';
import type { Trigger } from './records.js';

/**
 * gpu.features, written straight from rows of features: one record a GPU and minute, with an object of some fifty
 * names each, would cost more than the features themselves.
 */

interface RecordSchema {
  readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}

const schema = JSON.parse(schemaText('features')) as RecordSchema;
const typeOf = (name: string): unknown => schema.fields.find((field) => field.name === name)?.type;
const TRIGGERS = (typeOf('trigger') as { symbols: Trigger[] }).symbols;

/** The order that this file writes in. */
const ORDER = [
  'gpu_uuid',
  'as_of',
  'newest_reading_at',
  'trigger',
  'feature_set',
  'features',
  'emitted_at',
  'instance',
];
if (schema.fields.map(({ name }) => name).join() !== ORDER.join())
  throw new Error('gpu.features.avsc has other fields than features-record.ts writes');

/** Columns of a row in the order of the record's features; −1 where the set leaves one out. */
function columnsOf(set: 'v1' | 'v2'): Int32Array {
  const published: ReadonlySet<FeatureSet> = new Set(set === 'v2' ? (['v1', 'v2'] as const) : (['v1'] as const));
  return Int32Array.from((typeOf('features') as RecordSchema).fields, ({ name }) =>
    FEATURES.findIndex((feature) => feature.name === name && published.has(feature.set)),
  );
}

/** Writes records of one process. */
export class FeaturesEncoder {
  private readonly header: Buffer;
  private readonly columns: Int32Array;

  /** @param instance name of the emitting process */
  constructor(
    codec: AvroCodec,
    private readonly featureSet: 'v1' | 'v2',
    private readonly instance: string,
  ) {
    this.header = codec.header('features');
    this.columns = columnsOf(featureSet);
  }

  /**
   * @param values feature rows, NaN for absent; the row starts at `offset`
   * @param asOfMs epoch ms, as `newestMs` and `emittedAtMs`
   */
  encode(
    writer: AvroWriter,
    gpuUuid: string,
    asOfMs: number,
    newestMs: number,
    trigger: Trigger,
    values: Float64Array,
    offset: number,
    emittedAtMs: number,
  ): Buffer {
    writer.begin(this.header);
    writer.text(gpuUuid);
    writer.long(asOfMs);
    writer.long(newestMs);
    writer.long(TRIGGERS.indexOf(trigger));
    writer.text(this.featureSet);
    writer.optionalDoubles(values, offset, this.columns);
    writer.long(emittedAtMs);
    writer.text(this.instance);
    return writer.take();
  }
}
