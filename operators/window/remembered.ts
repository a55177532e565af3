import { HOUR_MS } from '../../schema/clock.js';
import type { AssetFacts } from './asset-facts.js';
import { C } from './carried.js';
import { METADATA } from './gpu-record.js';
import type { NvlinkBaselines } from './nvlink.js';
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
  C.eccSbeVol,
  C.eccSbeAgg,
  C.eccDbeVol,
  C.eccDbeAgg,
  C.remapCorrectable,
  C.remapUncorrectable,
  C.pcieReplay,
  C.fbReserved,
  C.fbTotal,
  C.fbTotalFirstMs,
  C.fbTotalGiven,
] as const;

/** Bytes that a string or a map's entry takes beside its characters, in V8. */
const STRING_BYTES = 16;
const ENTRY_BYTES = 40;

export class Remembered {
  private readonly gpus = new Map<string, string>();
  private readonly writer = new PackedWriter();
  /** Memory of strings and map, as V8 lays them out; about. */
  bytes = 0;

  constructor(
    private readonly facts: AssetFacts,
    private readonly nvlink: NvlinkBaselines,
  ) {}

  get size(): number {
    return this.gpus.size;
  }

  /** @param hour of the partition's time in which the GPU was last heard */
  keep(gpuUuid: string, hour: number, slot: number, state: Float64Array, at: number): void {
    const { writer } = this;
    writer.number(hour);
    writer.number(state[at + C.newestMs]);
    for (const index of KEPT) writer.number(state[at + index]);
    this.facts.pack(state, at + METADATA, writer);
    this.nvlink.pack(slot, writer);
    const packed = writer.take();
    this.gpus.set(gpuUuid, packed);
    this.bytes += bytesOf(gpuUuid, packed);
  }

  /** Puts a GPU's state back into a fresh record, and forgets it here. @returns whether there was any */
  recall(gpuUuid: string, slot: number, state: Float64Array, at: number): boolean {
    const packed = this.gpus.get(gpuUuid);
    if (packed === undefined) return false;
    const reader = new PackedReader(packed);
    reader.number();
    const newestMs = reader.number();
    state[at + C.newestMs] = newestMs;
    // The hour it was last heard in is closed.
    if (newestMs > -Infinity) state[at + C.openHour] = Math.floor(newestMs / HOUR_MS) + 1;
    for (const index of KEPT) state[at + index] = reader.number();
    this.facts.unpack(state, at + METADATA, newestMs, reader);
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
      for (let skipped = 0; skipped <= KEPT.length; skipped++) reader.number();
      this.facts.discard(reader);
      this.delete(gpuUuid, packed);
    }
  }

  private delete(gpuUuid: string, packed: string): void {
    this.gpus.delete(gpuUuid);
    this.bytes -= bytesOf(gpuUuid, packed);
  }
}

const bytesOf = (gpuUuid: string, packed: string): number =>
  2 * STRING_BYTES + ENTRY_BYTES + gpuUuid.length + packed.length;
