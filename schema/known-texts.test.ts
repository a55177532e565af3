import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AvroReader, AvroWriter, textBytes } from './avro-bytes.js';
import { KnownTexts } from './known-texts.js';
import { propertyRuns } from '../test/support/property-runs.js';

it('goes on beyond the room it had at first', () => {
  const texts = Array.from({ length: 3_000 }, (_, number) => `GPU-${number}`);
  const known = new KnownTexts(10_000, textBytes);
  const writer = new AvroWriter();
  writer.begin(Buffer.alloc(0));
  writer.array([...texts, ...texts], (text) => writer.knownText(known, text));
  const reader = new AvroReader(writer.take(), 0);
  expect(reader.array(() => reader.text())).toEqual([...texts, ...texts]);
});

it.each([3, 10_000])('writes the bytes of a text, whatever came before it and was forgotten: %d remembered', (most) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 90 }), { maxLength: 60, size: 'max' }), (texts) => {
      const known = new KnownTexts(most, textBytes);
      const writer = new AvroWriter();
      writer.begin(Buffer.alloc(0));
      const order = [...texts, ...texts, ...texts.toReversed()];
      writer.array(order, (text) => writer.knownText(known, text));
      const reader = new AvroReader(writer.take(), 0);
      expect(reader.array(() => reader.text())).toEqual(order.map((text) => Buffer.from(text).toString()));
    }),
    { numRuns: propertyRuns(20) },
  );
});
