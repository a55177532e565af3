import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { compileFunction } from 'node:vm';

type Require = (id: string) => unknown;
/** Makes what a replaced module exports; `require` loads from the private copy, relative to the replaced file. */
export type Replacement = (require: Require) => unknown;
/** Changes what a module exports, once it is loaded. */
export type Amendment = (exports: unknown) => void;

/**
 * Loads a CommonJS package anew, for this caller alone, with some of its modules replaced. Whoever else loads the
 * package gets the stock one: nothing is put into, or taken out of, Node's module cache.
 *
 * @param name the package
 * @param version the one version whose insides are known
 * @param replacements by path inside the package
 * @param amendments the same
 * @throws Error where another version is installed, or a module to be replaced is never asked for
 */
export function loadPrivately(
  name: string,
  version: string,
  replacements: Readonly<Record<string, Replacement>>,
  amendments: Readonly<Record<string, Amendment>> = {},
): unknown {
  const stock = createRequire(import.meta.url);
  const manifest = stock.resolve(`${name}/package.json`);
  const installed = (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
  if (installed !== version)
    throw new Error(`${name} ${installed} is installed, but parts of ${version} are replaced: install that version`);
  const root = dirname(manifest);
  const inside = <T>(changes: Readonly<Record<string, T>>): Map<string, T> =>
    new Map(Object.entries(changes).map(([path, change]) => [stock.resolve(join(root, path)), change]));
  const replaced = inside(replacements);
  const amended = inside(amendments);
  const cache = new Map<string, { exports: unknown }>();

  const load = (path: string): unknown => {
    const known = cache.get(path);
    if (known !== undefined) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    cache.set(path, module);
    const base = createRequire(path);
    // Protocol versions are asked for with each request, and finding a file costs more than what it is asked for.
    const paths = new Map<string, string>();
    const pathOf = (id: string): string => {
      const found = paths.get(id) ?? base.resolve(id);
      paths.set(id, found);
      return found;
    };
    const require: Require = (id) => (id.startsWith('.') ? load(pathOf(id)) : base(id));
    const make = replaced.get(path);
    if (make !== undefined) module.exports = make(require);
    else if (extname(path) === '.json') module.exports = JSON.parse(readFileSync(path, 'utf8'));
    else {
      const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
      const run = compileFunction(readFileSync(path, 'utf8'), parameters, { filename: path }) as (
        ...args: unknown[]
      ) => void;
      run.call(module.exports, module.exports, require, module, path, dirname(path));
    }
    amended.get(path)?.(module.exports);
    return module.exports;
  };
  return load(stock.resolve(name));
}
