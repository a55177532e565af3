import { cp, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeManifest } from '../../models/manifest.js';
import { packageRoot } from '../../schema/package-root.js';
import { removeScratch, scratchDirectory } from './scratch.js';

/** How often an engine of the benchmarks looks at its model directory, and how long a model stays there. */
export const WATCH_MS = 250;
const STAYS_MS = 2_500;
const DAMAGED_BYTES = 5_000;

/**
 * A model directory in which another model stands every so often: the champion, under other versions, and each third
 * time one that is to be refused, by turns a damaged one and one of other features. All are made before, so that a
 * switch is two renames and takes nothing of the machine that is measured.
 */
export class ModelSwitches {
  private done = 0;

  private constructor(
    private readonly root: string,
    private readonly count: number,
  ) {}

  /** @param spanMs for so long there are models enough */
  static async make(spanMs: number): Promise<ModelSwitches> {
    const root = scratchDirectory('bench-models');
    const made = new ModelSwitches(root, Math.max(1, Math.floor(spanMs / STAYS_MS)));
    for (let version = 0; version <= made.count; version++) {
      const directory = version === 0 ? made.directory : join(root, String(version));
      await cp(join(packageRoot(), 'models', 'champion'), directory, { recursive: true });
      const file = join(directory, 'card.json');
      const champion = JSON.parse(await readFile(file, 'utf8')) as { readonly features: readonly string[] };
      const card = { ...champion, model_version: `model-${version}` };
      const isOther = version % 6 === 5;
      await writeFile(file, JSON.stringify(isOther ? { ...card, features: [...card.features].reverse() } : card));
      await writeManifest(directory, card.model_version, null);
      if (version % 6 === 2) await truncate(join(directory, 'model.onnx'), DAMAGED_BYTES);
    }
    return made;
  }

  /** What the engine is to be told to use. */
  get directory(): string {
    return join(this.root, 'serving');
  }

  /** Switches until all models have stood there. @returns how many there were */
  async run(): Promise<number> {
    while (this.done < this.count) {
      await rename(this.directory, join(this.root, `left-${this.done}`));
      await rename(join(this.root, String(++this.done)), this.directory);
      await delay(STAYS_MS);
    }
    return this.done;
  }

  remove(): void {
    removeScratch(this.root);
  }
}
