import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../kafka/log.js';
import { Folding, type FoldingParts } from './folding.js';

const START = Date.UTC(2026, 0, 5);
const PARTITION = { topic: 'gpu.samples', partition: 0 };

/** Records that hold nothing, each of which takes so long to be folded. */
async function fold(count: number, millisecondsEach: number) {
  let nowMs = START;
  let back: readonly LogRecord[] = [];
  const owned = { partition: PARTITION, mutedUntil: 0, next: 0, kept: null, state: { rows: { count: 0 }, waiting: 0 } };
  const parts = {
    config: { score: { maxStalenessMs: 10_000 } },
    clock: { now: () => nowMs },
    format: {},
    partitions: { of: () => owned, values: () => [owned], isRestoring: false, rows: 0, rowBytes: 0 },
    absences: { place: () => undefined },
    pace: {
      begin: () => ({ restMs: 0, defers: () => false, elapsedMs: () => 0 }),
      read: () => (nowMs += millisecondsEach),
    },
    age: { watch: () => undefined },
    maxBytes: Infinity,
    putBack: (records: readonly LogRecord[]) => (back = records),
    isLast: () => false,
  } as unknown as FoldingParts;
  const records = Array.from({ length: count }, (_, offset): LogRecord => ({
    ...PARTITION,
    offset,
    timestampMs: START,
    key: null,
    value: null,
  }));
  const { offsets } = await new Folding(parts).fold(records);
  return { committed: offsets[0]?.offset, back: back.map(({ offset }) => offset) };
}

describe('a unit of work that takes long to be folded', () => {
  it('ends after a second; the next one begins with what is left', async () => {
    expect(await fold(5, 400)).toEqual({ committed: 3, back: [3, 4] });
  });

  it('is whole where it is quick', async () => {
    expect(await fold(5, 190)).toEqual({ committed: 5, back: [] });
  });

  it('gets somewhere, however long one batch takes', async () => {
    expect(await fold(3, 5_000)).toEqual({ committed: 1, back: [1, 2] });
  });
});
