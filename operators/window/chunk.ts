import { EXTRA_WIDTH, clearVector, paneWidth } from './aggregate.js';
import { METADATA_WIDTH } from './asset-facts.js';
import { BASELINE_WIDTH } from './baseline.js';
import { CARRIED_WIDTH, UNHEARD } from './carried.js';
import { RECENT } from './event-times.js';
import { DAY_WIDTH, type PaneSet } from './pane-layout.js';
import { Ring, WINDOW_HOURS } from './ring.js';

/**
 * State of a fixed number of GPUs in typed arrays. A store grows by whole chunks, so growing copies nothing. What
 * dies with the window (ring, open pane, aggregates) lies apart from what outlives it (carried, metadata).
 */
export class Chunk {
  /** Closed panes. */
  readonly ring: Ring;
  /** The open pane: one float64 a pane field. */
  readonly pane: Float64Array;
  /** Aggregate of the 167 closed hours before the open one, with extras. */
  readonly closed: Float64Array;
  /** Aggregate of the 23 closed hours before the open one; empty without v2. */
  readonly day: Float64Array;
  readonly baseline: Float64Array;
  /** Last event times of the open hour. */
  readonly recent: Uint32Array;
  readonly carried: Float64Array;
  readonly metadata: Float64Array;
  readonly paneWidth: number;
  readonly closedWidth: number;
  readonly bytes: number;

  constructor(
    slots: number,
    private readonly set: PaneSet,
  ) {
    this.paneWidth = paneWidth(set);
    this.closedWidth = this.paneWidth + EXTRA_WIDTH;
    this.ring = new Ring(slots, set);
    this.pane = new Float64Array(slots * this.paneWidth);
    this.closed = new Float64Array(slots * this.closedWidth);
    this.day = new Float64Array(set === 'v2' ? slots * DAY_WIDTH : 0);
    this.baseline = new Float64Array(slots * BASELINE_WIDTH);
    this.recent = new Uint32Array(slots * RECENT);
    this.carried = new Float64Array(slots * CARRIED_WIDTH);
    this.metadata = new Float64Array(slots * METADATA_WIDTH);
    this.bytes =
      this.ring.bytes +
      [this.pane, this.closed, this.day, this.baseline, this.recent, this.carried, this.metadata].reduce(
        (sum, array) => sum + array.byteLength,
        0,
      );
  }

  /** Makes a slot that of a GPU never heard. @param local slot within the chunk */
  init(local: number): void {
    // A window of hours, whichever: every position once.
    this.ring.clear(local, 0, WINDOW_HOURS);
    this.clearPane(local);
    clearVector(this.set, this.closed, local * this.closedWidth);
    this.baseline.fill(NaN, local * BASELINE_WIDTH, (local + 1) * BASELINE_WIDTH);
    this.carried.set(UNHEARD, local * CARRIED_WIDTH);
  }

  /** Empties the open pane. */
  clearPane(local: number): void {
    clearVector(this.set, this.pane, local * this.paneWidth);
  }
}
