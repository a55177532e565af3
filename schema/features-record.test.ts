import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AvroCodec } from './avro.js';
import { AvroWriter } from './avro-bytes.js';
import { FeaturesEncoder } from './features-record.js';
import { FEATURES, FEATURE_COUNT } from './features.js';
import { propertyRuns } from '../test/support/property-runs.js';

const codec = await AvroCodec.open(null, '');
const time = fc.integer({ min: -(2 ** 45), max: 2 ** 45 });

it.each(['v1', 'v2'] as const)('a features record is written byte for byte as avsc writes it (%s)', (set) => {
  const encoder = new FeaturesEncoder(codec, set, 'instance ä');
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 80 }),
      time,
      time,
      time,
      fc.constantFrom('pane' as const, 'interval' as const, 'absence' as const),
      fc.array(fc.double(), { minLength: FEATURE_COUNT, maxLength: FEATURE_COUNT }),
      (gpuUuid, asOf, newest, emittedAt, trigger, row) => {
        const features = Object.fromEntries(
          FEATURES.flatMap(({ name, set: own }, column) =>
            own === 'internal'
              ? []
              : [[name, own === 'v2' && set === 'v1' ? null : Number.isNaN(row[column]) ? null : row[column]]],
          ),
        );
        const record = {
          gpu_uuid: gpuUuid,
          as_of: asOf,
          newest_reading_at: newest,
          trigger,
          feature_set: set,
          features,
          emitted_at: emittedAt,
          instance: 'instance ä',
        };
        const values = new Float64Array([NaN, NaN, ...row]);
        const encoded = encoder.encode(new AvroWriter(), gpuUuid, asOf, newest, trigger, values, 2, emittedAt);
        expect(encoded.toString('hex')).toBe(codec.encode('features', record).toString('hex'));
      },
    ),
    { numRuns: propertyRuns(100) },
  );
});
