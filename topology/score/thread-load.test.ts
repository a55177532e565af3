import { describe, expect, it } from 'vitest';
import { ThreadLoad } from './thread-load.js';

describe('the load of a thread', () => {
  it('is high once most of the time was worked for a while, and no longer when it was not', () => {
    let now = 1_000;
    let worked = 0;
    const load = new ThreadLoad(
      () => now,
      () => worked,
    );
    worked = 1;
    now += 499;
    expect(load.isHigh()).toBe(false);
    now += 1;
    expect(load.isHigh()).toBe(true);
    worked = 0.3;
    now += 499;
    expect(load.isHigh()).toBe(true);
    now += 1;
    expect(load.isHigh()).toBe(false);
  });

  it('stays high over a lull of half a second in which it still works', () => {
    let now = 1_000;
    let worked = 0.59;
    const load = new ThreadLoad(
      () => now,
      () => worked,
    );
    const look = (share: number): boolean => {
      worked = share;
      now += 500;
      return load.isHigh();
    };
    expect([0.59, 0.61, 0.42, 0.31, 0.9, 0.3, 0.59].map(look)).toEqual([false, true, true, true, true, false, false]);
  });
});
