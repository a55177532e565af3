import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

/** Types of elements, as NumPy writes them: little-endian floats. */
export type NpyType = 'f4' | 'f8';

/** Header and its preamble fill a multiple of 64 bytes; 128 have room for every shape here (NumPy format 1.0). */
const HEADER_BYTES = 128;

/** A file of NumPy's format 1.0 that grows by whole rows; its header is written last, when their number is known. */
export class NpyWriter {
  private rows = 0;
  private position = HEADER_BYTES;

  private constructor(
    private readonly file: FileHandle,
    private readonly type: NpyType,
    private readonly rowShape: readonly number[],
  ) {}

  /** @param rowShape sizes of the dimensions after the first */
  static async create(path: string, type: NpyType, rowShape: readonly number[]): Promise<NpyWriter> {
    return new NpyWriter(await open(path, 'w'), type, rowShape);
  }

  /** @param values whole rows, one after the other */
  async append(values: Float64Array): Promise<void> {
    const width = this.rowShape.reduce((product, size) => product * size, 1);
    if (values.length % width !== 0) throw new Error(`${values.length} values are no whole rows of ${width}`);
    const array = this.type === 'f4' ? Float32Array.from(values) : values;
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    await this.file.write(bytes, 0, bytes.length, this.position);
    this.position += bytes.length;
    this.rows += values.length / width;
  }

  async close(): Promise<void> {
    const shape = `(${[this.rows, ...this.rowShape].join(', ')},)`;
    const text = `{'descr': '<${this.type}', 'fortran_order': False, 'shape': ${shape}, }`;
    const header = Buffer.alloc(HEADER_BYTES, ' ');
    header.write('\x93NUMPY\x01\x00', 'latin1');
    header.writeUInt16LE(HEADER_BYTES - 10, 8);
    header.write(text, 10, 'latin1');
    header.write('\n', HEADER_BYTES - 1, 'latin1');
    await this.file.write(header, 0, HEADER_BYTES, 0);
    await this.file.close();
  }
}
