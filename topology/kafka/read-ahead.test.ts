import { describe, expect, it, vi } from 'vitest';
import type { RecordBlock } from './log.js';
import { ReadAhead, type Fetched } from './read-ahead.js';

const AHEAD_BYTES = 100;

/** A partition's share of a fetch: blocks of such sizes. */
function fetched(partition: number, ...sizes: number[]): Fetched {
  const topic = 'raw';
  return { topic, partition, messages: sizes.map((bytes) => ({ topic, partition, bytes }) as RecordBlock) };
}

function reading(heartbeatMs = 0) {
  const taken: Fetched[] = [];
  const ahead = new ReadAhead<Fetched>(AHEAD_BYTES, (one) => taken.push(one), heartbeatMs);
  return { ahead, taken };
}

/** Puts a batch on offer; says whether its handler may go on. */
function offered(ahead: ReadAhead<Fetched>, batch: Fetched, stale: () => boolean = () => false) {
  const heartbeat = vi.fn(() => Promise.resolve());
  const outcome: { kept: boolean | 'waits' } = { kept: 'waits' };
  const ended = ahead.offer(batch, { heartbeat, stale }).then((kept) => void (outcome.kept = kept));
  return { heartbeat, outcome, ended };
}

/** Whatever needs no more than a turn of the event loop is done. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const sizes = (blocks: readonly RecordBlock[]): number[] => blocks.map(({ bytes }) => bytes);

describe('reading ahead', () => {
  it('lets the client go on behind a batch once little is to be taken before it', async () => {
    const { ahead } = reading();
    const [first, second, third] = [
      offered(ahead, fetched(0, 101)),
      offered(ahead, fetched(1, 5)),
      offered(ahead, fetched(2, 5)),
    ];
    await turn();
    expect([first, second, third].map(({ outcome }) => outcome.kept)).toEqual([true, 'waits', 'waits']);
    expect(sizes(ahead.take(1))).toEqual([101]);
    await turn();
    expect([second, third].map(({ outcome }) => outcome.kept)).toEqual([true, true]);
    ahead.withdraw();
  });

  it('lets the client go on behind every batch that was taken whole, near or not', async () => {
    const { ahead } = reading();
    const all = [0, 1, 2, 3].map((partition) => offered(ahead, fetched(partition, 101)));
    await turn();
    expect(all.map(({ outcome }) => outcome.kept)).toEqual([true, 'waits', 'waits', 'waits']);
    expect(sizes(ahead.take(1_000))).toEqual([101, 101, 101, 101]);
    await Promise.all(all.map(({ ended }) => ended));
    expect(all.map(({ outcome }) => outcome.kept)).toEqual([true, true, true, true]);
  });

  it('hands blocks out in the order of their offers, about as many bytes as are asked for, and none twice', () => {
    const { ahead, taken } = reading();
    const batches = [fetched(0, 10, 20), fetched(1, 30, 40)];
    for (const batch of batches) void offered(ahead, batch);
    expect(sizes(ahead.take(15))).toEqual([10, 20]);
    expect(taken).toEqual([batches[0]]);
    expect(sizes(ahead.take(1))).toEqual([30]);
    expect(taken).toEqual([batches[0]]);
    expect(sizes(ahead.take(1_000))).toEqual([40]);
    expect(taken).toEqual(batches);
    expect(ahead.take(1_000)).toEqual([]);
  });

  it('is through at once with a batch that has no records', async () => {
    const { ahead, taken } = reading();
    void offered(ahead, fetched(0, 101));
    const empty = offered(ahead, fetched(1));
    expect(sizes(ahead.take(200))).toEqual([101]);
    await empty.ended;
    expect(taken).toHaveLength(2);
  });

  it('keeps telling the group that it lives while its turn is far', async () => {
    const { ahead } = reading();
    void offered(ahead, fetched(0, 101));
    const { heartbeat, outcome, ended } = offered(ahead, fetched(1, 5));
    await vi.waitUntil(() => heartbeat.mock.calls.length > 2);
    expect(outcome.kept).toBe('waits');
    ahead.take(1_000);
    await ended;
    const told = heartbeat.mock.calls.length;
    await turn();
    expect(heartbeat.mock.calls).toHaveLength(told);
  });
});

describe('batches that are taken back', () => {
  it('are to be fetched again, with what is left of them', async () => {
    const { ahead, taken } = reading();
    const [first, second, third] = [
      offered(ahead, fetched(0, 101, 7)),
      offered(ahead, fetched(1, 5)),
      offered(ahead, fetched(0, 6)),
    ];
    ahead.take(1);
    ahead.withdraw(({ partition }) => partition === 0);
    await Promise.all([first.ended, third.ended]);
    expect(third.outcome.kept).toBe(false);
    expect(sizes(ahead.take(1_000))).toEqual([5]);
    await second.ended;
    expect(second.outcome.kept).toBe(true);
    expect(taken.map(({ partition }) => partition)).toEqual([1]);
  });

  it('are so when their partitions have changed hands meanwhile', async () => {
    const { ahead } = reading();
    void offered(ahead, fetched(0, 101));
    let isStale = false;
    const second = offered(ahead, fetched(1, 5), () => isStale);
    isStale = true;
    await second.ended;
    expect(second.outcome.kept).toBe(false);
    expect(sizes(ahead.take(1_000))).toEqual([101]);
  });
});

describe('a reader who finds nothing', () => {
  it('waits for the next offer, and no longer than it wants to', async () => {
    const { ahead } = reading();
    await ahead.more(0);
    expect(ahead.take(1)).toEqual([]);
    const more = ahead.more(60_000);
    void offered(ahead, fetched(0, 5));
    await more;
    expect(sizes(ahead.take(1))).toEqual([5]);
  });
});
