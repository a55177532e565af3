import { clearVector } from './aggregate.js';
import { METADATA_WIDTH } from './asset-facts.js';
import { UNHEARD } from './carried.js';
import { RECENT } from './event-times.js';
import { BASELINE, LAYOUTS, METADATA, PANE, type RecordLayout } from './gpu-record.js';
import type { PaneSet } from './pane-layout.js';
import { Ring, WINDOW_HOURS } from './ring.js';

/** State of a fixed number of GPUs in typed arrays. A store grows by whole chunks, so growing copies nothing. */
export class Chunk {
  /** Closed panes. */
  readonly ring: Ring;
  /** A record a GPU (gpu-record.ts). */
  readonly state: Float64Array;
  /** Last event times of the open hour. */
  readonly recent: Uint32Array;
  /** Hour of the store's time in which a GPU last opened an hour, or got its slot. */
  readonly heardHour: Int32Array;
  readonly layout: RecordLayout;
  readonly bytes: number;

  constructor(
    slots: number,
    private readonly set: PaneSet,
  ) {
    this.layout = LAYOUTS[set];
    this.ring = new Ring(slots, set);
    this.state = new Float64Array(slots * this.layout.width);
    this.recent = new Uint32Array(slots * RECENT);
    this.heardHour = new Int32Array(slots);
    this.bytes = this.ring.bytes + this.state.byteLength + this.recent.byteLength + this.heardHour.byteLength;
  }

  /** Makes a slot that of a GPU never heard. @param local slot within the chunk */
  init(local: number): void {
    const { state, layout } = this;
    const at = local * layout.width;
    // A window of hours, whichever: every position once.
    this.ring.clear(local, 0, WINDOW_HOURS);
    state.fill(0, at, at + layout.width);
    state.set(UNHEARD, at);
    state.fill(NaN, at + BASELINE, at + METADATA);
    state.fill(NaN, at + METADATA, at + METADATA + METADATA_WIDTH / 2);
    state.fill(-Infinity, at + METADATA + METADATA_WIDTH / 2, at + PANE);
    this.clearPane(at);
    clearVector(this.set, state, at + layout.closed);
  }

  /** Empties the open pane. @param at offset of the GPU's record */
  clearPane(at: number): void {
    clearVector(this.set, this.state, at + PANE);
  }
}
