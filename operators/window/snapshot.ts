import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { paneWidth } from './aggregate.js';
import type { AssetFacts } from './asset-facts.js';
import type { SlotState } from './at-hand.js';
import type { EventTimes } from './event-times.js';
import type { FinalHours } from './final-hours.js';
import { H, METADATA } from './gpu-record.js';
import type { NvlinkBaselines } from './nvlink.js';
import { PANE_FIELDS, type PaneSet } from './pane-layout.js';
import type { Remembered } from './remembered.js';

/** What a store's state is made of. */
export interface WindowParts {
  readonly set: PaneSet;
  readonly hours: number;
  readonly nvlink: NvlinkBaselines;
  readonly facts: AssetFacts;
  readonly eventTimes: EventTimes;
  readonly remembered: Remembered;
  readonly slots: ReadonlyMap<string, number>;
  readonly final: FinalHours;
  /** Newest hour of any GPU, and the one in which silent GPUs were last looked for. */
  time(): readonly [hour: number, searchedHour: number];
  setTime(hour: number, searchedHour: number): void;
  /** Makes a slot of a GPU that has none and of which nothing is known. */
  add(gpuUuid: string): SlotState;
  at(slot: number): SlotState;
  /** Makes an hour the open one of a GPU that has nothing in it yet, after the closed panes that are in its ring. */
  reopen(slot: number, hour: number): void;
}

/** A pane as gpu.panes has it. */
export type PaneFields = Readonly<Record<string, number | null>>;

/**
 * Writes the state of windows down and puts it back, bit for bit: what follows is what would have followed. A GPU's
 * state is in two parts, its *record* (everything but closed panes, some 2 KB) and its *ring* of closed panes (some
 * 24 KB), which changes by a pane an hour and can be brought up to date from gpu.panes.
 *
 * What numbers mean only within one process is left out or replaced: slots, numbers of texts. A record is therefore
 * the same bytes wherever the GPU's readings were folded, and is what the digest of the state is made of.
 */
export class WindowSnapshot {
  private readonly pane: Float64Array;
  private readonly parts: WindowParts;

  constructor(store: { readonly parts: WindowParts }) {
    this.parts = store.parts;
    this.pane = new Float64Array(paneWidth(this.parts.set));
  }

  /** Hour of the GPU's open pane, −Infinity before its first reading. */
  openHour(slot: number): number {
    const { gpu } = this.parts.at(slot);
    return gpu.hot[gpu.h + H.openHour];
  }

  encodeRecord(slot: number, writer: ByteWriter): void {
    const { chunk, local, gpu } = this.parts.at(slot);
    const { hot, h, cold, c } = gpu;
    const { facts, nvlink, eventTimes } = this.parts;
    writer.float64(chunk.heardHour[local]);
    writer.float64s(hot, h, h + chunk.hotWidth);
    writer.float64s(cold, c, c + METADATA);
    writer.float64s(cold, c + METADATA + TEXT_FIELDS, c + chunk.coldWidth);
    facts.encodeTexts(cold, c + METADATA, writer);
    nvlink.encode(slot, writer);
    eventTimes.encode(slot, writer);
  }

  /** Makes a GPU's slot from what {@link encodeRecord} wrote; its ring is empty. */
  decodeRecord(gpuUuid: string, reader: ByteReader): number {
    const { slot, chunk, local, gpu } = this.parts.add(gpuUuid);
    const { hot, h, cold, c } = gpu;
    const { facts, nvlink, eventTimes } = this.parts;
    chunk.heardHour[local] = reader.float64();
    reader.float64s(hot, h, chunk.hotWidth);
    reader.float64s(cold, c, METADATA);
    reader.float64s(cold, c + METADATA + TEXT_FIELDS, chunk.coldWidth - METADATA - TEXT_FIELDS);
    facts.decodeTexts(cold, c + METADATA, reader);
    nvlink.decode(slot, reader);
    eventTimes.decode(slot, reader);
    return slot;
  }

  encodeRing(slot: number, writer: ByteWriter): void {
    const { chunk, local } = this.parts.at(slot);
    chunk.ring.encode(local, writer);
  }

  /**
   * Puts back what {@link encodeRing} wrote when the GPU's open hour was `asOfHour`; the panes closed since are to
   * follow by {@link putPane}.
   */
  decodeRing(slot: number, asOfHour: number, reader: ByteReader): void {
    const { chunk, local, gpu } = this.parts.at(slot);
    chunk.ring.decode(local, reader);
    const openHour = gpu.hot[gpu.h + H.openHour];
    if (asOfHour < openHour) chunk.ring.clear(local, asOfHour, openHour);
  }

  /** Puts back a closed pane as gpu.panes has it, unless it is of an hour that the window has left or has open. */
  putPane(slot: number, hour: number, samples: number, fields: PaneFields): void {
    const { chunk, local, gpu } = this.parts.at(slot);
    const openHour = gpu.hot[gpu.h + H.openHour];
    if (hour >= openHour || hour <= openHour - this.parts.hours) return;
    chunk.ring.write(local, hour, vectorOf(samples, fields, this.pane));
  }

  /** Writes all that a GPU's features follow from, the same bytes whatever its slot and however it came there. */
  encodeCanonical(slot: number, writer: ByteWriter): void {
    this.encodeRecord(slot, writer);
    const { chunk, local, gpu } = this.parts.at(slot);
    const openHour = gpu.hot[gpu.h + H.openHour];
    if (openHour > -Infinity) chunk.ring.encodeHours(local, openHour - this.parts.hours + 1, openHour, writer);
  }

  /** GPUs that lost their window and are remembered, in the order in which they fell silent. */
  remembered(): string[] {
    return [...this.parts.remembered.uuids()];
  }

  encodeRemembered(gpuUuid: string, writer: ByteWriter): void {
    this.parts.remembered.encode(gpuUuid, writer);
  }

  /** Takes what {@link encodeRemembered} wrote, as that which fell silent last. */
  decodeRemembered(reader: ByteReader): void {
    this.parts.remembered.decode(reader);
  }

  /** Slots of the GPUs that have a window, by UUID. */
  get slots(): ReadonlyMap<string, number> {
    return this.parts.slots;
  }

  encodeTime(writer: ByteWriter): void {
    for (const hour of this.parts.time()) writer.float64(hour);
  }

  decodeTime(reader: ByteReader): void {
    this.parts.setTime(reader.float64(), reader.float64());
  }
}

/** Fills a vector (pane-layout.ts), of its set's width, with a pane as gpu.panes has it. @returns the vector */
export function vectorOf(samples: number, fields: PaneFields, vector: Float64Array): Float64Array {
  vector[0] = samples;
  for (let index = 1; index < vector.length; index++) {
    const { name, empty } = PANE_FIELDS[index];
    vector[index] = fields[name] ?? empty;
  }
  return vector;
}

/** Metadata fields that are numbers of texts, the first ones: model and host. */
const TEXT_FIELDS = 2;
