/**
 * Where things lie in the memory that json-match.ts works on, in bytes. Read by its compiler and by TypeScript's alike,
 * so nothing stands here that only one of them knows.
 */

/** What a slot between two literals takes. */
export enum Slot {
  Gpu = 0,
  TimeText = 1,
  Metadata = 2,
  OtherText = 3,
  /** The kinds from here on are numbers. */
  Reading = 4,
  TimeNumber = 5,
  OtherNumber = 6,
}

/** What the message that was matched last says. Starts and ends are addresses. */
export enum Found {
  GpuStart = 16,
  GpuEnd = 20,
  TimeStart = 24,
  TimeEnd = 28,
  /** float64 */
  TimeNumber = 32,
  /** Start and end of each text of metadata. */
  Texts = 64,
  /** float64 by place, NaN where the message has null. */
  Readings = 192,
}

/** Most texts of metadata, and most readings, for which there is room. */
export const MOST_TEXTS = 16;
export const MOST_READINGS = 256;

/** Addresses of what is written once, and of the first byte that is free. */
export enum Fixed {
  /** float64: 10 to the power of 0…15. */
  PowersOfTen = 2240,
  Free = 2368,
}

/** A form of messages: its head, a slot of each kind of value, and one more with the literal that ends it. */
export enum FormAt {
  Slots = 0,
  Texts = 4,
  FirstSlot = 8,
}

export enum SlotAt {
  /** Address and length of the literal before the value. Literals are padded with eight bytes. */
  Literal = 0,
  LiteralLength = 4,
  Kind = 8,
  /** Of a reading: its place, and whether only whole numbers are plain. */
  Place = 12,
  Whole = 16,
  /** float64: the range in which a reading is plain. */
  Min = 24,
  Max = 32,
  Size = 40,
}

/** A GPU: its UUID, and what was said of it last, in which form. */
export enum GpuAt {
  UuidLength = 0,
  Form = 4,
  Texts = 8,
  /** Padded with eight bytes. */
  Uuid = 16,
}

/** What is known of a message, as bits. */
export enum Says {
  Fits = 1,
  /** It is of the GPU that was expected... */
  Expected = 2,
  /** ...and says of it what was said last. */
  SameTexts = 4,
  /** Each reading is a number in its plain range. */
  Plain = 8,
}

export const QUOTE = 0x22;
export const MINUS = 0x2d;
export const POINT = 0x2e;
export const ZERO = 0x30;
export const BACKSLASH = 0x5c;
export const SMALL_N = 0x6e;
/** No byte of a text of metadata: stands behind each. */
export const SEPARATOR = 0xff;
