import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../kafka/log.js';
import { Gathering, type GatheringOptions } from './gathering.js';

const INTERVAL_MS = 100;

/** Records of ten bytes each, from an offset on. */
function records(from: number, count: number): LogRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ topic: 'gpu.samples', partition: 0, offset: from + index, timestampMs: 0 },
    ...{ key: null, value: Buffer.alloc(10) },
  }));
}

/** A gathering whose polls are answered one after the other, each after so long or as long as it may wait. */
function gatheringOf(
  answers: (() => LogRecord[])[],
  options: Partial<GatheringOptions> & { readonly pollMs?: number } = {},
) {
  let nowMs = 1_000;
  const asked: { max: number; waitMs: number }[] = [];
  const gathering = new Gathering({
    poll: (max, waitMs) => {
      asked.push({ max, waitMs });
      nowMs += options.pollMs ?? 0;
      return Promise.resolve(answers.shift()?.() ?? []);
    },
    ...{ maxRecords: 8, maxBytes: 1_000, stopping: () => false, nowMs: () => nowMs },
    ...options,
  });
  return { gathering, asked };
}

const offsets = (taken: readonly LogRecord[]): number[] => taken.map(({ offset }) => offset);

describe('gathering for a unit of work', () => {
  it('ends with the first poll that finds nothing, where nothing was found before', async () => {
    const { gathering, asked } = gatheringOf([]);
    await gathering.gather(INTERVAL_MS);
    expect(gathering.take()).toEqual([]);
    expect(asked).toEqual([{ max: 8, waitMs: 50 }]);
  });

  it('goes on for the interval from the first record on, and waits no longer than that', async () => {
    const { gathering, asked } = gatheringOf([() => records(0, 1), () => [], () => records(1, 1)], { pollMs: 35 });
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([0, 1]);
    expect(asked.map(({ waitMs }) => waitMs)).toEqual([50, 50, 50, 30]);
  });

  it('is one poll where there is no interval', async () => {
    const { gathering } = gatheringOf([() => records(0, 2), () => records(2, 2)]);
    await gathering.gather(0);
    expect(offsets(gathering.take())).toEqual([0, 1]);
    await gathering.gather(0);
    expect(offsets(gathering.take())).toEqual([2, 3]);
  });

  it('takes no more records than a unit may have', async () => {
    const { gathering, asked } = gatheringOf([() => records(0, 5), () => records(5, 3), () => records(8, 1)]);
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toHaveLength(8);
    expect(asked.map(({ max }) => max)).toEqual([8, 3]);
  });

  it('polls no more once it has the bytes that a unit may hold', async () => {
    const { gathering, asked } = gatheringOf([() => records(0, 2), () => records(2, 2)], { maxBytes: 20 });
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([0, 1]);
    expect(asked).toHaveLength(1);
  });

  it('gives what it has when the role is to stop', async () => {
    const { gathering, asked } = gatheringOf([() => records(0, 1)], { stopping: () => true });
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([0]);
    expect(asked).toHaveLength(1);
  });
});

describe('what was put back', () => {
  it('comes first in the next unit, and counts as part of it', async () => {
    const { gathering, asked } = gatheringOf([() => records(3, 2)], { maxRecords: 4, maxBytes: 40 });
    gathering.putBack(records(1, 2));
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([1, 2, 3, 4]);
    expect(asked).toEqual([{ max: 2, waitMs: 50 }]);
  });

  it('is a unit by itself where it is enough', async () => {
    const { gathering, asked } = gatheringOf([() => records(3, 1)], { maxBytes: 20 });
    gathering.putBack(records(1, 2));
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([1, 2]);
    expect(asked).toEqual([]);
  });

  it('is forgotten with its partitions', async () => {
    const { gathering } = gatheringOf([() => records(0, 1)]);
    gathering.putBack(records(5, 3));
    gathering.forget();
    await gathering.gather(0);
    expect(offsets(gathering.take())).toEqual([0]);
  });
});

describe('partitions that come or go', () => {
  it('keeps what a first poll gives in the middle of which they were assigned', async () => {
    const { gathering } = gatheringOf([
      () => {
        gathering.forget();
        return records(0, 3);
      },
    ]);
    await gathering.gather(0);
    expect(offsets(gathering.take())).toEqual([0, 1, 2]);
  });

  it('keeps of a later poll in which they were assigned what it gives, and nothing of those before', async () => {
    const { gathering } = gatheringOf(
      [
        () => records(70, 3),
        () => {
          gathering.forget();
          return records(50, 2);
        },
        () => records(52, 1),
      ],
      { pollMs: 40 },
    );
    gathering.putBack(records(68, 2));
    await gathering.gather(INTERVAL_MS);
    expect(offsets(gathering.take())).toEqual([50, 51, 52]);
  });

  it('has room for a whole unit again after they were revoked', async () => {
    const { gathering, asked } = gatheringOf(
      [
        () => records(70, 3),
        () => {
          gathering.forget();
          return records(0, 1);
        },
      ],
      { maxRecords: 4, maxBytes: 40, pollMs: 60 },
    );
    await gathering.gather(INTERVAL_MS);
    expect(asked.map(({ max }) => max)).toEqual([4, 1, 3]);
  });

  it('gives nothing of what was gathered when they are revoked before it is taken', async () => {
    const { gathering } = gatheringOf([() => records(0, 3)]);
    await gathering.gather(0);
    gathering.forget();
    expect(gathering.take()).toEqual([]);
  });

  it('says of nothing that was taken once that it is there', async () => {
    const { gathering } = gatheringOf([() => records(0, 3)]);
    await gathering.gather(0);
    gathering.take();
    expect(gathering.take()).toEqual([]);
  });
});
