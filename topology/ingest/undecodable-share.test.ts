import { describe, expect, it } from 'vitest';
import { UndecodableShare } from './undecodable-share.js';

describe('the share of undecodable messages', () => {
  it('is not judged before there are 10,000 messages', () => {
    const share = new UndecodableShare();
    expect(share.add(9_999, 9_999)).toBeNaN();
    expect(share.add(1, 0)).toBeCloseTo(0.9999, 4);
  });

  it('slides: a good past excuses nothing, a bad one is forgotten', () => {
    const share = new UndecodableShare();
    for (let poll = 0; poll < 100; poll++) expect(share.add(1_000, 0) > 0).toBe(false);
    for (let poll = 1; poll <= 10; poll++) expect(share.add(1_000, 1_000)).toBeCloseTo(poll / 10, 9);
    for (let poll = 9; poll >= 0; poll--) expect(share.add(1_000, 0)).toBeCloseTo(poll / 10, 9);
    expect(share.judged).toBe(10_000);
  });

  it('takes polls of any size, empty ones too', () => {
    const share = new UndecodableShare();
    expect(share.add(0, 0)).toBeNaN();
    expect(share.add(50_000, 25_000)).toBe(0.5);
    expect(share.add(0, 0)).toBe(0.5);
    expect(share.add(20_000, 0)).toBe(0);
  });
});
