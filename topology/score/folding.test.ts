import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../kafka/log.js';
import { Folding, type FoldingParts } from './folding.js';
import { ROW_BYTES } from './rows.js';

const START = Date.UTC(2026, 0, 5);
const PARTITION = { topic: 'gpu.samples', partition: 0 };

/** Records that hold nothing, each of which takes so long to be folded. */
async function fold(count: number, millisecondsEach: number, { maxBytes = Infinity, rowBytes = 0, waiting = 0 } = {}) {
  let nowMs = START;
  let back: readonly LogRecord[] = [];
  const rows = { count: 0 };
  const serveWaiting = (_elapsed: number, _stale: number, _now: number, most: number): void => {
    rows.count = Math.min(waiting, most);
  };
  const state = { rows, waiting, waitingSinceMs: START, serveWaiting };
  const owned = { partition: PARTITION, mutedUntil: 0, next: 0, kept: null, state };
  const parts = {
    config: { score: { maxStalenessMs: 10_000 } },
    clock: { now: () => nowMs },
    format: {},
    partitions: { of: () => owned, values: () => [owned], isRestoring: false, rows: 0, rowBytes, gpus: 1 },
    samples: { tidy: () => undefined },
    absences: { place: () => undefined },
    pace: {
      begin: () => ({ restMs: 0, defers: () => false, elapsedMs: () => 0 }),
      read: () => (nowMs += millisecondsEach),
    },
    age: { watch: () => undefined },
    maxBytes,
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
  return { committed: offsets[0]?.offset, back: back.map(({ offset }) => offset), served: rows.count };
}

describe('a unit of work that takes long to be folded', () => {
  it('ends after a second; the next one begins with what is left', async () => {
    expect(await fold(5, 400)).toMatchObject({ committed: 3, back: [3, 4] });
  });

  it('is whole where it is quick', async () => {
    expect(await fold(5, 190)).toMatchObject({ committed: 5, back: [] });
  });

  it('gets somewhere, however long one batch takes', async () => {
    expect(await fold(3, 5_000)).toMatchObject({ committed: 1, back: [1, 2] });
  });
});

describe('a unit of work that is full', () => {
  it('lets those who wait for the model have their turn, as far as there is room for them', async () => {
    const full = { maxBytes: 1_000_000, rowBytes: 750_000 };
    expect(await fold(3, 0, { ...full, waiting: 20 })).toMatchObject({ back: [0, 1, 2], served: 20 });
    const { served } = await fold(3, 0, { ...full, waiting: 100_000 });
    expect(served).toBeGreaterThan(100);
    expect(served * ROW_BYTES).toBeLessThan(250_000 + ROW_BYTES);
  });
});
