/**
 * What stays the same from one message of a producer to the next, learned from one of them: the bytes between the
 * values. A message that fits is read in one pass, without a parser's objects and strings. What fits is valid JSON
 * with just the members of the message it was learned from, for only its scalars may differ, and of those only what
 * needs no thought: plain numbers, printable ASCII without escapes, null for a reading.
 */

/** What a value in a message is to its decoder. */
export type Role =
  /** The GPU's UUID; a string. */
  | { readonly kind: 'gpu' }
  /** The event time; a string or a number. */
  | { readonly kind: 'time' }
  /** Says something about the GPU, and seldom changes; counts if it is a string. */
  | { readonly kind: 'metadata' }
  /** A reading by its index; a number, or null for none. */
  | { readonly kind: 'reading'; readonly index: number };

/** Role of the value at a path, undefined if it has none. Keys of a path are joined by {@link PATH}. */
export type RoleOf = (path: string) => Role | undefined;

/** A character that cannot stand in a JSON string. */
export const PATH = '\n';

/** What a slot between two literals takes. */
const enum Slot {
  Gpu,
  TimeText,
  TimeNumber,
  Metadata,
  Reading,
  OtherText,
  OtherNumber,
}

/** Digits that a double holds for sure, whatever they are. */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const SMALL_N = 0x6e;

export class JsonSkeleton {
  /** By reading: its value in the message that was matched last, NaN where it was null or is not in the skeleton. */
  readonly readings: Float64Array;
  /** Readings that the skeleton has, ascending. */
  readonly present: readonly number[];
  readonly timeIsText: boolean;
  // Of the message that was matched last. Between the GPU's bounds may stand anything: they are to be checked.
  gpuStart = 0;
  gpuEnd = 0;
  timeStart = 0;
  timeEnd = 0;
  timeNumber = NaN;
  /** Starts and ends of the metadata's texts. */
  readonly metadata: Uint32Array;

  /** The literals before each slot and after the last, four bytes at a time as far as that goes... */
  private readonly words: Int32Array;
  /** ...and what is left of each. */
  private readonly rests: Uint8Array;
  /** By literal: its length. */
  private readonly lengths: Uint32Array;
  private readonly kinds: Uint8Array;
  private readonly indices: Uint8Array;

  private constructor(pieces: Pieces, readings: number) {
    const ends = [...pieces.slots.map(({ at }) => at), pieces.literal.length];
    const literals = ends.map((end, i) => Buffer.from(pieces.literal.slice(i === 0 ? 0 : ends[i - 1], end)));
    this.lengths = Uint32Array.from(literals, ({ length }) => length);
    this.words = Int32Array.from(
      literals.flatMap((one) => Array.from({ length: one.length >> 2 }, (_, word) => one.readInt32LE(4 * word))),
    );
    this.rests = Uint8Array.from(literals.flatMap((one) => [...one.subarray(one.length & ~3)]));
    this.kinds = Uint8Array.from(pieces.slots.map(({ kind }) => kind));
    this.indices = Uint8Array.from(pieces.slots.map(({ index }) => index));
    this.readings = new Float64Array(readings).fill(NaN);
    const of = (kind: Slot) => pieces.slots.filter((slot) => slot.kind === kind);
    this.present = of(Slot.Reading)
      .map(({ index }) => index)
      .sort((a, b) => a - b);
    this.metadata = new Uint32Array(2 * of(Slot.Metadata).length);
    this.timeIsText = of(Slot.TimeText).length > 0;
  }

  /**
   * @param message valid JSON
   * @param readings number of reading indices
   * @returns null where the message has a form that is not worth it: arrays of what matters, keys twice or with
   * escapes, readings that are no numbers, no GPU or time
   */
  static learn(message: Buffer, roleOf: RoleOf, readings: number): JsonSkeleton | null {
    const pieces = new Learner(message, roleOf).learn();
    return pieces === null ? null : new JsonSkeleton(pieces, readings);
  }

