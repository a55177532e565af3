import { instantiate } from '../../schema/wasm/module.js';
import type { Skeleton } from './json-skeleton.js';
import { Fixed, FormAt, Found, GpuAt, MOST_READINGS, MOST_TEXTS, Slot, SlotAt } from './wasm/layout.js';

/** Bytes of messages that lie in the matcher's memory at a time: few enough to stay in a core's cache. */
const WINDOW_BYTES = 256 * 1024;
/** At first; four times as much each time that it is full. Pages that nobody has written to take no memory. */
const INITIAL_BYTES = 1024 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;
/** What is compared eight bytes at a time is read so far beyond its end. */
const PADDING = 8;

interface Exports {
  match(form: number, start: number, end: number, expected: number): number;
  sameTexts(form: number, gpu: number): number;
}

/** The range in which a reading is plain; NaN where none is. */
export interface Plain {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
}

/** There is no room left: what was put in is gone, and there is more room for it now. */
export class MatcherFull extends Error {}

const MODULE = 'operators/decode/wasm/json-match.wasm';

/**
 * Reads messages that have a known form, by WebAssembly (wasm/json-match.ts). Forms, GPUs and texts are known by their
 * addresses in its memory; where it is full a larger one takes its place.
 */
export class JsonMatcher {
  private size = INITIAL_BYTES;
  private exports!: Exports;
  private bytes!: Buffer;
  /** Of what was matched last, by address / 4. */
  private words!: Int32Array;
  /** By address / 8. */
  private numbers!: Float64Array;
  /** Forms grow up to it... */
  private formsEnd = 0;
  /** ...and GPUs and texts down to it. */
  private known = 0;
  private readonly window = align(Fixed.Free);
  private readonly formsStart = this.window + WINDOW_BYTES + PADDING;
  /** What lies in the window. */
  private viewed: Buffer | undefined;
  private from = 0;
  private until = 0;
  /** Address of a byte of what is viewed, less its place there. */
  private shift = 0;

  constructor() {
    this.open();
  }

  /** Reading at a place of the message that was matched last: NaN for null. */
  readings(places: number): Float64Array {
    return new Float64Array(this.numbers.buffer, Found.Readings, places);
  }

  /** Time of that message, where it is a number. */
  timeNumber(): number {
    return this.numbers[Found.TimeNumber / 8];
  }

  /** Where something of that message stands in its bytes. */
  place(what: Found): number {
    return this.words[what / 4] - this.shift;
  }

  /** Where a text of metadata begins, or ends, for the next number. */
  textPlace(number: number): number {
    return this.words[Found.Texts / 4 + number] - this.shift;
  }

  /**
   * Makes a message ready to be matched.
   * @param bytes hold what they held the last time, as long as it is the same object
   * @returns whether there is room for it
   */
  view(bytes: Buffer, start: number, end: number): boolean {
    if (bytes === this.viewed && start >= this.from && end <= this.until) return true;
    if (end - start > WINDOW_BYTES) return false;
    this.viewed = bytes;
    this.from = start;
    this.until = Math.min(bytes.length, start + WINDOW_BYTES);
    this.shift = this.window - start;
    bytes.copy(this.bytes, this.window, start, this.until);
    return true;
  }

  /**
   * Matches a message that {@link view} made ready.
   * @param form address
   * @param expected address of the GPU that is likely to come, 0 for none
   * @returns bits of Says; 0 if it has another form
   */
  match(form: number, start: number, end: number, expected: number): number {
    return this.exports.match(form, start + this.shift, end + this.shift, expected);
  }

  /** Whether the message that was matched last says what was said of a GPU last. */
  sameTexts(form: number, gpu: number): boolean {
    return this.exports.sameTexts(form, gpu) !== 0;
  }

