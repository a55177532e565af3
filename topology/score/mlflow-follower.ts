import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from '../../models/manifest.js';
import { MlflowClient, type RegisteredModel } from '../../models/mlflow.js';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import type { Config } from '../../schema/config.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { makeDirectory } from '../../schema/make-directory.js';
import type { Log } from '../roles/role.js';
import { checkFits, warnIfDear, type ModelsInForce, type ModelVerdicts } from './models.js';

/** Of the wait between two looks, at most, while MLflow does not answer. */
const LONGEST_BACKOFF = 8;
const CURRENT = 'current.json';
/** Versions that the cache keeps: the one in force, and those to look at when something is asked of it. */
const KEPT_VERSIONS = 3;

/** What current.json says of the model that passed last. */
interface Cached {
  readonly name: string;
  readonly version: string;
  readonly run_id: string | null;
}

export interface MlflowFollowerOptions {
  readonly settings: Config['model']['mlflow'];
  readonly featureSet: 'v1' | 'v2';
  readonly verdicts: ModelVerdicts;
  readonly log: Log;
}

/**
 * Follows an alias of a registered model. What it stands for is fetched into a cache, checked and warmed up there, and
 * offered to the score role. A version that does not pass is refused, once. MLflow being away changes nothing.
 */
export class MlflowFollower {
  private readonly client: MlflowClient;
  private readonly stopped = new AbortController();
  private running: Promise<void> = Promise.resolve();
  /** Version that was last dealt with, be it that it was refused. */
  private dealtWith: string | null = null;
  private failuresInARow = 0;

  /** @param options settings.url is one */
  constructor(private readonly options: MlflowFollowerOptions) {
    const { url, token, timeoutMs } = options.settings;
    this.client = new MlflowClient({ url: url!, token, timeoutMs, stopped: this.stopped.signal });
  }

  /**
   * The model to begin with: that of the alias, or while MLflow is away or its model is refused, the last one that
   * passed here. @returns null where there is neither
   */
  async first(): Promise<OnnxScorer | null> {
    return (await this.fetched()) ?? (await this.cached());
  }

  start(models: ModelsInForce): void {
    this.running = this.run(models);
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.running;
  }

  /** Looks once. */
  async look(models: ModelsInForce): Promise<void> {
    const model = await this.fetched();
    if (model === null) return;
    // The same files may come of another run: its name is what predictions are to bear then.
    const { digest, runId } = models.newest;
    if (model.digest === digest && model.runId === runId) await model.close();
    else models.offer(model);
  }

  /** The model of the alias, where it is another one than was last dealt with and passes. */
  private async fetched(): Promise<OnnxScorer | null> {
    const { settings, verdicts, log } = this.options;
    const { name, alias } = settings;
    let found: RegisteredModel | null = null;
    try {
      found = await this.client.byAlias(name, alias);
      this.failuresInARow = 0;
      if (found === null || found.version === this.dealtWith) return null;
      const model = await this.bringIn(found);
      log.info(
        { model: model.modelVersion, run_id: model.runId, digest: model.digest, version: found.version },
        `${name}@${alias} is checked and warm`,
      );
      warnIfDear(model, log);
      verdicts.usable(model.modelVersion);
      return model;
    } catch (error) {
      if (!(error instanceof ActuaryError)) {
        if (!isOfFiles(error)) throw error;
        // It says nothing of the model: it is fetched again.
        this.dealtWith = null;
        log.error({ code: 'output_unwritable' }, `${messageOf(error)}: the model before stays`);
        return null;
      }
      if (error.code === 'mlflow_unreachable') {
        // Said when it goes away, not as long as it is.
        if (this.failuresInARow++ === 0) log.warn({ code: error.code }, `${error.message}: the model in force stays`);
      } else {
        this.dealtWith = found?.version ?? this.dealtWith;
        verdicts.refused(error.code, `version ${found?.version}`);
        log.error({ code: error.code }, `model refused, the one before stays: ${error.message}`);
      }
      return null;
    }
  }

  private async bringIn(found: RegisteredModel): Promise<OnnxScorer> {
    const { settings, featureSet } = this.options;
    const place = join(settings.cacheDirectory, `${settings.name}-${found.version}`);
    const fetching = `${place}.next`;
    await makeDirectory(settings.cacheDirectory);
    let model: OnnxScorer | null = null;
    try {
      await rm(fetching, { recursive: true, force: true });
      await this.client.fetchInto(settings.name, found, fetching);
      // Whole, and so worth a judgement: what could not be fetched is tried again instead.
      this.dealtWith = found.version;
      model = await OnnxScorer.load(fetching, found.runId);
      checkFits(model, featureSet);
      await rm(place, { recursive: true, force: true });
      await rename(fetching, place);
      const current = join(settings.cacheDirectory, CURRENT);
      const kept: Cached = { name: settings.name, version: found.version, run_id: found.runId };
      await writeFile(`${current}.next`, JSON.stringify(kept) + '\n');
      await rename(`${current}.next`, current);
      // A model that passed speaks, whatever is left of others.
      await this.prune().catch(this.notCleaned);
      return model;
    } catch (error) {
      await model?.close();
      // Nothing is left of what did not pass.
      await rm(fetching, { recursive: true, force: true }).catch(this.notCleaned);
      throw error;
    }
  }

  /** Takes the oldest versions of this model out of the cache. */
  private async prune(): Promise<void> {
    const { cacheDirectory, name } = this.options.settings;
    const versions: { readonly place: string; readonly sinceMs: number }[] = [];
    for (const entry of await readdir(cacheDirectory)) {
      if (!entry.startsWith(`${name}-`) || !/^\d+$/.test(entry.slice(name.length + 1))) continue;
      const place = join(cacheDirectory, entry);
      // Fetched anew each time that the alias comes back to it.
      versions.push({ place, sinceMs: (await stat(place)).mtimeMs });
    }
    versions.sort((a, b) => b.sinceMs - a.sinceMs);
    for (const { place } of versions.slice(KEPT_VERSIONS)) await rm(place, { recursive: true, force: true });
  }

  private readonly notCleaned = (error: unknown): void => {
    this.options.log.warn({ code: 'output_unwritable' }, `the model cache is not cleaned up: ${messageOf(error)}`);
  };

  /** The last model that passed. */
  private async cached(): Promise<OnnxScorer | null> {
    const { settings, featureSet, log } = this.options;
    try {
      const text = await readIfThere(join(settings.cacheDirectory, CURRENT));
      if (text === null) return null;
      const { name, version, run_id } = JSON.parse(text.toString('utf8')) as Cached;
      if (name !== settings.name) return null;
      const model = await OnnxScorer.load(join(settings.cacheDirectory, `${name}-${version}`), run_id);
      checkFits(model, featureSet);
      log.info({ model: model.modelVersion, version }, 'the model comes from the cache');
      return model;
    } catch (error) {
      log.warn({ code: error instanceof ActuaryError ? error.code : 'model_corrupt' }, `model cache: ${String(error)}`);
      return null;
    }
  }

  private async run(models: ModelsInForce): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      const factor = Math.min(LONGEST_BACKOFF, 2 ** this.failuresInARow);
      try {
        await delay(this.options.settings.everyMs * factor, undefined, { signal, ref: false });
      } catch {
        return;
      }
      try {
        await this.look(models);
      } catch (error) {
        this.options.log.error({ code: 'internal' }, `following MLflow: ${String(error)}`);
      }
    }
  }
}

/** A full disk, a directory that may not be written to. */
const isOfFiles = (error: unknown): boolean => error instanceof Error && 'syscall' in error;
