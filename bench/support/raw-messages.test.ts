import { expect, it } from 'vitest';
import { createDecoder } from '../../operators/decode/decoders.js';
import { BatchBuilder } from '../../schema/batch.js';
import { randomOf } from '../fleet.js';
import { RAW_SHAPES } from './raw-messages.js';

const NOW_MS = Date.UTC(2026, 0, 1);

it.each(RAW_SHAPES)('$format: the engine takes all of a message', (shape) => {
  const decoder = createDecoder(shape.format, { maxMessageBytes: 1e6, profUnit: 'percent' });
  const builder = new BatchBuilder(shape.gpusPerMessage);
  const refused: unknown[] = [];
  const value = Buffer.from(shape.message(0, NOW_MS, randomOf(1)), 'latin1');
  const message = { topic: 'raw', partition: 0, offset: 0, key: null, value, timestampMs: NOW_MS };
  const outcome = decoder.decode(message, builder, (...rejection) => refused.push(rejection));
  expect([outcome, refused]).toEqual([{ kind: 'samples', count: shape.gpusPerMessage }, []]);
  if (shape.parsed) expect(JSON.parse(value.toString())).toBeInstanceOf(Object);
});