  /**
   * Reads a message if it fits; then the fields of this object hold what it says.
   * @param view of the same memory as `bytes`
   */
  match(bytes: Uint8Array, view: DataView, start: number, end: number): boolean {
    const { words, rests, lengths, kinds, indices, readings, metadata } = this;
    const slots = kinds.length;
    let at = start;
    let word = 0;
    let rest = 0;
    let texts = 0;
    for (let slot = 0; ; slot++) {
      const literalEnd = at + lengths[slot];
      if (literalEnd > end) return false;
      for (; at + 4 <= literalEnd; at += 4) if (view.getInt32(at, true) !== words[word++]) return false;
      while (at < literalEnd) if (bytes[at++] !== rests[rest++]) return false;
      if (slot === slots) return at === end;
      const kind = kinds[slot] as Slot;
      if (kind === Slot.Reading || kind === Slot.OtherNumber || kind === Slot.TimeNumber) {
        const first = at;
        let byte = bytes[at];
        if (byte === SMALL_N && kind === Slot.Reading) {
          if (bytes[at + 1] !== 0x75 || bytes[at + 2] !== 0x6c || bytes[at + 3] !== 0x6c) return false;
          at += 4;
          readings[indices[slot]] = NaN;
          continue;
        }
        if (byte === MINUS) byte = bytes[++at];
        const digitsStart = at;
        let value = byte - ZERO;
        if (!(value >= 0 && value <= 9)) return false;
        at++;
        // JSON has no leading zeros.
        if (value !== 0)
          for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO)
            value = value * 10 + digit;
        let digits = at - digitsStart;
        if (bytes[at] === POINT) {
          const point = at++;
          for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO)
            value = value * 10 + digit;
          const decimals = at - point - 1;
          if (decimals === 0) return false;
          digits += decimals;
          // Both are exact, so that the one rounding of the division is that of the decimal number itself.
          if (digits <= EXACT_DIGITS) value /= POWERS_OF_TEN[decimals];
        }
        if (kind === Slot.OtherNumber) continue;
        if (digits > EXACT_DIGITS) return false;
        if (bytes[first] === MINUS) value = -value;
        if (kind === Slot.Reading) readings[indices[slot]] = value;
        else this.timeNumber = value;
      } else {
        const first = at;
        if (kind === Slot.Gpu) {
          // Whoever asks for the GPU looks at each of its bytes, and finds none but a UUID's: most often it is as long
          // as the last one, and need not be looked at here.
          at += this.gpuEnd - this.gpuStart;
          if (bytes[at] !== QUOTE) for (at = first; bytes[at] !== QUOTE; at++) if (at >= end) return false;
          this.gpuStart = first;
          this.gpuEnd = at;
          continue;
        }
        for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[++at])
          if (!(byte >= 0x20 && byte < 0x80) || byte === BACKSLASH) return false;
        if (kind === Slot.TimeText) {
          this.timeStart = first;
          this.timeEnd = at;
        } else if (kind === Slot.Metadata) {
          metadata[texts++] = first;
          metadata[texts++] = at;
        }
      }
    }
  }
}

interface Pieces {
  readonly literal: readonly number[];
  readonly slots: readonly { readonly at: number; readonly kind: Slot; readonly index: number }[];
}

/** Takes one message apart. */
class Learner {
  private readonly literal: number[] = [];
  private readonly slots: { at: number; kind: Slot; index: number }[] = [];
  private readonly paths = new Set<string>();
  private at = 0;
  private fits = true;

  constructor(
    private readonly message: Buffer,
    private readonly roleOf: RoleOf,
  ) {}

