import { statSync } from 'node:fs';
import { resolveModelDirectory, loadScorer } from '../../models/load.js';
import { MlflowClient } from '../../models/mlflow.js';
import { ModelRegistry } from '../../models/registry.js';
import type { Scorer } from '../../models/scorer.js';
import { ModelStore, type StoredModel, type VerifiedModel } from '../../models/store.js';
import type { ModelFiles } from '../../models/card.js';
import { systemClock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { ActuaryError } from '../../schema/errors.js';

/** Where the engines of a configuration have their models from: a directory and its archive, or a registry. */
export interface ModelPlace {
  list(): Promise<readonly { readonly line: string; readonly json: object }[]>;
  /**
   * Has something done with the files of a model.
   * @param named directory or version; the model in force if undefined
   */
  withFiles<T>(named: string | undefined, use: (directory: string) => Promise<T>): Promise<T>;
  promote(model: string): Promise<VerifiedModel>;
  rollback(): Promise<VerifiedModel>;
}

/** @throws ActuaryError usage: neither is configured; config_invalid */
export function modelPlaceOf(config: Config): ModelPlace {
  const registry = registryOf(config);
  if (registry !== null) return placeOfRegistry(registry, config.model.mlflow);
  const { directory } = config.model;
  if (directory === null) throw new ActuaryError('usage', 'no model directory is configured: set model.directory');
  const path = resolveModelDirectory(directory);
  const store = new ModelStore(path);
  return {
    list: async () => (await store.list()).map((model) => ({ line: lineOfStored(model), json: listed(model) })),
    withFiles: (named, use) => use(named ?? path),
    promote: (model) => store.promote(model, systemClock.now()),
    rollback: () => store.rollback(systemClock.now()),
  };
}

function placeOfRegistry(registry: ModelRegistry, { name, alias }: Config['model']['mlflow']): ModelPlace {
  return {
    list: async () =>
      (await registry.list()).map(({ version, runId, isInForce }) => ({
        line: `version ${version}, run ${runId ?? 'not known'}${isInForce ? `, in force: ${alias}` : ''}`,
        json: { name, version, run_id: runId, in_force: isInForce },
      })),
    withFiles: (named, use) =>
      named !== undefined && isDirectory(named) ? use(named) : registry.withFiles(named ?? null, use),
    promote: (model) => {
      if (!/^\d+$/.test(model))
        throw new ActuaryError(
          'usage',
          `${model} is no version of ${name}: with model.mlflow.url set, what ${name}@${alias} stands for is in force. Register the model there, or say --set model.mlflow.url=null to mean model.directory`,
        );
      return registry.promote(model);
    },
    rollback: () => registry.rollback(),
  };
}

/**
 * The model that engines of this configuration serve.
 * @throws ActuaryError as loadScorer and ModelRegistry.inForce
 */
export async function loadInForce(config: Config): Promise<Scorer> {
  return registryOf(config)?.inForce() ?? loadScorer(config.model.directory);
}

function registryOf({ model: { mlflow } }: Config): ModelRegistry | null {
  const { url, token, timeoutMs, name, alias } = mlflow;
  if (url === null) return null;
  return new ModelRegistry(
    new MlflowClient({ url, token, timeoutMs, stopped: new AbortController().signal }),
    name,
    alias,
  );
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

export function lineOf({ card, manifest, digest }: ModelFiles, runId = manifest?.run_id ?? null): string {
  return `${card.model_version}, run ${runId ?? 'not known'}, ${manifest === null ? 'no manifest' : `digest ${digest.slice(0, 12)}`}`;
}

export function identityOf({ card, manifest, digest }: ModelFiles, runId = manifest?.run_id ?? null): object {
  return { model_version: card.model_version, run_id: runId, digest };
}

function listed({ directory, files, problem }: StoredModel): object {
  return { directory, ...(files === null ? { problem } : { ...identityOf(files), sealed: files.manifest !== null }) };
}

function lineOfStored({ directory, files, problem }: StoredModel): string {
  return `${directory}: ${files === null ? `not usable: ${problem}` : lineOf(files)}`;
}
