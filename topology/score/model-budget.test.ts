import { expect, it } from 'vitest';
import { ModelBudget } from './model-budget.js';

it('is not spent by a tenth of the time, however it is spread, but by more in the long run', () => {
  let now = 0;
  const steady = new ModelBudget(() => now);
  for (let second = 0; second < 100; second++) {
    now += 1_000;
    steady.spend(99, 990);
    expect(steady.isSpent()).toBe(false);
  }
  const hungry = new ModelBudget(() => now);
  let spent = 0;
  for (let second = 0; second < 100; second++) {
    now += 1_000;
    if (!hungry.isSpent()) {
      hungry.spend(700, 7_000);
      spent += 700;
    }
  }
  expect(spent).toBeGreaterThan(0.1 * 100_000 - 1_000);
  expect(spent).toBeLessThan(0.1 * 100_000 + 1_500);
});

it('allows a burst, and no larger one after a longer rest', () => {
  let now = 0;
  const budget = new ModelBudget(() => now);
  now += 3_600_000;
  budget.spend(499, 4_990);
  expect(budget.isSpent()).toBe(false);
  budget.spend(499, 4_990);
  budget.spend(3, 30);
  expect(budget.isSpent()).toBe(true);
});

it('has room for as many rows at once as a burst allows, by what many of them took last', () => {
  const budget = new ModelBudget(() => 0);
  const atFirst = budget.burstRows;
  budget.spend(400, 10);
  expect(budget.burstRows).toBe(atFirst);
  budget.spend(40, 1_000);
  expect(budget.burstRows).toBeCloseTo(12_500, 6);
});
