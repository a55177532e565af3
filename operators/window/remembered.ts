import { HOUR_MS } from '../../schema/clock.js';
import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import type { AssetFacts } from './asset-facts.js';
import { INPUTS } from './framebuffer.js';
import { C, H, LAYOUTS, METADATA, type GpuRecord } from './gpu-record.js';
import type { NvlinkBaselines } from './nvlink.js';
import type { PaneSet } from './pane-layout.js';
import { PackedReader, PackedWriter } from './packed.js';

/**
 * What is known of GPUs beyond their window, kept for those that fell silent and lost it: the last values of counters,
 * the XID latch, when they were first heard and in how many hours, the framebuffer's size. Not what a gap of a week
 * makes unknown anyway. In the order in which they fell silent, so the oldest are found first.
 */
export const REMEMBERED_HOURS = 400 * 24;

const KEPT = [
  C.firstMs,
  C.hoursCounted,
  C.xid,
  C.hardwareXidMs,
  C.eccSbeAgg,
  C.eccDbeAgg,
  C.remapCorrectable,
  C.remapUncorrectable,
  C.fbReserved,
  C.fbTotal,
  C.fbTotalFirstMs,
  C.fbTotalGiven,
] as const;
/** Only of a GPU of which no reading was ever accepted: the hour of the others' last reading is closed to inputs too. */
const INPUT_TIMES = INPUTS.map((series) => C.lastMs + series);
const KEPT_HOT = [H.eccSbeVol, H.eccDbeVol, H.pcieReplay] as const;

/** Bytes that a string or a map's entry takes beside its characters, in V8. */
const STRING_BYTES = 16;
const ENTRY_BYTES = 40;

export class Remembered {
  private readonly gpus = new Map<string, string>();
  private readonly writer = new PackedWriter();
  /** Memory of strings and map, as V8 lays them out; about. */
  bytes = 0;

  private readonly keptHot: readonly number[];

  constructor(
    private readonly facts: AssetFacts,
    private readonly nvlink: NvlinkBaselines,
    set: PaneSet,
  ) {
    this.keptHot = KEPT_HOT.filter((index) => index < LAYOUTS[set].hot);
  }

  get size(): number {
    return this.gpus.size;
  }

  /** @param hour of the partition's time in which the GPU was last heard */
  keep(gpuUuid: string, hour: number, slot: number, { hot, h, cold, c }: GpuRecord): void {
    const { writer } = this;
    writer.number(hour);
    writer.number(hot[h + H.newestMs]);
    for (const index of KEPT) writer.number(cold[c + index]);
    const isHeard = hot[h + H.newestMs] > -Infinity;
    for (const index of INPUT_TIMES) writer.number(isHeard ? -Infinity : cold[c + index]);
    for (const index of this.keptHot) writer.number(hot[h + index]);
    this.facts.pack(cold, c + METADATA, writer);
    this.nvlink.pack(slot, writer);
    const packed = writer.take();
    this.gpus.set(gpuUuid, packed);
    this.bytes += bytesOf(gpuUuid, packed);
  }

  /** Puts a GPU's state back into a fresh record, and forgets it here. @returns whether there was any */
  recall(gpuUuid: string, slot: number, { hot, h, cold, c }: GpuRecord): boolean {
    const packed = this.gpus.get(gpuUuid);
    if (packed === undefined) return false;
    const reader = new PackedReader(packed);
    reader.number();
    const newestMs = reader.number();
    hot[h + H.newestMs] = newestMs;
    // The hour it was last heard in is closed.
    if (newestMs > -Infinity) hot[h + H.openHour] = Math.floor(newestMs / HOUR_MS) + 1;
    for (const index of KEPT) cold[c + index] = reader.number();
    for (const index of INPUT_TIMES) cold[c + index] = reader.number();
    for (const index of this.keptHot) hot[h + index] = reader.number();
    this.facts.unpack(cold, c + METADATA, newestMs, reader);
    this.nvlink.unpack(slot, reader);
    this.delete(gpuUuid, packed);
    return true;
  }

  /** Forgets those that were silent for longer than is remembered. @param hour of the partition's time */
  expire(hour: number): void {
    for (const [gpuUuid, packed] of this.gpus) {
      const reader = new PackedReader(packed);
      // An hour more, for partitions whose GPUs are not in step to the minute.
      if (hour - reader.number() <= REMEMBERED_HOURS + 1) return;
      for (let skipped = 1; skipped < this.numbers; skipped++) reader.number();
      this.facts.discard(reader);
      this.delete(gpuUuid, packed);
    }
  }

  /** UUIDs of those remembered, in the order in which they fell silent. */
  uuids(): IterableIterator<string> {
    return this.gpus.keys();
  }

  encode(gpuUuid: string, writer: ByteWriter): void {
    const reader = new PackedReader(this.gpus.get(gpuUuid)!);
    writer.text(gpuUuid);
    for (let index = 0; index < this.numbers; index++) writer.float64(reader.number());
    this.facts.encodePacked(reader, writer);
    writer.text(reader.rest());
  }

  /** Takes what {@link encode} wrote, as that which fell silent last. */
  decode(reader: ByteReader): void {
    const { writer } = this;
    const gpuUuid = reader.text();
    for (let index = 0; index < this.numbers; index++) writer.number(reader.float64());
    this.facts.decodePacked(reader, writer);
    writer.packed(reader.text());
    const packed = writer.take();
    this.gpus.set(gpuUuid, packed);
    this.bytes += bytesOf(gpuUuid, packed);
  }

  /** Numbers before the metadata. */
  private get numbers(): number {
    return 2 + KEPT.length + INPUT_TIMES.length + this.keptHot.length;
  }

  private delete(gpuUuid: string, packed: string): void {
    this.gpus.delete(gpuUuid);
    this.bytes -= bytesOf(gpuUuid, packed);
  }
}

const bytesOf = (gpuUuid: string, packed: string): number =>
  2 * STRING_BYTES + ENTRY_BYTES + gpuUuid.length + packed.length;
