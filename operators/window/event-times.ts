import { HOUR_MS } from '../../schema/clock.js';
import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { C, H, OPEN, type GpuRecord } from './gpu-record.js';
import { O } from './pane-layout.js';

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
   * @param gpu settled
   * @param words its hot record's array as 32-bit numbers
   */
  take(slot: number, ms: number, gpu: GpuRecord, words: Uint32Array): void {
    const { hot, h, cold, c } = gpu;
    const newest = hot[h + H.newestMs];
    if (ms === newest) return;
    const ofHour = ms - hot[h + H.openHour] * HOUR_MS;
    const seen = hot[h + H.samples];
    const recentAt = 2 * (h + H.recent);
    if (ms > newest) {
      hot[h + H.newestMs] = ms;
      if (newest === -Infinity) cold[c + C.firstMs] = ms;
      else if (ms - newest > this.gapMs) this.add(slot, newest, ms, gpu);
    } else {
      for (let back = Math.min(seen, RECENT) - 1; back >= 0; back--) if (words[recentAt + back] === ofHour) return;
      const first = cold[c + C.firstMs];
      if (ms < first) {
        cold[c + C.firstMs] = ms;
        if (first - ms > this.gapMs) this.add(slot, ms, first, gpu);
      } else this.split(slot, ms, gpu);
    }
    words[recentAt + (seen % RECENT)] = ofHour;
    hot[h + H.samples] = seen + 1;
  }

  /** Forgets the gaps of an hour that closed. */
  closed(slot: number): void {
    if (this.gaps.size > 0) this.gaps.delete(slot);
  }

  encode(slot: number, writer: ByteWriter): void {
    const gaps = this.gaps.get(slot) ?? [];
    writer.whole32(gaps.length);
    for (const ms of gaps) writer.float64(ms);
  }

  /** Takes what {@link encode} wrote. */
  decode(slot: number, reader: ByteReader): void {
    const length = reader.whole32();
    if (length > 0)
      this.gaps.set(
        slot,
        Array.from({ length }, () => reader.float64()),
      );
  }

  private add(slot: number, from: number, until: number, { cold, c }: GpuRecord): void {
    const gaps = this.gaps.get(slot);
    if (gaps === undefined) this.gaps.set(slot, [from, until]);
    else gaps.push(from, until);
    cold[c + OPEN + O.gaps]++;
    if (until - from > cold[c + OPEN + O.longestGapMs]) cold[c + OPEN + O.longestGapMs] = until - from;
  }

  private split(slot: number, ms: number, gpu: GpuRecord): void {
    const gaps = this.gaps.get(slot);
    if (gaps === undefined) return;
    const at = gaps.findIndex((from, index) => index % 2 === 0 && from < ms && ms < gaps[index + 1]);
    if (at < 0) return;
    const rest = gaps.slice();
    const [from, until] = rest.splice(at, 2);
    this.gaps.delete(slot);
    gpu.cold[gpu.c + OPEN + O.gaps] = 0;
    gpu.cold[gpu.c + OPEN + O.longestGapMs] = -Infinity;
    if (ms - from > this.gapMs) rest.push(from, ms);
    if (until - ms > this.gapMs) rest.push(ms, until);
    for (let index = 0; index < rest.length; index += 2) this.add(slot, rest[index], rest[index + 1], gpu);
  }
}
