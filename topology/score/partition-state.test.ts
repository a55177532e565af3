import { expect, it } from 'vitest';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { S } from '../../schema/metrics.js';
import { PartitionState, type FoldSink } from './partition-state.js';

const START = Date.UTC(2026, 0, 5);
const ignored: FoldSink = { pane: () => undefined, features: () => undefined, late: () => undefined };

const newState = () =>
  new PartitionState(
    (listeners) => new WindowStore({ gapMs: 300_000, featureSet: 'v2', asset: () => undefined, ...listeners }),
    { scoreEveryMs: 10_000, featuresEveryMs: 900_000, heartbeatMs: 3_600_000, healthEveryMs: 900_000 },
    new Emission(0.1),
    () => undefined,
  );

/** A reading of a GPU at each of some event times. */
function readings(gpuUuid: string, atMs: readonly number[], models: readonly string[] = []): SampleBatch {
  const builder = new BatchBuilder();
  for (const [index, ms] of atMs.entries()) {
    builder.begin(gpuUuid, ms);
    builder.set(S.gpuTemp, 60);
    if (index < models.length) builder.describe({ model: models[index] });
    builder.end();
  }
  return builder.build();
}

it('keeps with each row what the GPU was at its time', () => {
  const state = newState();
  const models = ['NVIDIA A100-SXM4-80GB', 'NVIDIA H100 PCIe'];
  state.fold(readings('GPU-a', [START, START + 60_000], models), ignored, {
    muted: false,
    defer: false,
    restMs: 0,
    nowMs: START,
  });
  expect(state.rows.count).toBe(2);
  expect(state.rows.metadata.slice(0, 2)).toEqual(models.map((model) => ({ model })));
});

it('lets a GPU rest after its turn where time is short, and answers with the newest reading then', () => {
  const state = newState();
  const short = { muted: false, defer: false, restMs: 5_000 };
  // A minute of event time goes by within a second of wall-clock time.
  const minute = Array.from({ length: 6 }, (_, index) => START + index * 10_000);
  expect(state.fold(readings('GPU-a', minute), ignored, { ...short, nowMs: START })).toBe(4);
  expect([...state.rows.asOfMs.subarray(0, state.rows.count)]).toEqual([START]);
  expect(state.waiting).toBe(1);
  state.settle();

  state.serveWaiting(Infinity, 10_000, START + 1_000);
  expect([...state.rows.asOfMs.subarray(0, state.rows.count)]).toEqual([START + 50_000]);
  expect(state.waiting).toBe(0);
  state.settle();

  // Rested: whoever is due is answered at once.
  state.fold(readings('GPU-a', [START + 60_000]), ignored, { ...short, nowMs: START + 6_000 });
  expect([...state.rows.asOfMs.subarray(0, state.rows.count)]).toEqual([START + 60_000]);
});

it('does not let the GPU rest that gets the slot of one that is gone', () => {
  const state = newState();
  const short = { muted: false, defer: false, restMs: 5_000, nowMs: START };
  state.fold(readings('GPU-a', [START]), ignored, short);
  state.settle();
  // A window is freed 168 hours after its last reading; another GPU's readings show that they are over.
  state.fold(readings('GPU-b', [START + 169 * 3_600_000]), ignored, short);
  state.settle();
  state.fold(readings('GPU-c', [START + 169 * 3_600_000]), ignored, short);
  expect(state.rows.count).toBe(1);
});
