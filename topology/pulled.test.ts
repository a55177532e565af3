import { concatMap, lastValueFrom, map, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { pulled, pulledAhead } from './pulled.js';

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

describe('a stream pulled ahead', () => {
  /** Polls 1, 2, 3; the test says when a value is finished. */
  function threeValues(finish: (value: number) => Promise<void>) {
    const events: string[] = [];
    let polls = 0;
    const done = lastValueFrom(
      pulledAhead(
        () => Promise.resolve(events.push(`poll ${++polls}`) && polls),
        (polled) => polled.pipe(map((value) => (events.push(`work ${value}`), value))),
        (worked) =>
          worked.pipe(
            concatMap(async (value) => {
              events.push(`finish ${value}`);
              await finish(value);
              events.push(`finished ${value}`);
            }),
          ),
        () => polls >= 3,
      ),
      { defaultValue: undefined },
    );
    return { events, done };
  }
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  it('works on the next value while one finishes, and on no further one', async () => {
    const finished = new Map<number, () => void>();
    const { events, done } = threeValues((value) => new Promise((resolve) => finished.set(value, resolve)));
    await turns();
    expect(events).toEqual(['poll 1', 'work 1', 'finish 1', 'poll 2', 'work 2']);
    finished.get(1)!();
    await turns();
    expect(events.slice(5)).toEqual(['finished 1', 'finish 2', 'poll 3', 'work 3']);
    finished.get(2)!();
    await turns();
    expect(events.slice(9)).toEqual(['finished 2', 'finish 3']);
    finished.get(3)!();
    await done;
    expect(events.slice(11)).toEqual(['finished 3']);
  });

  it('ends with the error of what was finishing, and finishes nothing after it', async () => {
    const { events, done } = threeValues((value) =>
      value === 1 ? Promise.reject(new Error('not acknowledged')) : Promise.resolve(),
    );
    await expect(done).rejects.toThrow('not acknowledged');
    expect(events).toEqual(['poll 1', 'work 1', 'finish 1', 'poll 2', 'work 2']);
  });

  it('ends with the error of the last value too', async () => {
    const { done } = threeValues((value) =>
      value === 3 ? Promise.reject(new Error('not acknowledged')) : Promise.resolve(),
    );
    await expect(done).rejects.toThrow('not acknowledged');
  });
});
