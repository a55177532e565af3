import { EXTRA_WIDTH, paneWidth } from './aggregate.js';
import { METADATA_WIDTH } from './asset-facts.js';
import { BASELINE_WIDTH } from './baseline.js';
import { CARRIED_WIDTH } from './carried.js';
import { DAY_WIDTH, type PaneSet } from './pane-layout.js';

/**
 * Everything of a GPU but its closed panes, as one run of float64s: what a reading touches lies together. First, at
 * offset 0, what the window remembers beyond its panes (carried.ts), then the parts below.
 */

/** What the open hour's readings are judged against (baseline.ts). */
export const BASELINE = CARRIED_WIDTH;
/** What samples said of the GPU (asset-facts.ts). */
export const METADATA = BASELINE + BASELINE_WIDTH;
/** The open pane: one float64 a pane field (pane-layout.ts). */
export const PANE = METADATA + METADATA_WIDTH;

export interface RecordLayout {
  /** Aggregate of the 167 closed hours before the open one, with extras. */
  readonly closed: number;
  /** Aggregate of the 23 closed hours before the open one; feature set v2 only. */
  readonly day: number;
  /** Float64s of a record. */
  readonly width: number;
}

const layoutOf = (set: PaneSet): RecordLayout => {
  const closed = PANE + paneWidth(set);
  const day = closed + paneWidth(set) + EXTRA_WIDTH;
  return { closed, day, width: day + (set === 'v2' ? DAY_WIDTH : 0) };
};

export const LAYOUTS: Readonly<Record<PaneSet, RecordLayout>> = { v1: layoutOf('v1'), v2: layoutOf('v2') };
