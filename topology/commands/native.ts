import { ActuaryError, messageOf } from '../../schema/errors.js';

const PACKAGE = /node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/;

/**
 * Loads what needs libraries that are compiled for the machine.
 * @throws ActuaryError native_missing: one is not there, as after an installation without scripts, or was compiled for
 *   another Node or system
 */
export async function withNative<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const name = missingNative(error);
    if (name === null) throw error;
    // Node rejects a second promise, which nobody has, where a CommonJS module fails that is imported.
    process.on('unhandledRejection', (reason) => {
      if (reason !== error) throw reason;
    });
    throw new ActuaryError(
      'native_missing',
      `${name} is not compiled for this machine and Node ${process.versions.node}: run \`npm rebuild ${name}\`, ` +
        `which needs a C++ compiler, make and Python (${messageOf(error).split('\n')[0]})`,
      { cause: error },
    );
  }
}

/** The package whose compiled part could not be loaded; null for any other error. */
function missingNative(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code } = error as NodeJS.ErrnoException;
  const isNative =
    code === 'ERR_DLOPEN_FAILED' ||
    error.message.startsWith('Could not locate the bindings file') ||
    (code === 'MODULE_NOT_FOUND' && /\.node'/.test(error.message));
  return isNative ? ((PACKAGE.exec(error.message) ?? PACKAGE.exec(error.stack ?? ''))?.[1] ?? null) : null;
}
