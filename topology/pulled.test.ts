import { concatMap, lastValueFrom, map, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { pulled } from './pulled.js';

describe('a pulled stream', () => {
  it('asks for the next value only when the last one is through', async () => {
    const events: string[] = [];
    let polls = 0;
    const stream = pulled(
      () => Promise.resolve(events.push(`poll ${++polls}`) && polls),
      (polled) =>
        polled.pipe(
          concatMap(async (value) => {
            await new Promise((resolve) => setImmediate(resolve));
            events.push(`done ${value}`);
            return value;
          }),
        ),
      () => polls >= 3,
    );
    expect(await lastValueFrom(stream.pipe(toArray()))).toEqual([1, 2, 3]);
    expect(events).toEqual(['poll 1', 'done 1', 'poll 2', 'done 2', 'poll 3', 'done 3']);
  });

  it('ends with the error of a stage, without another poll', async () => {
    let polls = 0;
    const stream = pulled(
      () => Promise.resolve(++polls),
      (polled) =>
        polled.pipe(
          map(() => {
            throw new Error('broken');
          }),
        ),
      () => false,
    );
    await expect(lastValueFrom(stream)).rejects.toThrow('broken');
    expect(polls).toBe(1);
  });

  it('completes without a poll when it is stopping already', async () => {
    const stream = pulled(
      () => Promise.reject(new Error('polled')),
      (polled) => polled,
      () => true,
    );
    expect(await lastValueFrom(stream.pipe(toArray()))).toEqual([]);
  });
});
