import { describe, expect, it } from 'vitest';
import { describeGap, expiredAt, gapBefore, lostOffsets } from './offset-gap.js';

const at = (offset: number) => ({ topic: 'raw', partition: 2, offset });

describe('a gap of offsets', () => {
  it('is none while the position is there or beyond, or none was committed', () => {
    for (const offset of [5, 7, 10, -1, -2]) expect(expiredAt(at(offset), 5)).toBeNull();
  });

  it('tells what retention took, to the offset', () => {
    const gap = expiredAt(at(3), 5)!;
    expect(gap).toMatchObject({ cause: 'expired', from: 3, to: 5 });
    expect(lostOffsets(gap)).toBe(2);
    expect(describeGap(gap)).toContain('raw/2: offsets 3 to 4 are gone');
  });
});

describe('what is missing between two records that were read', () => {
  const before = (next: number, came: number, low: number) =>
    gapBefore({ topic: 'raw', partition: 2, offset: next }, came, low);

  it('is nothing where they follow each other, or where it is not known what is to come', () => {
    expect(before(10, 10, 10)).toBeNull();
    expect(before(-1, 15, 15)).toBeNull();
  });

  it('is nothing where what lies between is there, and is no record', () => {
    expect(before(10, 12, 0)).toBeNull();
    expect(before(10, 12, 10)).toBeNull();
  });

  it('is what retention took, up to the record that came', () => {
    expect(before(10, 15, 15)).toEqual({ topic: 'raw', partition: 2, cause: 'expired', from: 10, to: 15 });
    expect(before(10, 17, 15)).toMatchObject({ from: 10, to: 15 });
    expect(before(10, 15, 40)).toMatchObject({ from: 10, to: 15 });
  });

  it('is all that there was where an earlier record comes', () => {
    const gap = before(10, 0, 0)!;
    expect(gap).toMatchObject({ cause: 'anew', from: 10, to: 0 });
    expect(lostOffsets(gap)).toBe(0);
  });
});
