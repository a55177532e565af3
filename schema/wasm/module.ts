import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.js';

const PAGE_BYTES = 64 * 1024;
const compiled = new Map<string, WebAssembly.Module>();

/** Its functions, and the memory that they work on. */
export interface WasmInstance<Exports> {
  readonly exports: Exports;
  readonly memory: ArrayBuffer;
}

/**
 * A module of WebAssembly with memory of its own. That memory never grows, for growing takes all views of it away, and
 * V8 then checks every typed array of the process for that: whoever needs more makes a larger one.
 * @param file of the package, compiled by `npm run build:wasm`
 */
export function instantiate<Exports>(file: string, memoryBytes: number): WasmInstance<Exports> {
  let module = compiled.get(file);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(join(packageRoot(), file)));
    compiled.set(file, module);
  }
  const pages = Math.ceil(memoryBytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { exports: exports as Exports, memory: memory.buffer };
}
