import { expect, it } from 'vitest';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder } from '../../schema/batch.js';
import { S } from '../../schema/metrics.js';
import { PartitionState, type FoldSink } from './partition-state.js';

const START = Date.UTC(2026, 0, 5);
const ignored: FoldSink = { pane: () => undefined, features: () => undefined, late: () => undefined };

it('keeps with each row what the GPU was at its time', () => {
  const state = new PartitionState(
    (listeners) => new WindowStore({ gapMs: 300_000, featureSet: 'v2', asset: () => undefined, ...listeners }),
    { scoreEveryMs: 10_000, featuresEveryMs: 900_000, heartbeatMs: 3_600_000, healthEveryMs: 900_000 },
    new Emission(0.1),
    () => undefined,
  );
  const builder = new BatchBuilder();
  for (const [index, model] of ['NVIDIA A100-SXM4-80GB', 'NVIDIA H100 PCIe'].entries()) {
    builder.begin('GPU-a', START + index * 60_000);
    builder.set(S.gpuTemp, 60);
    builder.describe({ model });
    builder.end();
  }
  state.fold(builder.build(), ignored, { muted: false, defer: false, nowMs: START });
  expect(state.rows.count).toBe(2);
  expect(state.rows.metadata.slice(0, 2)).toEqual([{ model: 'NVIDIA A100-SXM4-80GB' }, { model: 'NVIDIA H100 PCIe' }]);
});
