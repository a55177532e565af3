import { describe, expect, it } from 'vitest';
import { DUE_ABSENCE } from '../../operators/due.js';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder } from '../../schema/batch.js';
import { S } from '../../schema/metrics.js';
import { AbsenceNotices } from './absence-notices.js';
import type { Owned } from './owned.js';
import { PartitionState, type FoldSink } from './partition-state.js';

const START = Date.UTC(2026, 0, 5);
const ignored: FoldSink = { pane: () => undefined, features: () => undefined, late: () => undefined };

/** A partition of one GPU, read once. */
function partitionOf(gpuUuid: string): Owned {
  const state = new PartitionState(
    (listeners) => new WindowStore({ gapMs: 300_000, featureSet: 'v2', asset: () => undefined, ...listeners }),
    { scoreEveryMs: 10_000, featuresEveryMs: 900_000, heartbeatMs: 3_600_000, healthEveryMs: 900_000 },
    new Emission(0.1),
    () => undefined,
  );
  read(state, gpuUuid, START);
  return { partition: { topic: 'gpu.samples', partition: 0 }, state, mutedUntil: 5, start: 0, next: 5, kept: null };
}
function read(state: PartitionState, gpuUuid: string, timeMs: number): void {
  const builder = new BatchBuilder();
  builder.begin(gpuUuid, timeMs);
  builder.set(S.gpuTemp, 60);
  builder.end();
  state.fold(builder.build(), ignored, { muted: false, defer: false, restMs: 0, nowMs: timeMs });
  state.settle();
}
const notice = (gpu_uuid: string) => ({ gpu_uuid, newest_reading_at: START, as_of: START + 30_000 });
const absent = ({ state: { rows } }: Owned): number[] =>
  Array.from(rows.due.subarray(0, rows.count)).filter((due) => due === DUE_ABSENCE);

describe('a notice of an absent GPU', () => {
  it('gives one row as of the time that it names', () => {
    const [notices, owned] = [new AbsenceNotices(), partitionOf('GPU-a')];
    notices.take(notice('GPU-a'));
    notices.take(notice('GPU-elsewhere'));
    notices.place([owned], false);
    expect(absent(owned)).toHaveLength(1);
    expect([owned.state.rows.asOfMs[0], owned.state.rows.newestMs[0]]).toEqual([START + 30_000, START]);
    owned.state.settle();
    notices.place([owned], false);
    expect(absent(owned)).toEqual([]);
  });

  it('waits while its partition is being restored, or is still to come', () => {
    const [notices, here, restored] = [new AbsenceNotices(), partitionOf('GPU-a'), partitionOf('GPU-b')];
    notices.take(notice('GPU-b'));
    notices.place([], false);
    notices.place([here], true);
    restored.next = 3;
    notices.place([here, restored], false);
    expect(absent(restored)).toEqual([]);
    restored.next = 5;
    notices.place([here, restored], false);
    expect(absent(restored)).toHaveLength(1);
  });

  it('is void where the GPU was heard meanwhile, and where nobody here owns it', () => {
    const [notices, owned] = [new AbsenceNotices(), partitionOf('GPU-a')];
    notices.take(notice('GPU-a'));
    notices.take(notice('GPU-late'));
    read(owned.state, 'GPU-a', START + 10_000);
    notices.place([owned], false);
    expect(absent(owned)).toEqual([]);
    read(owned.state, 'GPU-late', START);
    notices.place([owned], false);
    expect(absent(owned)).toEqual([]);
  });
});
