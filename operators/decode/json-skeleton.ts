import { BACKSLASH, MINUS, QUOTE, Slot, SMALL_N, ZERO } from './wasm/layout.js';

/**
 * What stays the same from one message of a producer to the next: the bytes between the values. A message that fits is
 * read in one pass, without a parser's objects and strings. What fits is valid JSON with just the members of the message
 * that the skeleton was learned from, for only its scalars may differ, and of those only what needs no thought: plain
 * numbers, printable ASCII without escapes, null for a reading.
 */
export interface Skeleton {
  readonly slots: readonly SkeletonSlot[];
  /** What stands behind the last of them. */
  readonly end: Buffer;
}

/** A value, and what stands before it. */
export interface SkeletonSlot {
  readonly literal: Buffer;
  readonly kind: Slot;
  /** Of a reading: its index. */
  readonly index: number;
}

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

/**
 * @param message valid JSON
 * @returns null where the message has a form that is not worth it: arrays of what matters, keys twice or with escapes,
 * readings that are no numbers, no GPU or time
 */
export function learnSkeleton(message: Buffer, roleOf: RoleOf): Skeleton | null {
  return new Learner(message, roleOf).learn();
}

/** Takes one message apart. */
class Learner {
  /** Of the literal at hand. */
  private literal: number[] = [];
  private readonly slots: SkeletonSlot[] = [];
  private readonly paths = new Set<string>();
  private at = 0;
  private fits = true;

  constructor(
    private readonly message: Buffer,
    private readonly roleOf: RoleOf,
  ) {}

  learn(): Skeleton | null {
    this.blanks();
    if (this.message[this.at] !== 0x7b) return null;
    this.value('');
    this.blanks();
    if (!this.fits || this.at !== this.message.length) return null;
    const has = (...kinds: Slot[]) => this.slots.filter(({ kind }) => kinds.includes(kind)).length === 1;
    if (!has(Slot.Gpu) || !has(Slot.TimeText, Slot.TimeNumber)) return null;
    return { slots: this.slots, end: Buffer.from(this.literal) };
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
    this.slots.push({ literal: Buffer.from(this.literal), kind, index });
    this.literal = [];
  }
}
