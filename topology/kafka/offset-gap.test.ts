import { describe, expect, it } from 'vitest';
import { describeGap, gapAt, lostOffsets } from './offset-gap.js';

const at = (offset: number) => ({ topic: 'raw', partition: 2, offset });

describe('a gap of offsets', () => {
  it('is none while the position is there, its ends included, or none was committed', () => {
    for (const offset of [5, 7, 10, -1, -2]) expect(gapAt(at(offset), 5, 10)).toBeNull();
  });

  it('tells what retention took, to the offset', () => {
    const gap = gapAt(at(3), 5, 10)!;
    expect(gap).toMatchObject({ cause: 'expired', from: 3, to: 5 });
    expect(lostOffsets(gap)).toBe(2);
    expect(describeGap(gap)).toContain('raw/2: offsets 3 to 4 are gone');
  });

  it('tells a topic that was made anew from one that expired', () => {
    const gap = gapAt(at(11), 0, 10)!;
    expect(gap).toMatchObject({ cause: 'anew', from: 11, to: 0 });
    expect(lostOffsets(gap)).toBe(0);
  });
});
