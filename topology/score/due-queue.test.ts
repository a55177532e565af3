import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueQueue, turnsOf } from './due-queue.js';

describe('GPUs that wait for the model', () => {
  it('are served in the order they came, each once, with all that became due meanwhile', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), slot: fc.nat(200), due: fc.integer({ min: 1, max: 31 }) }),
      fc.record({ kind: fc.constant('pull' as const), slot: fc.nat(200), due: fc.constant(0) }),
      fc.record({ kind: fc.constant('serve' as const), slot: fc.constant(0), due: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const queue = new DueQueue();
        // In the order of insertion, as a Map keeps it.
        const expected = new Map<number, number>();
        for (const { kind, slot, due } of steps) {
          if (kind === 'add') {
            expect(queue.add(slot, due, 0)).toBe(expected.has(slot));
            expected.set(slot, (expected.get(slot) ?? 0) | due);
          } else if (kind === 'pull') {
            expect(queue.pull(slot)).toBe(expected.get(slot) ?? 0);
            expected.delete(slot);
          } else {
            const head = queue.head();
            expect(head).toBe([...expected.keys()][0] ?? -1);
            if (head < 0) continue;
            expect(queue.pull(head)).toBe(expected.get(head));
            expected.delete(head);
          }
          expect(queue.length).toBe(expected.size);
        }
      }),
    );
  });

  it('keep their place while nobody takes them out of turn, and tell how long the first has waited', () => {
    const queue = new DueQueue();
    expect(queue.oldestMs()).toBeNaN();
    for (let slot = 0; slot < 1000; slot++) queue.add(slot, 1, slot);
    for (let slot = 0; slot < 1000; slot++) {
      queue.add(999, 2, 5_000);
      expect(queue.head()).toBe(slot);
      expect(queue.oldestMs()).toBe(slot);
      expect(queue.pull(slot)).toBe(slot === 999 ? 3 : 1);
    }
    expect(queue.head()).toBe(-1);
  });

  it('each have their turn within the time allowed, however the time is cut into units', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        // Now short, now less so; or all of them long.
        fc.tuple(
          fc.constantFrom(1, 1_000, 2_000, 3_000, 4_000),
          fc.array(fc.nat(900), { minLength: 200, maxLength: 200 }),
        ),
        (gpus, [least, more]) => {
          const queue = new DueQueue();
          const served = new Float64Array(gpus);
          let [now, longest] = [0, 0];
          for (const elapsed of more.map((ms) => least + ms)) {
            now += elapsed;
            // All are due all the time, as in a fleet whose telemetry is read as fast as it goes.
            for (let slot = 0; slot < gpus; slot++) queue.add(slot, 1, now);
            for (let turns = turnsOf(queue.length, elapsed, 10_000); turns > 0; turns--) {
              const slot = queue.head();
              queue.pull(slot);
              longest = Math.max(longest, now - served[slot]);
              served[slot] = now;
            }
          }
          for (let slot = 0; slot < gpus; slot++) longest = Math.max(longest, now - served[slot]);
          expect(longest).toBeLessThanOrEqual(10_000);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('are all served once nothing is behind any more, and none while no time has passed', () => {
    expect(turnsOf(10_000, 0, 10_000)).toBe(0);
    expect(turnsOf(10_000, 60_000, 10_000)).toBe(10_000);
    expect(turnsOf(10_000, 100, 10_000)).toBe(127);
    // As long as the rest of the time allowed: nobody could wait for the next unit.
    expect([1_000, 3_000, 4_000].map((elapsedMs) => turnsOf(10_000, elapsedMs, 10_000))).toEqual([
      1_429, 6_000, 10_000,
    ]);
  });
});