  learn(): Pieces | null {
    this.blanks();
    if (this.message[this.at] !== 0x7b) return null;
    this.value('');
    this.blanks();
    if (!this.fits || this.at !== this.message.length) return null;
    const has = (...kinds: Slot[]) => this.slots.filter(({ kind }) => kinds.includes(kind)).length === 1;
    if (!has(Slot.Gpu) || !has(Slot.TimeText, Slot.TimeNumber)) return null;
    return { literal: this.literal, slots: this.slots };
  }

  private value(path: string): void {
    const { message } = this;
    const role = this.roleOf(path);
    const byte = message[this.at];
    if (byte === QUOTE) {
      this.keep(1);
      const kind =
        role === undefined || role.kind === 'reading'
          ? Slot.OtherText
          : { gpu: Slot.Gpu, time: Slot.TimeText, metadata: Slot.Metadata }[role.kind];
      // A reading as a string needs more thought than there is here.
      if (role?.kind === 'reading') this.fits = false;
      this.slot(kind);
      while (this.at < message.length && message[this.at] !== QUOTE) this.at += message[this.at] === BACKSLASH ? 2 : 1;
      this.keep(1);
    } else if (byte === MINUS || (byte >= ZERO && byte <= 0x39)) {
      if (role?.kind === 'reading') this.slot(Slot.Reading, role.index);
      else this.slot(role?.kind === 'time' ? Slot.TimeNumber : Slot.OtherNumber);
      while (this.at < message.length && /[-+.0-9eE]/.test(String.fromCharCode(message[this.at]))) this.at++;
    } else if (byte === 0x7b) {
      if (role !== undefined && role.kind !== 'metadata') this.fits = false;
      this.object(path);
    } else if (byte === SMALL_N && role?.kind === 'reading') {
      this.slot(Slot.Reading, role.index);
      this.at += 4;
    } else if (byte === 0x5b) {
      if (role !== undefined && role.kind !== 'metadata') this.fits = false;
      this.array();
    } else {
      const word = ['true', 'false', 'null'].find(
        (one) => message.toString('latin1', this.at, this.at + one.length) === one,
      );
      // What is none of them is the NaN that parseJson allows.
      if (word === undefined || (role !== undefined && role.kind !== 'metadata')) this.fits = false;
      else this.keep(word.length);
    }
  }

  private object(path: string): void {
    const { message } = this;
    this.keep(1);
    this.blanks();
    while (this.fits && this.at < message.length && message[this.at] !== 0x7d) {
      const start = this.at + 1;
      let end = start;
      while (end < message.length && message[end] !== QUOTE && message[end] !== BACKSLASH) end++;
      if (message[end] !== QUOTE) this.fits = false;
      const key = message.toString('utf8', start, end);
      const member = path === '' ? key : `${path}${PATH}${key}`;
      // Of a key twice the last counts: not worth it.
      if (this.paths.has(member) || key === '') this.fits = false;
      this.paths.add(member);
      this.keep(end + 1 - this.at);
      this.blanks();
      this.keep(1);
      this.blanks();
      this.value(member);
      this.blanks();
      if (message[this.at] === 0x2c) this.keep(1);
      this.blanks();
    }
    this.keep(1);
  }

  /** Has to be the same in the next message, whole. */
  private array(): void {
    const { message } = this;
    let depth = 0;
    let quoted = false;
    do {
      const byte = message[this.at];
      if (byte === QUOTE) quoted = !quoted;
      else if (quoted && byte === BACKSLASH) this.keep(1);
      else if (!quoted && byte === 0x5b) depth++;
      else if (!quoted && byte === 0x5d) depth--;
      this.keep(1);
    } while (depth > 0 && this.at < message.length);
  }

  private blanks(): void {
    while ([0x20, 0x09, 0x0a, 0x0d].includes(this.message[this.at])) this.keep(1);
  }

  private keep(bytes: number): void {
    for (let i = 0; i < bytes; i++) this.literal.push(this.message[this.at++]);
  }

  private slot(kind: Slot, index = 0): void {
    this.slots.push({ at: this.literal.length, kind, index });
  }
}
