import { BatchBuilder, type SampleBatch, type SampleMetadata } from '../schema/batch.js';
import { F, FEATURE_COUNT } from '../schema/features.js';
import { seriesId } from '../schema/metrics.js';
import type { AssetRecord } from '../schema/records.js';
import type { ClosedPane } from '../operators/window/window.js';
import { WindowStore, type WindowStoreOptions } from '../operators/window/window-store.js';

/** A Monday, on the hour. */
export const T0 = Date.UTC(2026, 0, 5);

/** A window store with one GPU, for tests that feed it sample by sample. */
export class OneGpu {
  readonly panes: ClosedPane[] = [];
  readonly rejects: [string, string | null][] = [];
  readonly store: WindowStore;
  readonly slot: number;

  constructor(options: Partial<WindowStoreOptions> & { record?: Partial<AssetRecord> } = {}) {
    const { record, ...rest } = options;
    const asset = record === undefined ? undefined : { gpu_uuid: 'GPU-1', ...record };
    this.store = new WindowStore({
      gapMs: 300_000,
      asset: () => asset,
      onPaneClosed: (pane) => this.panes.push(pane),
      chunkSlots: 1,
      ...rest,
    });
    this.slot = this.store.slotOf('GPU-1');
  }

  at(ms: number, readings: Record<string, number>, metadata?: SampleMetadata): number {
    return this.store.accept(batchOf(ms, readings, metadata), 0, this.slot, (reason, _gpu, metric) =>
      this.rejects.push([reason, metric]),
    );
  }

  /** Features at a time, the newest reading's unless said. */
  features(asOfMs = this.store.newestMs(this.slot)): Record<string, number> {
    const row = new Float64Array(FEATURE_COUNT);
    this.store.features(this.slot, asOfMs, row, 0);
    return Object.fromEntries(Object.entries(F).map(([name, index]) => [name, row[index]]));
  }
}

function batchOf(ms: number, readings: Record<string, number>, metadata?: SampleMetadata): SampleBatch {
  const builder = new BatchBuilder(1);
  builder.begin('GPU-1', ms);
  for (const [name, value] of Object.entries(readings)) builder.set(seriesId(name), value);
  if (metadata !== undefined) builder.describe(metadata);
  builder.end();
  return builder.build();
}
