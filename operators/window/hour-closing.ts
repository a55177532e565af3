import { HOUR_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { foldDay, foldWindow, paneWidth } from './aggregate.js';
import type { SlotState } from './at-hand.js';
import { computeBaseline } from './baseline.js';
import type { EventTimes } from './event-times.js';
import type { FinalHours } from './final-hours.js';
import { C, CLOSED, H, PAIR, type GpuRecord } from './gpu-record.js';
import { clearOpenPane, openPane } from './open-pane.js';
import { P, type PaneSet } from './pane-layout.js';
import { paneAggregates } from './pane-record.js';
import type { WindowOptions } from './window.js';

/** What the end of an hour does to a GPU: its open pane goes into the ring, and what is kept of closed ones is folded anew. */
export class HourClosing {
  private readonly v2: boolean;
  /** The open pane that closes, as a vector. */
  private readonly pane: Float64Array;

  /** @param hours of a window */
  constructor(
    private readonly set: PaneSet,
    private readonly hours: number,
    private readonly final: FinalHours,
    private readonly eventTimes: EventTimes,
    private readonly onPaneClosed: WindowOptions['onPaneClosed'],
  ) {
    this.v2 = set === 'v2';
    this.pane = new Float64Array(paneWidth(set));
  }

  /** Closes the open pane of a settled GPU, if there is one, and opens a later hour. */
  open(at: SlotState, hour: number): void {
    const { set, pane, final } = this;
    const { slot, local, gpu } = at;
    const { ring } = at.chunk;
    const { hot, h, cold, c } = gpu;
    const before = hot[h + H.openHour];
    const recorded = final.size > 0 ? final.last(slot) : -Infinity;
    if (hot[h + H.samples] > 0) {
      this.rememberJudged(gpu);
      openPane(gpu, this.v2, pane);
      this.onPaneClosed?.({
        slot,
        hourStartMs: before * HOUR_MS,
        samples: pane[P.samples],
        aggregates: paneAggregates(set, pane, gpu, before * HOUR_MS),
      });
      if (!final.has(slot, before)) {
        if (before > recorded - this.hours) ring.write(local, before, pane);
        cold[c + C.hoursCounted]++;
      }
      ring.clear(local, Math.max(before, recorded) + 1, hour);
    } else if (before > -Infinity) ring.clear(local, Math.max(before, recorded + 1), hour);
    hot[h + H.openHour] = hour;
    this.eventTimes.closed(slot);
    clearOpenPane(gpu, this.v2);
    this.fold(at, hour);
  }

  /** What an open hour needs of the closed panes before it: aggregates and limits. */
  fold({ slot, local, chunk, gpu }: SlotState, hour: number): void {
    const { set, hours, final } = this;
    const { ring, layout } = chunk;
    const { hot, h, cold, c } = gpu;
    // Recorded panes of later hours lie where those of the oldest ones were.
    const oldest = (final.size > 0 ? Math.max(hour, final.last(slot)) : hour) - hours + 1;
    foldWindow(set, ring, local, oldest, hour, hour, cold, c + CLOSED);
    if (this.v2) foldDay(ring, local, Math.max(oldest, hour - 23), hour, cold, c + layout.day);
    computeBaseline(set, cold, c + CLOSED, hot, h);
  }

  /** Whether readings of the hour were judged is the same for all of them, so it is noted once. */
  private rememberJudged({ hot, h, cold, c }: GpuRecord): void {
    const note = (limit: number, series: number, judged: number): void => {
      if (hot[h + limit] === hot[h + limit] && cold[c + C.count + series] > 0)
        cold[c + judged] = cold[c + C.lastMs + series];
    };
    note(H.tempLimit, S.gpuTemp, C.tempJudgedMs);
    note(H.powerLimit, S.powerUsage, C.powerJudgedMs);
    if (this.v2) note(H.residualLimit, PAIR, C.residualJudgedMs);
  }
}
