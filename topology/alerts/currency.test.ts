import { expect, it } from 'vitest';
import { ActuaryError } from '../../schema/errors.js';
import { Currency } from './currency.js';

/** Looks at a group that stands at `next` of partitions that end at `end`. */
function setUp() {
  let positions: { topic: string; partition: number; next: number; end: number }[] | null = [];
  const currency = new Currency({
    positions: () =>
      positions === null
        ? Promise.reject(new ActuaryError('kafka_failed', 'watermarks: timed out'))
        : Promise.resolve(positions),
  });
  const look = (nowMs: number, ...at: [next: number, end: number][]): Promise<void> => {
    positions = at.map(([next, end], partition) => ({ topic: 't', partition, next, end }));
    return currency.look(nowMs);
  };
  return {
    currency,
    look,
    fail: (nowMs: number): Promise<void> => {
      positions = null;
      return currency.look(nowMs);
    },
  };
}

it('is known from the second look on at which all of the first has come through', async () => {
  const { currency, look } = setUp();
  expect(currency.sinceOf('t', 0)).toBe(Infinity);
  await look(1, [10, 10]);
  expect(currency.sinceOf('t', 0)).toBe(Infinity);
  await look(2, [10, 15]);
  expect(currency.sinceOf('t', 0)).toBe(2);
  await look(3, [15, 20]);
  expect(currency.sinceOf('t', 0)).toBe(2);
  expect([...currency.topics]).toEqual(['t']);
});

it('ends when ingest falls behind, and begins anew after it; a whole topic is as current as its last partition', async () => {
  const { currency, look } = setUp();
  await look(1, [10, 10], [10, 10]);
  await look(2, [10, 20], [10, 10]);
  expect(currency.sinceOf('t', -1)).toBe(2);
  await look(3, [11, 30], [10, 10]);
  expect(currency.sinceOf('t', 0)).toBe(Infinity);
  expect(currency.sinceOf('t', 1)).toBe(2);
  expect(currency.sinceOf('t', -1)).toBe(Infinity);
  await look(4, [30, 30], [10, 10]);
  expect(currency.sinceOf('t', -1)).toBe(4);
});

it('is unknown while the broker does not answer, and of other sources nobody here would know', async () => {
  const { currency, look, fail } = setUp();
  await look(1, [10, 10]);
  await look(2, [10, 10]);
  expect(currency.sinceOf('elsewhere', 0)).toBe(-Infinity);
  await fail(3);
  expect(currency.sinceOf('t', 0)).toBe(Infinity);
  expect(currency.sinceOf('elsewhere', 0)).toBe(Infinity);
  await look(4, [10, 10]);
  expect(currency.sinceOf('t', 0)).toBe(4);
});

it('takes the marker of a transaction at the end of a partition for nothing to read', async () => {
  const { currency, look } = setUp();
  await look(1, [9, 10]);
  await look(2, [9, 10]);
  expect(currency.sinceOf('t', 0)).toBe(2);
});
