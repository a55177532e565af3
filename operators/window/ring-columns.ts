import type { PaneField, Storage } from './pane-layout.js';

/** How fields of panes lie in memory, and the loops over them: one a kind of array, for one that meets several is slow. */

export type Column = Uint8Array | Uint16Array | Float32Array | Float64Array;

/** Bytes of an element; half bytes are shared by two fields. */
export const WIDTHS = { u4: 1, u8: 1, u16: 2, readings: 1, f32: 4, f64: 8 } as const;

/**
 * Where a column of whole numbers says "too large for me, see the side table": its largest value. 0: never, the column
 * holds floating point.
 */
export const MARKERS = { u4: 15, u8: 0xff, u16: 0xffff, readings: 0xff, f32: 0, f64: 0 } as const;
/** A metric's readings in an hour that has readings of other metrics only. */
export const NO_READINGS = 0xfe;

export interface StoredField {
  readonly field: PaneField;
  readonly index: number;
  /** Element of the first GPU's first hour, and elements from one GPU to the next. */
  readonly start: number;
  readonly stride: number;
  /** Bits that a field of half a byte lies above the lowest. */
  readonly shift: number;
  readonly marker: number;
}

/** Where each field lies in a GPU's share of so many hours, and the share's bytes. Wide elements go first. */
export function layOut(fields: readonly PaneField[], hours: number): { stored: StoredField[]; stride: number } {
  const offsets: number[] = [];
  let next = 0;
  for (const width of [8, 4, 2, 1])
    for (const [index, { storage }] of fields.entries())
      if (WIDTHS[storage] === width && storage !== 'u4') {
        offsets[index] = next;
        next += width * hours;
      }
  // Of two fields in half bytes the second has the upper ones.
  const shifts: number[] = [];
  let isShared = false;
  for (const [index, { storage }] of fields.entries()) {
    if (storage !== 'u4') continue;
    offsets[index] = isShared ? next - hours : next;
    shifts[index] = isShared ? 4 : 0;
    if (!isShared) next += hours;
    isShared = !isShared;
  }
  const stride = Math.ceil(next / 8) * 8;
  const stored = fields.map((field, index) => ({
    field,
    index,
    start: offsets[index] / WIDTHS[field.storage],
    stride: stride / WIDTHS[field.storage],
    shift: shifts[index] ?? 0,
    marker: MARKERS[field.storage],
  }));
  return { stored, stride };
}

/** The same memory as elements of each kind. */
export function columnsOf(memory: ArrayBuffer, fields: readonly StoredField[]): Column[] {
  const views = {
    1: new Uint8Array(memory),
    2: new Uint16Array(memory),
    4: new Float32Array(memory),
    8: new Float64Array(memory),
  };
  return fields.map(({ field }) => views[WIDTHS[field.storage]]);
}

/** What stands for the readings of a metric in an hour of so many event times. */
export function readingsCode(samples: number, readings: number): number {
  const fewer = samples - readings;
  if (fewer >= 0 && fewer < NO_READINGS) return fewer;
  return readings === 0 ? NO_READINGS : MARKERS.readings;
}

export function put(column: Column, cell: number, { shift, field }: StoredField, code: number): void {
  column[cell] = field.storage === 'u4' ? (column[cell] & (0xf0 >> shift)) | (code << shift) : code;
}

type Copy = (column: Column, shift: number, cell: number, count: number, out: Float64Array, at: number) => void;

/** Copies adjacent elements into float64. */
export const COPIES: Readonly<Record<Exclude<Storage, 'readings'>, Copy>> = {
  f64: (column, _, cell, count, out, at) => {
    for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
  },
  f32: (column, _, cell, count, out, at) => {
    for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
  },
  u16: (column, _, cell, count, out, at) => {
    for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
  },
  u8: (column, _, cell, count, out, at) => {
    for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
  },
  u4: (column, shift, cell, count, out, at) => {
    for (let index = 0; index < count; index++) out[at + index] = (column[cell + index] >> shift) & 15;
  },
};

/** Makes readings of codes and of the samples that they are told from. */
export function copyReadings(
  codes: Column,
  cell: number,
  samples: Column,
  from: number,
  count: number,
  out: Float64Array,
  at: number,
): void {
  for (let index = 0; index < count; index++) {
    const code = codes[cell + index];
    out[at + index] = code === NO_READINGS ? 0 : samples[from + index] - code;
  }
}

type Sum = (column: Column, shift: number, cell: number, count: number, sum: number) => number;

/** Adds adjacent elements to a sum, one after the other: in how many runs they come makes no difference. */
export const SUMS: Readonly<Partial<Record<Storage, Sum>>> = {
  u8: (column, _, cell, count, sum) => {
    for (let index = cell; index < cell + count; index++) sum += column[index];
    return sum;
  },
  u4: (column, shift, cell, count, sum) => {
    for (let index = cell; index < cell + count; index++) sum += (column[index] >> shift) & 15;
    return sum;
  },
  f32: (column, _, cell, count, sum) => {
    for (let index = cell; index < cell + count; index++) sum += column[index];
    return sum;
  },
};