  /**
   * @param placeOf place of a reading by its index
   * @param plainOf range of a reading by its index
   * @returns address; 0 where it has more of something than there is room for
   * @throws MatcherFull
   */
  addForm({ slots, end }: Skeleton, placeOf: (index: number) => number, plainOf: (index: number) => Plain): number {
    const texts = slots.filter(({ kind }) => kind === Slot.Metadata).length;
    const readings = slots.filter(({ kind }) => kind === Slot.Reading).length;
    if (texts > MOST_TEXTS || readings > MOST_READINGS) return 0;
    const all = [...slots, { literal: end, kind: Slot.OtherText, index: 0 }];
    const form = this.formRoom(FormAt.FirstSlot + all.length * SlotAt.Size);
    const { bytes } = this;
    bytes.writeUInt32LE(slots.length, form + FormAt.Slots);
    bytes.writeUInt32LE(texts, form + FormAt.Texts);
    for (const [number, { literal, kind, index }] of all.entries()) {
      const slot = form + FormAt.FirstSlot + number * SlotAt.Size;
      const at = this.formRoom(literal.length);
      literal.copy(bytes, at);
      bytes.writeUInt32LE(at, slot + SlotAt.Literal);
      bytes.writeUInt32LE(literal.length, slot + SlotAt.LiteralLength);
      bytes.writeUInt32LE(kind, slot + SlotAt.Kind);
      if (kind !== Slot.Reading) continue;
      const { min, max, whole } = plainOf(index);
      bytes.writeUInt32LE(placeOf(index), slot + SlotAt.Place);
      bytes.writeUInt32LE(whole ? 1 : 0, slot + SlotAt.Whole);
      bytes.writeDoubleLE(min, slot + SlotAt.Min);
      bytes.writeDoubleLE(max, slot + SlotAt.Max);
    }
    return form;
  }

  /** @returns address of a GPU of which nothing is known but its UUID @throws MatcherFull */
  addGpu(text: Buffer, start: number, end: number): number {
    const gpu = this.knownRoom(GpuAt.Uuid + end - start);
    this.bytes.writeUInt32LE(end - start, gpu + GpuAt.UuidLength);
    this.bytes.writeUInt32LE(0, gpu + GpuAt.Form);
    text.copy(this.bytes, gpu + GpuAt.Uuid, start, end);
    return gpu;
  }

  /** @param texts each followed by a separator @returns their address @throws MatcherFull */
  addTexts(texts: Uint8Array): number {
    const at = this.knownRoom(texts.length);
    this.bytes.set(texts, at);
    return at;
  }

  /** Keeps what is said of a GPU in messages of a form. */
  say(gpu: number, form: number, texts: number): void {
    this.words[(gpu + GpuAt.Form) / 4] = form;
    this.words[(gpu + GpuAt.Texts) / 4] = texts;
  }

  /** Forgets GPUs and texts. */
  forget(): void {
    this.known = this.size;
  }

  /** Forgets forms too. */
  clear(): void {
    this.forget();
    this.formsEnd = this.formsStart;
  }

  private formRoom(length: number): number {
    const at = this.formsEnd;
    const end = at + align(length + PADDING);
    if (end > this.known) this.enlarge();
    this.formsEnd = end;
    return at;
  }

  private knownRoom(length: number): number {
    const at = this.known - align(length + PADDING);
    if (at < this.formsEnd) this.enlarge();
    this.known = at;
    return at;
  }

  private enlarge(): never {
    this.size = Math.min(MAX_BYTES, 4 * this.size);
    this.open();
    throw new MatcherFull();
  }

  private open(): void {
    const { exports, memory } = instantiate<Exports>(MODULE, this.size);
    this.exports = exports;
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
    this.numbers = new Float64Array(memory);
    for (let exponent = 0; exponent < 16; exponent++) this.numbers[Fixed.PowersOfTen / 8 + exponent] = 10 ** exponent;
    // The padding behind it stays zero: what reads on and on ends there.
    this.formsEnd = this.formsStart;
    this.known = this.size;
    this.viewed = undefined;
  }
}

const align = (bytes: number): number => Math.ceil(bytes / 8) * 8;
