import { expect, it } from 'vitest';
import { growthOf, type Minute } from './growth.js';

const minute = (index: number, rssMb: number): Minute => ({
  ...{ eventDays: 2 * index, samples: index, rssMb, mostRssMb: rssMb },
  ...{ leastHeapMb: 40, leastExternalMb: 100 + index },
});

it('tells how memory grows from when windows are full', () => {
  const filling = [0, 1, 2, 3, 4].map((index) => minute(index, 100 * index));
  const full = [5, 6, 7, 8].map((index) => minute(index, 410));
  expect(growthOf([...filling, ...full])).toEqual({
    ...{ void: null, fullMinutes: 4 },
    growthMbPerHour: { rss: 0, heap: 0, external: 60 },
  });
});

it('is void where windows were full for too short', () => {
  expect(growthOf([5, 6].map((index) => minute(index, 400)))).toMatchObject({
    void: expect.stringMatching(/2 minutes/) as string,
  });
});
