// AssemblyScript, compiled to column-pack.wasm by `npm run build:wasm`: the inner loops of packed-column.ts, two to
// sixteen numbers at a time. It allocates nothing: addresses are given, and whole vectors are read and written, so that
// up to sixteen numbers beyond the last lie in the memory of each.

const NONE: i32 = i32.MIN_VALUE;

/**
 * Makes numbers integers: each times the divisor, rounded. NaN becomes the least integer.
 * @returns bytes that each of them takes, 1, 2 or 4; 0 where a number is no integer divided by the divisor, to the bit
 */
export function multiply(numbers: usize, count: u32, divisor: f64, integers: usize): u32 {
  const by = f64x2.splat(divisor);
  const none = i32x4.splat(NONE);
  // Those of none count as 0 here.
  let least = i32x4.splat(0);
  let greatest = i32x4.splat(0);
  // What is beyond the last is none.
  store<f64>(numbers + ((<usize>count) << 3), NaN);
  const end = numbers + ((<usize>count) << 3);
  for (; numbers < end; numbers += 16, integers += 8) {
    const number = v128.load(numbers);
    const isNone = f64x2.ne(number, number);
    const integer = i32x4.trunc_sat_f64x2_s_zero(f64x2.nearest(f64x2.mul(number, by)));
    const back = f64x2.div(f64x2.convert_low_i32x4_s(integer), by);
    if (!i64x2.all_true(v128.or(i64x2.eq(back, number), isNone))) return 0;
    least = i32x4.min_s(least, integer);
    greatest = i32x4.max_s(greatest, integer);
    // The low halves of both masks.
    const mask = i32x4.shuffle(isNone, isNone, 0, 2, 0, 2);
    v128.store64_lane(integers, v128.bitselect(none, integer, mask), 0);
  }
  const low = min(
    min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1)),
    min(i32x4.extract_lane(least, 2), i32x4.extract_lane(least, 3)),
  );
  const high = max(
    max(i32x4.extract_lane(greatest, 0), i32x4.extract_lane(greatest, 1)),
    max(i32x4.extract_lane(greatest, 2), i32x4.extract_lane(greatest, 3)),
  );
  if (low == NONE) return 0;
  if (low > -128 && high < 128) return 1;
  return low > -32768 && high < 32768 ? 2 : 4;
}

/** Makes integers of 32 bits such of 1 or 2 bytes, in place. The least stays the least: what is beyond is cut to it. */
export function narrow(integers: usize, count: u32, bytes: u32): void {
  const end = integers + ((<usize>count) << 2);
  let to = integers;
  if (bytes == 2) {
    for (; integers < end; integers += 32, to += 16)
      v128.store(to, i16x8.narrow_i32x4_s(v128.load(integers), v128.load(integers, 16)));
    return;
  }
  for (; integers < end; integers += 64, to += 16) {
    const first = i16x8.narrow_i32x4_s(v128.load(integers), v128.load(integers, 16));
    const second = i16x8.narrow_i32x4_s(v128.load(integers, 32), v128.load(integers, 48));
    v128.store(to, i8x16.narrow_i16x8_s(first, second));
  }
}

/** Four integers, as the numbers that they are divided by the divisor; NaN for `none`. */
function divideFour(integers: v128, none: v128, by: v128, numbers: usize): void {
  const isNone = i32x4.eq(integers, none);
  const nan = f64x2.splat(NaN);
  const first = f64x2.div(f64x2.convert_low_i32x4_s(integers), by);
  v128.store(numbers, v128.bitselect(nan, first, i64x2.extend_low_i32x4_s(isNone)));
  const high = i32x4.shuffle(integers, integers, 2, 3, 2, 3);
  const second = f64x2.div(f64x2.convert_low_i32x4_s(high), by);
  v128.store(numbers, v128.bitselect(nan, second, i64x2.extend_high_i32x4_s(isNone)), 16);
}

/** The reverse, from integers of 1, 2 or 4 bytes. */
export function divide(integers: usize, count: u32, bytes: u32, divisor: f64, numbers: usize): void {
  const by = f64x2.splat(divisor);
  const end = numbers + ((<usize>count) << 3);
  if (bytes == 4) {
    const none = i32x4.splat(NONE);
    for (; numbers < end; numbers += 32, integers += 16) divideFour(v128.load(integers), none, by, numbers);
    return;
  }
  const none = i32x4.splat(bytes == 2 ? <i32>i16.MIN_VALUE : <i32>i8.MIN_VALUE);
  for (; numbers < end; numbers += 64, integers += bytes << 3) {
    const eight = bytes == 2 ? v128.load(integers) : i16x8.extend_low_i8x16_s(v128.load(integers));
    divideFour(i32x4.extend_low_i16x8_s(eight), none, by, numbers);
    divideFour(i32x4.extend_high_i16x8_s(eight), none, by, numbers + 32);
  }
}
