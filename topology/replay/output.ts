import { createWriteStream, statSync } from 'node:fs';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { ActuaryError, messageOf } from '../../schema/errors.js';

const BLOCK_CHARACTERS = 1 << 20;

/**
 * @param read files that are read, by the option that names them; null or `-` for none
 * @throws ActuaryError usage: the output is one of them, which opening it would empty
 */
export function refuseToOverwrite(output: string, read: Readonly<Record<string, string | null>>): void {
  const target = output === '-' ? undefined : statSync(output, { throwIfNoEntry: false });
  if (!target?.isFile()) return;
  for (const [option, file] of Object.entries(read)) {
    const found = file === null || file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    if (found?.dev === target.dev && found.ino === target.ino)
      throw new ActuaryError(
        'usage',
        `--output ${output} is the file of ${option}, and would be emptied before it is read`,
      );
  }
}

/** JSON Lines to a file or standard output, in blocks, waiting where the reader is slower. */
export class LineWriter {
  private block = '';
  private failure: Error | undefined;

  private constructor(
    private readonly stream: Writable,
    private readonly owned: boolean,
    name: string,
  ) {
    if (owned)
      stream.on('error', (error) => {
        this.failure ??= new ActuaryError('output_unwritable', `${name}: ${messageOf(error)}`, { cause: error });
      });
  }

  /** @param file path, or `-` for standard output */
  static open(file: string, stdout: Writable): LineWriter {
    return file === '-' ? new LineWriter(stdout, false, 'stdout') : new LineWriter(createWriteStream(file), true, file);
  }

  /** Appends a line; it leaves with the next block. */
  push(value: object): void {
    this.block += JSON.stringify(value) + '\n';
  }

  /** Writes a block if one is full. @throws ActuaryError output_unwritable */
  async settle(): Promise<void> {
    if (this.block.length >= BLOCK_CHARACTERS) await this.flush();
    if (this.failure) throw this.failure;
  }

  async close(): Promise<void> {
    await this.flush();
    if (this.owned) {
      this.stream.end();
      await this.until('finish');
    }
    if (this.failure) throw this.failure;
  }

  private async flush(): Promise<void> {
    const block = this.block;
    this.block = '';
    if (block === '' || this.failure) return;
    if (!this.stream.write(block)) await this.until('drain');
  }

  /** Waits for an event of the stream; its error is an event too, and is kept in `failure`. */
  private async until(event: 'drain' | 'finish'): Promise<void> {
    if (this.failure) return;
    // `once` rejects at an error of the stream, whichever event it was told to wait for.
    await once(this.stream, event).catch((error: unknown) => {
      if (!this.owned) throw error;
    });
  }
}
