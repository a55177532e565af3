import { once } from 'node:events';
import { statSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { ActuaryError } from '../../schema/errors.js';
import { PartialFile, unwritable } from '../partial-file.js';

const BLOCK_CHARACTERS = 1 << 20;

/**
 * @param read files that are read, by the option that names them; null or `-` for none
 * @throws ActuaryError usage: the output is one of them, and would take its place
 */
export function refuseToOverwrite(output: string, read: Readonly<Record<string, string | null>>): void {
  const target = output === '-' ? undefined : statSync(output, { throwIfNoEntry: false });
  if (!target?.isFile()) return;
  for (const [option, file] of Object.entries(read)) {
    const found = file === null || file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    if (found?.dev === target.dev && found.ino === target.ino)
      throw new ActuaryError('usage', `--output ${output} is the file of ${option}, and would take its place`);
  }
}

/** JSON Lines to a file or standard output, in blocks, waiting where the reader is slower. */
export class LineWriter {
  private block = '';
  private failure: Error | undefined;

  private constructor(
    private readonly stream: Writable,
    private readonly file: PartialFile | null,
    name: string,
  ) {
    if (file !== null) stream.on('error', (error) => (this.failure ??= unwritable(name, error)));
  }

  /** @param file path, or `-` for standard output @throws ActuaryError output_unwritable */
  static async open(file: string, stdout: Writable): Promise<LineWriter> {
    if (file === '-') return new LineWriter(stdout, null, 'stdout');
    const opened = await PartialFile.open(file);
    return new LineWriter(opened.stream, opened, file);
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

  /** Writes what is left; a file is at its place then. @throws ActuaryError output_unwritable */
  async close(): Promise<void> {
    await this.flush();
    if (this.file !== null) {
      this.stream.end();
      await this.until('finish');
    }
    if (this.failure) throw this.failure;
    await this.file?.keep();
  }

  /** Takes a file away that was not closed. */
  discard(): void {
    this.file?.discard();
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
      if (this.file === null) throw error;
    });
  }
}
