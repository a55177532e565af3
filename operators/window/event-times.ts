import { HOUR_MS } from '../../schema/clock.js';
import { C } from './carried.js';
import { P } from './pane-layout.js';

/**
 * The event times of a GPU within its open hour: how many there are, and the gaps between them once sorted. Metrics
 * are in order each by itself, so a reading may bear a time before the GPU's newest. Then the gap that it falls into
 * must be split, and it must not be counted twice.
 *
 * Gaps are exact. An event time counts once if it repeats one of the last {@link RECENT} of the hour.
 */
export const RECENT = 16;

export class EventTimes {
  /** Gaps that end in the open hour, by slot: start, end, start, end … */
  private readonly gaps = new Map<number, number[]>();

  constructor(private readonly gapMs: number) {}

  /**
   * Takes the event time of an accepted reading.
   * @param recent ring of the hour's last event times, ms of the hour
   */
  take(
    slot: number,
    ms: number,
    pane: Float64Array,
    paneAt: number,
    carried: Float64Array,
    carriedAt: number,
    recent: Uint32Array,
    recentAt: number,
  ): void {
    const newest = carried[carriedAt + C.newestMs];
    if (ms === newest) return;
    const ofHour = ms - carried[carriedAt + C.openHour] * HOUR_MS;
    const seen = pane[paneAt + P.samples];
    if (ms > newest) {
      carried[carriedAt + C.newestMs] = ms;
      if (newest === -Infinity) carried[carriedAt + C.firstMs] = ms;
      else if (ms - newest > this.gapMs) this.add(slot, newest, ms, pane, paneAt);
    } else {
      for (let back = Math.min(seen, RECENT) - 1; back >= 0; back--) if (recent[recentAt + back] === ofHour) return;
      const first = carried[carriedAt + C.firstMs];
      if (ms < first) {
        carried[carriedAt + C.firstMs] = ms;
        if (first - ms > this.gapMs) this.add(slot, ms, first, pane, paneAt);
      } else this.split(slot, ms, pane, paneAt);
    }
    recent[recentAt + (seen % RECENT)] = ofHour;
    pane[paneAt + P.samples] = seen + 1;
  }

  /** Forgets the gaps of an hour that closed. */
  closed(slot: number): void {
    if (this.gaps.size > 0) this.gaps.delete(slot);
  }

  private add(slot: number, from: number, until: number, pane: Float64Array, paneAt: number): void {
    const gaps = this.gaps.get(slot);
    if (gaps === undefined) this.gaps.set(slot, [from, until]);
    else gaps.push(from, until);
    pane[paneAt + P.gaps]++;
    if (until - from > pane[paneAt + P.longestGapMs]) pane[paneAt + P.longestGapMs] = until - from;
  }

  private split(slot: number, ms: number, pane: Float64Array, paneAt: number): void {
    const gaps = this.gaps.get(slot);
    if (gaps === undefined) return;
    const at = gaps.findIndex((from, index) => index % 2 === 0 && from < ms && ms < gaps[index + 1]);
    if (at < 0) return;
    const rest = gaps.slice();
    const [from, until] = rest.splice(at, 2);
    this.gaps.delete(slot);
    pane[paneAt + P.gaps] = 0;
    pane[paneAt + P.longestGapMs] = -Infinity;
    if (ms - from > this.gapMs) rest.push(from, ms);
    if (until - ms > this.gapMs) rest.push(ms, until);
    for (let index = 0; index < rest.length; index += 2) this.add(slot, rest[index], rest[index + 1], pane, paneAt);
  }
}
