import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeManifest } from '../../models/manifest.js';
import { packageRoot } from '../../schema/package-root.js';

const CHAMPION = join(packageRoot(), 'models', 'champion');

/** Copies the committed champion to a directory, sealed with a run. */
export async function champion(directory: string, runId: string | null = null): Promise<void> {
  await cp(CHAMPION, directory, { recursive: true });
  await writeManifest(directory, (await readCard(directory)).model_version, runId);
}

/**
 * A model that is the champion under another version.
 * @param change applied to its card
 */
export async function anotherModel(
  directory: string,
  modelVersion: string,
  runId: string | null = null,
  change: Record<string, unknown> = {},
): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await cp(CHAMPION, directory, { recursive: true });
  const card = { ...(await readCard(directory)), model_version: modelVersion, ...change };
  await writeFile(join(directory, 'card.json'), JSON.stringify(card));
  await writeManifest(directory, modelVersion, runId);
}

/**
 * {@link anotherModel} with a tree a head, for tests that load models again and again and look at no explanation: to
 * make ready for those takes most of a model's loading.
 */
export async function fewTreesModel(...model: Parameters<typeof anotherModel>): Promise<void> {
  await anotherModel(...model);
  const [directory, modelVersion, runId = null] = model;
  fewTrees ??= await championWithFewTrees();
  await writeFile(join(directory, 'model.json'), fewTrees);
  await writeManifest(directory, modelVersion, runId);
}

let fewTrees: string | undefined;

interface ModelTrees {
  readonly heads: Record<string, { learner: { gradient_booster: { model: { trees: unknown[] } } } }>;
}

async function championWithFewTrees(): Promise<string> {
  const model = JSON.parse(await readFile(join(CHAMPION, 'model.json'), 'utf8')) as ModelTrees;
  for (const { learner } of Object.values(model.heads)) learner.gradient_booster.model.trees.length = 1;
  return JSON.stringify(model) + '\n';
}

async function readCard(directory: string): Promise<{ model_version: string }> {
  return JSON.parse(await readFile(join(directory, 'card.json'), 'utf8')) as { model_version: string };
}
