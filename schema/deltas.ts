import { DecodeError } from './decode-error.js';

/** Whole numbers as zigzag varints of their differences, of up to 53 bits: one byte each where they go on evenly. */

export type DeltaNumbers = Float64Array | Uint32Array | Int32Array;

/**
 * @param bytes with room for 8 bytes a number from `at` on
 * @returns where the bytes end
 */
export function writeDeltas(values: DeltaNumbers, bytes: Uint8Array, at: number): number {
  let before = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    const delta = value - before;
    before = value;
    if (delta >= -64 && delta < 64) {
      // Nearly all of them.
      bytes[at++] = (delta << 1) ^ (delta >> 31);
      continue;
    }
    let rest = delta < 0 ? -2 * delta - 1 : 2 * delta;
    while (rest >= 128) {
      bytes[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    bytes[at++] = rest;
  }
  return at;
}

/**
 * Fills `values` with what was written by {@link writeDeltas}.
 * @param name of the field, for the error
 * @throws DecodeError malformed: not as many numbers as there is room for
 */
export function readDeltas<T extends DeltaNumbers>(bytes: Uint8Array, values: T, name: string): T {
  const { length } = bytes;
  let at = 0;
  let before = 0;
  for (let row = 0; row < values.length; row++) {
    if (at >= length) throw new DecodeError('malformed', `${name} ends early`);
    let byte = bytes[at++];
    if (byte < 128) {
      // Nearly all of them.
      before += (byte >>> 1) ^ -(byte & 1);
      values[row] = before;
      continue;
    }
    let rest = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      if (at >= length) throw new DecodeError('malformed', `${name} ends early`);
      byte = bytes[at++];
      rest += (byte & 127) * scale;
    }
    before += rest % 2 === 1 ? -(rest + 1) / 2 : rest / 2;
    values[row] = before;
  }
  if (at !== length) throw new DecodeError('malformed', `${name} is too long`);
  return values;
}
