import { describe, expect, it } from 'vitest';
import { SourceEnd } from './source-end.js';

const partition = { topic: 'gpu.samples', partition: 0 };

describe('the end of a source that is read again', () => {
  it('stops where it stays before what was scored of it', () => {
    const end = new SourceEnd();
    const owned = [{ partition, mutedUntil: 100, next: 10 }];
    end.look(owned, () => 10, 0);
    end.look(owned, () => 10, 29_999);
    expect(() => end.look(owned, () => 10, 30_000)).toThrow(/gpu.samples\/0 ends before offset 100, up to which/);
  });

  it('waits for as long as it goes on, and where no end was met', () => {
    const end = new SourceEnd();
    const one = { partition, mutedUntil: 100, next: 10 };
    end.look([one], () => 10, 0);
    one.next = 20;
    end.look([one], () => 20, 40_000);
    end.look([one], () => 20, 60_000);
    const unmet = new SourceEnd();
    unmet.look([one], () => -1, 0);
    unmet.look([one], () => -1, 1e9);
    expect(one.next).toBe(20);
  });

  it('counts anew where the partition was taken away and came back', () => {
    const end = new SourceEnd();
    end.look([{ partition, mutedUntil: 100, next: 10 }], () => 10, 0);
    const again = [{ partition, mutedUntil: 100, next: 10 }];
    end.look(again, () => 10, 40_000);
    expect(() => end.look(again, () => 10, 70_000)).toThrow(/ends before offset 100/);
  });

  it('passes over what retention took', () => {
    const one = { partition, mutedUntil: 100, next: 10 };
    new SourceEnd().look([one], () => 120, 0);
    expect(one.next).toBe(100);
  });
});
