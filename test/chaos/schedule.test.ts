import { describe, expect, it } from 'vitest';
import { drawSchedule, KINDS, type Pool } from './schedule.js';

const POOLS: Pool[] = [
  { name: 'score', roles: ['score'], least: 1, most: 3, weight: 3, failPoints: ['score.commit.after'] },
  { name: 'load', roles: ['load'], least: 1, most: 2, weight: 1, failPoints: [] },
];
const ZOMBIE_MS = 12_000;
const draw = (seed: number, events = 300) => drawSchedule({ seed, events, pools: POOLS, zombieMs: ZOMBIE_MS });

describe('the schedule of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('has every kind of event, and as many as asked for', () => {
    const { events } = draw(3);
    expect(events.length).toBe(300);
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(KINDS));
  });

  it('strikes most at work, and some whatever they are at', () => {
    const atWork = draw(6).events.filter(({ atWork }) => atWork).length;
    expect(atWork).toBeGreaterThan(100);
    expect(atWork).toBeLessThan(250);
  });

  it.each([1, 2, 3, 4, 5])(
    'never takes the last one awake of a pool, and never one that is not there (seed %i)',
    (seed) => {
      const { first, events } = draw(seed);
      const awakeAtMs = new Map(first.map(({ name }) => [name, 0]));
      const ofPool = (target: string): string[] =>
        [...awakeAtMs.keys()].filter((name) => name.split('-')[0] === target.split('-')[0]);
      let nowMs = 0;
      for (const { kind, afterMs, target, forMs } of events) {
        nowMs += afterMs;
        if (kind.startsWith('broker') || kind.startsWith('database')) continue;
        if (kind === 'join') {
          expect(awakeAtMs.has(target)).toBe(false);
          awakeAtMs.set(target, nowMs);
        } else {
          expect(awakeAtMs.get(target)).toBeLessThanOrEqual(nowMs);
          awakeAtMs.set(target, nowMs + forMs);
        }
        if (kind === 'zombie') expect(forMs).toBeGreaterThanOrEqual(ZOMBIE_MS);
        if (kind === 'crash' || kind === 'leave') awakeAtMs.delete(target);
        const names = ofPool(target);
        expect(names.length).toBeGreaterThanOrEqual(1);
        expect(names.length).toBeLessThanOrEqual(target.startsWith('score') ? 3 : 2);
        if (kind !== 'pause') expect(names.some((name) => awakeAtMs.get(name)! <= nowMs)).toBe(true);
      }
    },
  );
});
