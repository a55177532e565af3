import { describe, expect, it } from 'vitest';
import { OwnedPartitions } from './owned-partitions.js';
import type { PartitionState } from './partition-state.js';
import type { StateKeeper } from './state-keeper.js';

const ONE = { topic: 'gpu.samples', partition: 0 };
const OTHER = { topic: 'gpu.samples', partition: 1 };
const owned = (): OwnedPartitions =>
  new OwnedPartitions(
    () => ({}) as PartitionState,
    () => false,
  );

describe('the partitions of an instance of score', () => {
  it('are not ready before there are any, nor while states are brought back, of which they tell the share', async () => {
    const partitions = owned();
    expect(partitions.readiness()).toEqual({ ready: false, detail: 'waiting for partitions' });
    const keeper = { share: 0.429, restore: () => Promise.resolve(new Map()) };
    partitions.keepBy(keeper as unknown as StateKeeper);
    expect(partitions.readiness()).toEqual({ ready: false, detail: 'restoring windows: 42 %' });
    keeper.share = NaN;
    await partitions.assign([ONE], []);
    expect(partitions.readiness()).toEqual({ ready: true, detail: '1 partitions' });
  });

  it('are not ready before the source was read again up to what is committed of each', async () => {
    const partitions = owned();
    await partitions.assign(
      [ONE, OTHER],
      [
        { ...ONE, offset: 300 },
        { ...OTHER, offset: 100 },
      ],
    );
    partitions.of(ONE)!.next = 100;
    expect(partitions.readiness()).toEqual({ ready: false, detail: 'restoring windows: 25 %' });
    partitions.of(ONE)!.next = 300;
    expect(partitions.readiness()).toEqual({ ready: false, detail: 'restoring windows: 75 %' });
    partitions.of(OTHER)!.next = 99;
    expect(partitions.readiness()).toEqual({ ready: false, detail: 'restoring windows: 99 %' });
    partitions.of(OTHER)!.next = 100;
    expect(partitions.readiness()).toEqual({ ready: true, detail: '2 partitions' });
  });
});
