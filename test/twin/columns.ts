export interface Reading {
  readonly ms: number;
  readonly value: number;
}

/**
 * Rows of numbers, the first of which is a time, later than those of the rows before. In columns: of millions of rows
 * objects would fill the memory.
 */
export class Timed {
  length: number;

  constructor(protected readonly columns: Float64Array[]) {
    this.length = columns[0].length;
  }

  get ms(): Float64Array {
    return this.column(0);
  }

  /** -Infinity where there is none. */
  get lastMs(): number {
    return this.length > 0 ? this.columns[0][this.length - 1] : -Infinity;
  }

  /** Infinity where there is none. */
  get firstMs(): number {
    return this.length > 0 ? this.columns[0][0] : Infinity;
  }

  push(...row: number[]): void {
    for (const [index, number] of row.entries()) {
      const column = this.columns[index];
      if (this.length === column.length) {
        this.columns[index] = new Float64Array(2 * column.length + 16);
        this.columns[index].set(column);
      }
      this.columns[index][this.length] = number;
    }
    this.length++;
  }

  /** How many there are before a time. */
  before(ms: number): number {
    const [times] = this.columns;
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Those from one time on, up to another. */
  between(fromMs: number, untilMs: number): this {
    const [first, end] = [this.before(fromMs), this.before(untilMs)];
    const Same = this.constructor as new (columns: Float64Array[]) => this;
    return new Same(this.columns.map((column) => column.subarray(first, end)));
  }

  since(ms: number): this {
    return this.between(ms, Infinity);
  }

  protected column(index: number): Float64Array {
    return this.columns[index].subarray(0, this.length);
  }
}

/** Readings of one series. */
export class Readings extends Timed {
  constructor(columns = [new Float64Array(0), new Float64Array(0)]) {
    super(columns);
  }

  get values(): Float64Array {
    return this.column(1);
  }

  /** The newest up to a time. */
  upTo(ms: number): Reading | undefined {
    const index = this.before(ms + 1) - 1;
    return index < 0 ? undefined : { ms: this.columns[0][index], value: this.columns[1][index] };
  }

  at(ms: number): number | undefined {
    const newest = this.upTo(ms);
    return newest?.ms === ms ? newest.value : undefined;
  }
}

/** Readings of two metrics that bear the same time. */
export class Pairs extends Timed {
  constructor(columns = [new Float64Array(0), new Float64Array(0), new Float64Array(0)]) {
    super(columns);
  }

  get xs(): Float64Array {
    return this.column(1);
  }

  get ys(): Float64Array {
    return this.column(2);
  }
}
