// AssemblyScript, compiled to json-match.wasm by `npm run build:wasm`: the inner loop of reading flat and wide JSON.
// JavaScript compares four bytes at a time and checks each index; here it is eight without a check, in a third of the
// time. It allocates nothing: all addresses are given by json-matcher.ts, which also says what they mean (layout.ts).
import {
  BACKSLASH,
  Fixed,
  FormAt,
  Found,
  GpuAt,
  MINUS,
  POINT,
  QUOTE,
  Says,
  SEPARATOR,
  Slot,
  SlotAt,
  SMALL_N,
  ZERO,
} from './layout';

/** Digits that a double holds for sure, whatever they are. */
const EXACT_DIGITS: u32 = 15;
/** "null", little-endian. */
const NULL: u32 = 0x6c6c756e;

/** Whether `length` bytes at two addresses are the same. Up to seven bytes beyond them are read and not looked at. */
function same(a: usize, b: usize, length: u32): bool {
  const words = a + (length & ~7);
  for (; a < words; a += 8, b += 8) if (load<u64>(a) != load<u64>(b)) return false;
  const rest = length & 7;
  if (rest == 0) return true;
  return ((load<u64>(a) ^ load<u64>(b)) & (((<u64>1) << (rest << 3)) - 1)) == 0;
}

/** Whether what was matched last says the same of a GPU as was said of it before, in the same form. */
export function sameTexts(form: usize, gpu: usize): bool {
  if (load<u32>(gpu, GpuAt.Form) != <u32>form) return false;
  let known: usize = load<u32>(gpu, GpuAt.Texts);
  const end: usize = Found.Texts + 8 * load<u32>(form, FormAt.Texts);
  for (let text: usize = Found.Texts; text < end; text += 8) {
    const start = load<u32>(text);
    const length = load<u32>(text, 4) - start;
    if (!same(start, known, length) || load<u8>(known + length) != <u8>SEPARATOR) return false;
    known += length + 1;
  }
  return true;
}

/**
 * Reads the message in [start, end) if it has a form.
 * @param expected address of the GPU that is likely to come, 0 for none
 * @returns bits of Says, 0 where it has not that form
 */
export function match(form: usize, start: usize, end: usize, expected: usize): u32 {
  const slots = load<u32>(form, FormAt.Slots);
  let slot = form + FormAt.FirstSlot;
  const last = slot + slots * SlotAt.Size;
  let at = start;
  let text: usize = Found.Texts;
  let says: u32 = Says.Fits | Says.Plain;
  for (; ; slot += SlotAt.Size) {
    const length = load<u32>(slot, SlotAt.LiteralLength);
    // What was read beyond the end, of a value that did not stop there, is found out here.
    if (at + length > end) return 0;
    if (!same(at, load<u32>(slot, SlotAt.Literal), length)) return 0;
    at += length;
    if (slot == last) break;
    const kind = load<i32>(slot, SlotAt.Kind);
    if (kind >= Slot.Reading) {
      let byte: u32 = load<u8>(at);
      if (byte == SMALL_N && kind == Slot.Reading) {
        if (load<u32>(at) != NULL) return 0;
        at += 4;
        store<f64>(Found.Readings + 8 * load<u32>(slot, SlotAt.Place), NaN);
        says &= ~Says.Plain;
        continue;
      }
      const negative = byte == MINUS;
      if (negative) byte = load<u8>(++at);
      let digit: u32 = byte - ZERO;
      if (digit > 9) return 0;
      // Wraps where there are too many digits, which are refused then.
      let value: u64 = digit;
      const first = at++;
      // JSON has no leading zeros.
      if (digit != 0) for (; (digit = <u32>load<u8>(at) - ZERO) <= 9; at++) value = value * 10 + digit;
      let digits = <u32>(at - first);
      let decimals: u32 = 0;
      if (load<u8>(at) == <u8>POINT) {
        const point = ++at;
        for (; (digit = <u32>load<u8>(at) - ZERO) <= 9; at++) value = value * 10 + digit;
        decimals = <u32>(at - point);
        if (decimals == 0) return 0;
        digits += decimals;
      }
      if (kind == Slot.OtherNumber) continue;
      if (digits > EXACT_DIGITS) return 0;
      let number = <f64>value;
      // Both are exact, so that the one rounding of the division is that of the decimal number itself.
      if (decimals != 0) number /= load<f64>(Fixed.PowersOfTen + 8 * decimals);
      if (negative) number = -number;
      if (kind == Slot.TimeNumber) store<f64>(Found.TimeNumber, number);
      else {
        store<f64>(Found.Readings + 8 * load<u32>(slot, SlotAt.Place), number);
        if (
          !(number >= load<f64>(slot, SlotAt.Min) && number <= load<f64>(slot, SlotAt.Max)) ||
          (load<u32>(slot, SlotAt.Whole) != 0 && Math.floor(number) != number)
        )
          says &= ~Says.Plain;
      }
    } else if (kind == Slot.Gpu) {
      // Whoever asks for the GPU looks at each of its bytes, and finds none but a UUID's: most often it is as long as
      // the last one, and need not be looked at here.
      const first = at;
      at += load<u32>(Found.GpuEnd) - load<u32>(Found.GpuStart);
      if (at >= end || load<u8>(at) != <u8>QUOTE)
        for (at = first; load<u8>(at) != <u8>QUOTE; at++) if (at >= end) return 0;
      store<u32>(Found.GpuStart, <u32>first);
      store<u32>(Found.GpuEnd, <u32>at);
    } else {
      const first = at;
      for (let byte: u32 = load<u8>(at); byte != QUOTE; byte = load<u8>(++at))
        if (byte - 0x20 >= 0x60 || byte == BACKSLASH) return 0;
      if (kind == Slot.Metadata) {
        store<u32>(text, <u32>first);
        store<u32>(text, <u32>at, 4);
        text += 8;
      } else if (kind == Slot.TimeText) {
        store<u32>(Found.TimeStart, <u32>first);
        store<u32>(Found.TimeEnd, <u32>at);
      }
    }
  }
  if (at != end) return 0;
  if (expected == 0) return says;
  const uuid = load<u32>(Found.GpuStart);
  const length = load<u32>(Found.GpuEnd) - uuid;
  if (length != load<u32>(expected, GpuAt.UuidLength) || !same(uuid, expected + GpuAt.Uuid, length)) return says;
  says |= Says.Expected;
  return sameTexts(form, expected) ? says | Says.SameTexts : says;
}
