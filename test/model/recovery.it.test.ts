import { describe, expect, it } from 'vitest';
import { explore } from './explore.js';
import type { Budget, Mutation } from './protocol.js';
import { RecoveryModel } from './recovery-model.js';

const MOST_STATES = 200_000;
const NONE: Budget = { crashes: 0, pauses: 0, faults: 0, damages: 0, moves: 0, cuts: 0 };
const BUDGETS: readonly Partial<Budget>[] = [
  { crashes: 2, damages: 1, cuts: 1 },
  { crashes: 4 },
  { pauses: 1, crashes: 1 },
  { pauses: 1, faults: 1 },
  { crashes: 1, faults: 1, damages: 1, cuts: 1 },
  { faults: 2, moves: 1, cuts: 2 },
];

/** What is done wrong, and the little that is needed to bring it to light. */
const FOUND_BY: Readonly<Record<Mutation, Partial<Budget>>> = {
  'offsets are committed before the outputs': {},
  'outputs are written before the offsets are committed': {},
  'an instance that lost its partition is not refused': { pauses: 1 },
  'committed offsets are told while a transaction that moves them is open': { crashes: 1 },
  'after a failed transaction the state is kept': { faults: 1 },
  'a commit without an answer counts as failed': { faults: 1 },
  'what is read again is not muted': { crashes: 1 },
  'checkpoints are written outside the transaction': { crashes: 1, cuts: 1 },
  'deltas do not take effect': { crashes: 1 },
  'deltas do not take effect before the first cut': { crashes: 1 },
  'there is one generation of cuts': { crashes: 1, damages: 1 },
  'deltas are counted from the restart, not from the cut': { crashes: 4 },
};

describe('the recovery protocol', () => {
  it.each(BUDGETS)('loses nothing, says nothing twice and comes to an end, whatever happens when: %o', (budget) => {
    const { states, counterexample } = explore(new RecoveryModel({ ...NONE, ...budget }), MOST_STATES);
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });

  it.each(Object.entries(FOUND_BY) as [Mutation, Partial<Budget>][])('does not hold where %s', (mutation, budget) => {
    const { counterexample } = explore(new RecoveryModel({ ...NONE, ...budget }, mutation), MOST_STATES);
    expect(counterexample).not.toBeNull();
  });
});
