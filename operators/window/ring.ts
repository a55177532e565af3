import { PANE_FIELDS, type PaneSet } from './pane-layout.js';

/** Hours of a window: the open one and the 167 closed before it. */
export const WINDOW_HOURS = 168;

type Column = Uint8Array | Uint16Array | Float32Array | Float64Array;

/** Largest value of a counting column; it stands for "too large for this column, see the side table". */
const MARKERS = { u8: 0xff, u16: 0xffff, f32: 0, f64: 0 } as const;

/**
 * Closed panes of a fixed number of GPUs: 168 positions a GPU, hour h at position h mod 168, one typed array a field.
 * Whole numbers too large for their column lie in a side table, so they are exact whatever their size, and the common
 * small ones cost a byte or two.
 */
export class Ring {
  /** By field index; undefined for fields of a set that is not kept. */
  readonly columns: readonly (Column | undefined)[];
  readonly bytes: number;
  private readonly markers: readonly number[];
  private readonly large = new Map<number, number>();

  constructor(slots: number, set: PaneSet) {
    const cells = slots * WINDOW_HOURS;
    this.columns = PANE_FIELDS.map((field) => {
      if (field.set === 'v2' && set === 'v1') return undefined;
      switch (field.storage) {
        case 'u8':
          return new Uint8Array(cells);
        case 'u16':
          return new Uint16Array(cells);
        case 'f32':
          return new Float32Array(cells);
        case 'f64':
          return new Float64Array(cells);
      }
    });
    this.markers = PANE_FIELDS.map((field) => MARKERS[field.storage]);
    this.bytes = this.columns.reduce((sum, column) => sum + (column?.byteLength ?? 0), 0);
  }

  /** Stores a pane: all fields of a float64 vector. */
  write(slot: number, hour: number, vector: Float64Array, at: number): void {
    const cell = cellOf(slot, hour);
    for (let field = 0; field < this.columns.length; field++) {
      const column = this.columns[field];
      if (column === undefined) continue;
      const value = vector[at + field];
      const marker = this.markers[field];
      if (marker === 0) {
        column[cell] = value;
        continue;
      }
      if (column[cell] === marker) this.large.delete(cell * this.columns.length + field);
      if (value >= marker) {
        column[cell] = marker;
        this.large.set(cell * this.columns.length + field, value);
      } else column[cell] = value;
    }
  }

  /** Empties the positions of hours `from` (included) to `until` (excluded). */
  clear(slot: number, from: number, until: number): void {
    for (let hour = Math.max(from, until - WINDOW_HOURS); hour < until; hour++) {
      const cell = cellOf(slot, hour);
      for (let field = 0; field < this.columns.length; field++) {
        const column = this.columns[field];
        if (column === undefined) continue;
        const marker = this.markers[field];
        if (marker !== 0 && column[cell] === marker) this.large.delete(cell * this.columns.length + field);
        column[cell] = PANE_FIELDS[field].empty;
      }
    }
  }

  /** Copies a field of several panes into float64, so that what follows reads one kind of array. */
  gather(field: number, cells: Int32Array, count: number, out: Float64Array): void {
    const column = this.columns[field];
    if (column === undefined) {
      out.fill(0, 0, count);
      return;
    }
    // One loop a kind of array: a loop that meets all four is several times slower.
    if (column instanceof Uint8Array) for (let index = 0; index < count; index++) out[index] = column[cells[index]];
    else if (column instanceof Uint16Array)
      for (let index = 0; index < count; index++) out[index] = column[cells[index]];
    else if (column instanceof Float32Array)
      for (let index = 0; index < count; index++) out[index] = column[cells[index]];
    else for (let index = 0; index < count; index++) out[index] = column[cells[index]];
    if (this.large.size === 0) return;
    const marker = this.markers[field];
    if (marker === 0) return;
    for (let index = 0; index < count; index++)
      if (out[index] === marker) out[index] = this.large.get(cells[index] * this.columns.length + field)!;
  }

  /** Value of a field in a pane. */
  get(field: number, cell: number): number {
    const column = this.columns[field];
    if (column === undefined) return 0;
    const value = column[cell];
    const marker = this.markers[field];
    if (marker === 0 || value !== marker) return value;
    return this.large.get(cell * this.columns.length + field)!;
  }
}

/** Index into a ring's columns. */
export function cellOf(slot: number, hour: number): number {
  // Hours before 1970 are negative.
  const position = hour % WINDOW_HOURS;
  return slot * WINDOW_HOURS + (position < 0 ? position + WINDOW_HOURS : position);
}
