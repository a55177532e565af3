import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { packageRoot } from '../schema/package-root.js';
import { HeuristicScorer } from './heuristic.js';
import { OnnxScorer } from './onnx-scorer.js';
import type { Scorer } from './scorer.js';

/** Directory of a model: a relative one is looked up in the working directory, then in the package. */
export function resolveModelDirectory(directory: string): string {
  if (isAbsolute(directory)) return directory;
  const here = resolve(directory);
  const inPackage = join(packageRoot(), directory);
  // What is in neither place is missed where it was looked for first.
  return !existsSync(here) && existsSync(inPackage) ? inPackage : here;
}

/**
 * The scorer that configuration asks for: the model of a directory, or the rule of thumb where none is configured.
 * A configured model that cannot be used is an error, never a reason to fall back.
 * @throws ActuaryError model_missing, model_corrupt, model_mismatch or model_golden
 */
export async function loadScorer(directory: string | null): Promise<Scorer> {
  return directory === null ? new HeuristicScorer() : OnnxScorer.load(resolveModelDirectory(directory));
}
