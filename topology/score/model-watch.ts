import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readModel } from '../../models/card.js';
import { resolveModelDirectory } from '../../models/load.js';
import { MANIFEST_FILE, OPTIONAL_FILES, REQUIRED_FILES } from '../../models/manifest.js';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import { ActuaryError } from '../../schema/errors.js';
import type { Log } from '../roles/role.js';
import { checkFits, warnIfDear, type ModelsInForce, type ModelVerdicts } from './models.js';

export interface ModelWatchOptions {
  /** As configured: a relative one is looked up anew each time. */
  readonly directory: string;
  readonly everyMs: number;
  readonly featureSet: 'v1' | 'v2';
  readonly models: ModelsInForce;
  readonly verdicts: ModelVerdicts;
  readonly log: Log;
}

/**
 * Looks at the model directory now and then. What has changed there and then stood still for a look is loaded, checked
 * and warmed up, and offered to the score role; what does not pass is refused, once, and the model before goes on.
 */
export class ModelWatch {
  private readonly stopped = new AbortController();
  private running: Promise<void> = Promise.resolve();
  /** What the directory looked like the last time, and when it was last dealt with. */
  private seen: string | null = null;
  private dealtWith: string | null = null;

  constructor(private readonly options: ModelWatchOptions) {}

  /** Looks from now on. What has changed since the model in force was loaded is found at the second look. */
  start(): void {
    this.running = this.run();
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.running;
  }

  /** Looks once. */
  async look(): Promise<void> {
    const directory = resolveModelDirectory(this.options.directory);
    const now = await fingerprint(directory);
    // Between two renames there is nothing.
    if (now === null || now === this.dealtWith) return;
    const isSettled = now === this.seen;
    this.seen = now;
    if (!isSettled) return;
    this.dealtWith = now;
    await this.bringIn(directory);
  }

  private async bringIn(directory: string): Promise<void> {
    const { models, verdicts, log, featureSet } = this.options;
    try {
      const { digest } = await readModel(directory);
      // As at the start, or as before something else stood there.
      if (digest === models.newest.digest) return verdicts.usable(models.newest.modelVersion);
      const model = await OnnxScorer.load(directory);
      try {
        checkFits(model, featureSet);
      } catch (error) {
        await model.close();
        throw error;
      }
      const { modelVersion, runId } = model;
      log.info({ model: modelVersion, run_id: runId, digest }, 'another model is checked and warm');
      warnIfDear(model, log);
      models.offer(model);
      verdicts.usable(modelVersion);
    } catch (error) {
      if (!(error instanceof ActuaryError)) throw error;
      verdicts.refused(error.code, 'what it holds');
      log.error(
        { code: error.code, stays: models.newest.modelVersion },
        `model refused, the one before stays: ${error.message}`,
      );
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        await delay(this.options.everyMs, undefined, { signal, ref: false });
      } catch {
        return;
      }
      try {
        await this.look();
      } catch (error) {
        this.options.log.error({ code: 'internal' }, `looking at the model directory: ${String(error)}`);
      }
    }
  }
}

/** Changes whenever one of the files does; null where there is no model. */
async function fingerprint(directory: string): Promise<string | null> {
  const parts: string[] = [directory];
  for (const name of [MANIFEST_FILE, ...REQUIRED_FILES, ...OPTIONAL_FILES]) {
    const found = await stat(join(directory, name)).catch(() => null);
    if (found === null && (name === 'card.json' || name === 'model.onnx')) return null;
    parts.push(found === null ? '-' : `${found.ino} ${found.size} ${found.mtimeMs}`);
  }
  return parts.join('\n');
}
