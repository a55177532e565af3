import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type, type Static } from '@sinclair/typebox';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { corrupt, parseChecked } from './checked-json.js';

/** manifest.json makes a model directory one unit: what belongs to it, byte for byte, and which training run made it. */

export const MANIFEST_FILE = 'manifest.json';
const HINT = 'Seal the model anew with `gpu-actuary model seal`.';
/** Without these a directory is no model. */
export const REQUIRED_FILES = ['card.json', 'model.onnx', 'golden.json'] as const;
/** What a model may have beside them: the trees, for explanations. */
export const OPTIONAL_FILES = ['model.json'] as const;

const Manifest = Type.Object({
  format: Type.Literal(1),
  model_version: Type.String({ minLength: 1 }),
  /** Of the tracking server; null where the training was logged nowhere. */
  run_id: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
  /** SHA-256 by file name, hexadecimal. Plain names only: what comes from a registry names no other place. */
  files: Type.Record(
    Type.String({ pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*$' }),
    Type.String({ pattern: '^[0-9a-f]{64}$' }),
    { additionalProperties: false },
  ),
});
export type Manifest = Static<typeof Manifest>;

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/** @throws ActuaryError model_corrupt: these bytes are no manifest, or it leaves out what a model consists of */
export function parseManifest(text: string, name: string): Manifest {
  const manifest = parseChecked(Manifest, text, name, HINT);
  for (const file of REQUIRED_FILES)
    if (manifest.files[file] === undefined) throw corrupt(name, `it does not name ${file}`, HINT);
  return manifest;
}

/**
 * Reads every file of a manifest and holds it against its checksum.
 * @returns the files by name
 * @throws ActuaryError model_missing, model_corrupt
 */
export async function readSealed(directory: string, manifest: Manifest): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const [name, expected] of Object.entries(manifest.files)) {
    const bytes = await readModelFile(join(directory, name));
    const found = sha256(bytes);
    if (found !== expected)
      throw new ActuaryError(
        'model_corrupt',
        `${join(directory, name)} is not the file of its manifest: SHA-256 ${found}, manifest ${expected}. ` +
          'Fetch or copy the whole model again.',
      );
    files.set(name, bytes);
  }
  return files;
}

/** @throws ActuaryError model_missing */
export async function readModelFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new ActuaryError(
      'model_missing',
      `${file}: ${messageOf(error)}. Set model.directory to a directory with model.onnx and card.json, make one with \`npm run train\`, or set it to null to score by rule of thumb.`,
      { cause: error },
    );
  }
}

/** Whether there is such a file, and what it holds. */
export async function readIfThere(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new ActuaryError('model_missing', `${file}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes the manifest of what a directory holds now.
 * @throws ActuaryError model_missing
 */
export async function writeManifest(directory: string, modelVersion: string, runId: string | null): Promise<Manifest> {
  const files: Record<string, string> = {};
  for (const name of REQUIRED_FILES) files[name] = sha256(await readModelFile(join(directory, name)));
  for (const name of OPTIONAL_FILES) {
    const bytes = await readIfThere(join(directory, name));
    if (bytes !== null) files[name] = sha256(bytes);
  }
  const manifest: Manifest = { format: 1, model_version: modelVersion, run_id: runId, files };
  const file = join(directory, MANIFEST_FILE);
  await writeFile(`${file}.new`, JSON.stringify(manifest, null, 2) + '\n');
  // Whole or not at all: an engine may be looking.
  await rename(`${file}.new`, file);
  return manifest;
}
