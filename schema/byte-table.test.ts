import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteTable, internedTexts } from './byte-table.js';
import { anyCharacter } from '../test/support/any-character.js';
import { propertyRuns } from '../test/support/property-runs.js';

it('numbers byte strings in the order they are met, and finds each again', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: anyCharacter, maxLength: 12 }), { maxLength: 3_000, size: 'max' }),
      (texts) => {
        const table = new ByteTable();
        const ids = new Map<string, number>();
        // Numbers that were given and those that are right, compared once: a comparison each takes most of the time.
        const [given, right]: [number[], number[]] = [[], []];
        for (const text of texts) {
          const bytes = Buffer.from(`<${text}>`);
          const [start, end] = [1, bytes.length - 1];
          const key = bytes.toString('hex', start, end);
          given.push(table.find(bytes, start, end));
          right.push(ids.get(key) ?? -1);
          if (ids.has(key)) continue;
          given.push(table.insert(bytes, start, end));
          right.push(ids.size);
          ids.set(key, ids.size);
        }
        expect(given).toEqual(right);
        expect(table.size).toBe(ids.size);
      },
    ),
    { numRuns: propertyRuns(20) },
  );
});

it('gives the text of bytes, whether it is remembered or was forgotten for others', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 3 }), { maxLength: 200 }), (texts) => {
      const table = internedTexts(3);
      for (const text of texts) {
        const bytes = Buffer.from(`"${text}"`);
        expect(table.of(bytes, 1, bytes.length - 1)).toBe(Buffer.from(text).toString('utf8'));
      }
    }),
  );
});

it('learns anew what it was told to forget', () => {
  const table = internedTexts(10);
  const read = (text: string): string => table.of(Buffer.from(text), 0, text.length);
  for (const text of ['a', 'b', 'c']) read(text);
  expect(table.size).toBe(3);
  table.clear();
  expect(table.size).toBe(0);
  expect([read('c'), read('a'), read('c')]).toEqual(['c', 'a', 'c']);
  expect(table.size).toBe(2);
});
