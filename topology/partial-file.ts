import { createWriteStream, openSync, rmSync, statSync, type Stats, type WriteStream } from 'node:fs';
import { open, realpath, rename } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { atExit } from './at-exit.js';

/**
 * A file that comes to its place when it is whole. Until then it is written beside it, and what lay there before
 * stays; whatever ends the process earlier takes it away. A device or a pipe has no place: it is written to directly.
 */
export class PartialFile {
  private constructor(
    readonly stream: WriteStream,
    private readonly name: string,
    /** Where it is written and where it comes to be; null: nowhere else. */
    private readonly move: { readonly from: string; readonly to: string } | null,
    private readonly takenBack: () => void,
  ) {}

  /** @throws ActuaryError output_unwritable */
  static async open(name: string): Promise<PartialFile> {
    try {
      const found = statSync(name, { throwIfNoEntry: false });
      if (found?.isDirectory()) throw new Error('is a directory');
      if (found !== undefined && isWrittenDirectly(name, found))
        return new PartialFile((await open(name, 'w')).createWriteStream(), name, null, () => undefined);
      const to = found === undefined ? name : await realpath(name);
      const from = `${to}.${process.pid}.partial`;
      // At once: a signal between the opening and the promise to take the file away would leave it behind.
      const fd = openSync(from, 'w', found?.mode);
      const takenBack = atExit(() => rmSync(from, { force: true }));
      return new PartialFile(createWriteStream(from, { fd }), name, { from, to }, takenBack);
    } catch (error) {
      throw unwritable(name, error);
    }
  }

  /** Brings the file to its place, its stream having finished. @throws ActuaryError output_unwritable */
  async keep(): Promise<void> {
    try {
      if (this.move !== null) await rename(this.move.from, this.move.to);
      this.takenBack();
    } catch (error) {
      throw unwritable(this.name, error);
    }
  }

  /** Takes away what was not kept; after `keep` there is nothing to do. */
  discard(): void {
    this.stream.destroy();
    if (this.move !== null) rmSync(this.move.from, { force: true });
    this.takenBack();
  }
}

export function unwritable(name: string, error: unknown): ActuaryError {
  return new ActuaryError('output_unwritable', `${name}: ${messageOf(error)}`, { cause: error });
}

/** What is below /dev stands for something that others have open too, such as /dev/stdout for a file. */
function isWrittenDirectly(name: string, found: Stats): boolean {
  return !found.isFile() || resolve(name).startsWith('/dev/');
}
