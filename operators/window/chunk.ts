import { clearVector } from './aggregate.js';
import { METADATA_WIDTH } from './asset-facts.js';
import {
  CLOSED,
  LAYOUTS,
  METADATA,
  UNHEARD_COLD,
  UNHEARD_HOT,
  type GpuRecord,
  type RecordLayout,
} from './gpu-record.js';
import { clearOpenPane } from './open-pane.js';
import type { PaneSet } from './pane-layout.js';
import { Ring } from './ring.js';

/** State of a fixed number of GPUs in typed arrays. A store grows by whole chunks, so growing copies nothing. */
export class Chunk {
  /** Closed panes. */
  readonly ring: Ring;
  /** Records a GPU (gpu-record.ts); the hot ones also as 32-bit numbers. */
  readonly hot: Float64Array;
  readonly hotWords: Uint32Array;
  readonly cold: Float64Array;
  /** Hour of the store's time in which a GPU last opened an hour, or got its slot. */
  readonly heardHour: Int32Array;
  readonly hotWidth: number;
  readonly coldWidth: number;
  readonly layout: RecordLayout;

  constructor(
    slots: number,
    private readonly set: PaneSet,
    windowHours: number,
  ) {
    this.layout = LAYOUTS[set];
    this.hotWidth = this.layout.hot;
    this.coldWidth = this.layout.cold;
    this.ring = new Ring(slots, set, windowHours);
    this.hot = new Float64Array(slots * this.layout.hot);
    this.hotWords = new Uint32Array(this.hot.buffer);
    this.cold = new Float64Array(slots * this.layout.cold);
    this.heardHour = new Int32Array(slots);
  }

  /** Memory taken so far. */
  get bytes(): number {
    return this.ring.bytes + this.hot.byteLength + this.cold.byteLength + this.heardHour.byteLength;
  }

  /** Makes a slot that of a GPU never heard. @param local slot within the chunk */
  init(local: number): void {
    const { hot, cold, layout } = this;
    const h = local * layout.hot;
    const c = local * layout.cold;
    this.ring.clearAll(local);
    hot.set(UNHEARD_HOT.subarray(0, layout.hot), h);
    cold.fill(0, c, c + layout.cold);
    cold.set(UNHEARD_COLD, c);
    cold.fill(NaN, c + METADATA, c + METADATA + METADATA_WIDTH);
    const gpu: GpuRecord = { hot, h, cold, c };
    clearOpenPane(gpu, this.set === 'v2');
    clearVector(this.set, cold, c + CLOSED);
  }
}
