import { describe, expect, it } from 'vitest';
import { ModelBudget } from './model-budget.js';
import { Pace } from './pace.js';
import { ThreadLoad } from './thread-load.js';

const START = Date.UTC(2026, 0, 5);

/** A pace on a thread that is at work for such a share of its time. */
function paceOf(utilisation: number, adaptive = true) {
  let nowMs = 0;
  const now = (): number => nowMs;
  const pace = new Pace({ adaptive, everyMs: 10_000 }, new ThreadLoad(now, () => utilisation), new ModelBudget(now));
  return { pace, advance: (ms: number) => (nowMs += ms) };
}

describe('the pace of the score role', () => {
  it('saves on nothing while it keeps up', () => {
    const { pace, advance } = paceOf(0.2);
    pace.begin(START);
    advance(1_000);
    pace.read(900);
    const unit = pace.begin(START + 1_000);
    expect([unit.restMs, unit.defers(0), unit.elapsedMs(0)]).toEqual([0, false, Infinity]);
  });

  it('lets GPUs take turns as soon as a batch of the same unit is old, until one is not', () => {
    const { pace } = paceOf(0.2);
    pace.begin(START);
    const unit = pace.begin(START + 50);
    expect(unit.defers(0)).toBe(false);
    pace.read(1_001);
    expect([pace.isBehind, unit.defers(0), unit.elapsedMs(0)]).toEqual([true, true, 50]);
    pace.read(1_000);
    expect([pace.isBehind, unit.defers(0), unit.elapsedMs(0)]).toEqual([false, false, Infinity]);
  });

  it('is behind no more when a poll has found nothing, and there is nothing to be read', () => {
    const { pace } = paceOf(0.2);
    pace.read(5_000);
    pace.foundNothing(7);
    expect(pace.isBehind).toBe(true);
    pace.foundNothing(0);
    expect(pace.isBehind).toBe(false);
    pace.foundNothing(7);
    expect(pace.isBehind).toBe(false);
  });

  it('lets GPUs rest on a thread near its limit, and take turns once the model has used up its share', () => {
    const { pace, advance } = paceOf(0.9);
    pace.begin(START);
    advance(500);
    const high = pace.begin(START + 500);
    expect([high.restMs, high.defers(0), high.elapsedMs(0)]).toEqual([5_000, false, 500]);
    pace.spent(10_000, 100_000);
    advance(500);
    const short = pace.begin(START + 1_000);
    expect([short.restMs, short.defers(0), short.elapsedMs(0)]).toEqual([5_000, true, 500]);
  });

  it('lets GPUs take turns as soon as a unit has more rows than a burst, which tells before the thread does', () => {
    const { pace } = paceOf(0.2);
    pace.begin(START);
    pace.spent(500, 10_000);
    const unit = pace.begin(START + 50);
    expect([unit.defers(9_999), unit.elapsedMs(9_999)]).toEqual([false, Infinity]);
    expect([unit.defers(10_000), unit.elapsedMs(10_000)]).toEqual([true, 50]);
  });

  it('never defers where it is not to adapt', () => {
    const { pace, advance } = paceOf(0.9, false);
    pace.begin(START);
    advance(500);
    pace.spent(10_000, 100_000);
    pace.read(5_000);
    const unit = pace.begin(START + 500);
    expect([unit.restMs, unit.defers(1_000_000)]).toEqual([0, false]);
  });
});
