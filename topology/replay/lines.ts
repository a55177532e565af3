import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ActuaryError, messageOf } from '../../schema/errors.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** The mark that some editors put before UTF-8. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export interface InputFile {
  /** Bytes in all; null where that is not known (a pipe). */
  readonly bytes: number | null;
  readonly stream: Readable;
}

/** Opens a file, or standard input for `-`. @throws ActuaryError input_unreadable */
export async function openInput(file: string, stdin: Readable): Promise<InputFile> {
  if (file === '-') return { bytes: null, stream: stdin };
  try {
    const found = await stat(file);
    if (found.isDirectory()) throw new Error('is a directory');
    return { bytes: found.size, stream: createReadStream(file, { highWaterMark: 1 << 20 }) };
  } catch (error) {
    throw new ActuaryError('input_unreadable', `${file}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Yields the lines of a stream in blocks, without their line ends; a last line needs none, and a byte order mark before
 * the first one is left out. Lines share memory with the block they were read in: copy what is to outlive it.
 *
 * @param onBytes called with the number of bytes of each block read
 * @throws ActuaryError input_unreadable
 */
export async function* linesOf(stream: Readable, onBytes: (bytes: number) => void): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  let isFirst = true;
  for await (const chunk of readable(stream)) {
    const whole = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    onBytes(whole.length);
    const block = isFirst && whole.subarray(0, MARK.length).equals(MARK) ? whole.subarray(MARK.length) : whole;
    isFirst = false;
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
      const piece = block.subarray(start, end);
      lines.push(withoutReturn(rest.length === 0 ? piece : Buffer.concat([...rest, piece])));
      rest = [];
      start = end + 1;
    }
    if (start < block.length) rest.push(block.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [withoutReturn(Buffer.concat(rest))];
}

/** @throws ActuaryError input_unreadable where reading fails half way, or at once (a directory) */
async function* readable(stream: Readable): AsyncGenerator<Buffer | string> {
  try {
    yield* stream as AsyncIterable<Buffer | string>;
  } catch (error) {
    throw new ActuaryError('input_unreadable', `the input: ${messageOf(error)}`, { cause: error });
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.length > 0 && line[line.length - 1] === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}
