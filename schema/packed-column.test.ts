import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from './decode-error.js';
import { ColumnPacker, type PackedColumn } from './packed-column.js';
import { propertyRuns } from '../test/support/property-runs.js';

const packer = new ColumnPacker();

function packed(values: readonly number[]): PackedColumn {
  const { divisor, values: bytes } = packer.pack(Float64Array.from(values), Buffer.alloc(8 * values.length));
  return { divisor, values: bytes };
}

const unpacked = (column: PackedColumn, count: number): number[] => [
  ...packer.unpack(column, new Float64Array(count), 'power_usage'),
];

const decimals = (places: number) =>
  fc.integer({ min: -(2 ** 33), max: 2 ** 33 }).map((integer) => Number(`${integer}e-${places}`));
const reading = fc.oneof(
  { weight: 2, arbitrary: fc.constant(NaN) },
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: -40_000, max: 40_000 }),
  ...[0, 1, 2, 3, 6, 9].map(decimals),
  fc.double(),
  fc.constantFrom(-0, Infinity, -Infinity, -(2 ** 31), 2 ** 31, -128, 127, -32_768, 32_767),
);
/** Columns of one kind of reading are what is packed; of all kinds, what is not. */
const column = fc.oneof(
  fc.array(reading),
  ...[0, 1, 2, 3, 6, 9].map((places) => fc.array(fc.oneof(decimals(places), fc.constant(NaN)))),
);

describe('a packed column', () => {
  it('gives every number back to the bit', () => {
    fc.assert(
      fc.property(column, (values) => {
        const back = unpacked(packed(values), values.length);
        for (const [row, value] of values.entries()) expect(Object.is(back[row], value)).toBe(true);
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it.each([
    ['temperatures', [41, NaN, 83], 1, 1],
    ['nothing but gaps', [NaN, NaN], 1, 1],
    ['watts with a tenth', [287.3, NaN, 699.9], 10, 2],
    ['shares with two decimals', [0.57, 1, NaN], 100, 1],
    ['thousandths', [287.345, 71.002], 1_000, 4],
    ['what exporters print with six decimals', [0.456789, 0.1], 1_000_000, 4],
    ['megabytes', [81_559, 0], 1, 4],
    ['a third', [1 / 3], 0, 8],
    ['energy beyond 32 bits', [2 ** 31], 0, 8],
    ['minus zero', [-0, 1], 0, 8],
    ['the integer that stands for none', [-128], 1, 2],
  ])('takes for %s as few bytes as give it back', (_, values, divisor, bytesEach) => {
    const { divisor: chosen, values: bytes } = packed(values);
    expect([chosen, bytes.length / values.length]).toEqual([divisor, bytesEach]);
  });

  it('has the same form whatever was packed before it', () => {
    fc.assert(
      fc.property(column, column, (before, values) => {
        const first = new ColumnPacker().pack(Float64Array.from(values), Buffer.alloc(8 * values.length));
        packed(before);
        expect(packed(values)).toEqual(first);
      }),
    );
  });

  it.each([
    [{ divisor: 0, values: Buffer.alloc(7) }],
    [{ divisor: 10, values: Buffer.alloc(3) }],
    [{ divisor: 1, values: Buffer.alloc(8) }],
    [{ divisor: -1, values: Buffer.alloc(1) }],
  ])('is refused as malformed where its bytes do not fit: %j', (broken) => {
    expect(() => unpacked(broken, 1)).toThrow(DecodeError);
  });
});
