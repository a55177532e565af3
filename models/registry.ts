import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ActuaryError } from '../schema/errors.js';
import type { MlflowClient, RegisteredModel } from './mlflow.js';
import { OnnxScorer } from './onnx-scorer.js';
import { verifySealed, type VerifiedModel } from './store.js';

/** A version of the registered model. */
export interface ListedVersion extends RegisteredModel {
  readonly isInForce: boolean;
}

/** So many promotions can be taken back. */
const REMEMBERED = 50;

/**
 * The models of an MLflow registry, of which an alias says which one serves: by hand what {@link MlflowFollower} follows.
 * What was in force before each promotion is kept as a tag of the registered model, so that it can be taken back from
 * anywhere.
 */
export class ModelRegistry {
  constructor(
    private readonly client: MlflowClient,
    private readonly name: string,
    private readonly alias: string,
  ) {}

  /** The newest version first. @throws ActuaryError mlflow_unreachable */
  async list(): Promise<ListedVersion[]> {
    const inForce = (await this.client.byName(this.name))?.aliases.get(this.alias);
    const versions = await this.client.versions(this.name);
    return versions.map((one) => ({ ...one, isInForce: one.version === inForce }));
  }

  /**
   * Has something done with the files of a version, in a directory that is removed after it.
   * @param version that of the alias if null
   * @throws ActuaryError mlflow_unreachable, model_missing, model_unsealed, model_corrupt, and what `use` throws
   */
  async withFiles<T>(
    version: string | null,
    use: (directory: string, model: RegisteredModel) => Promise<T>,
  ): Promise<T> {
    const model = await this.find(version);
    const directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-model-'));
    try {
      await this.client.fetchInto(this.name, model, directory);
      return await use(directory, model);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** The model that the alias stands for. @throws ActuaryError as {@link withFiles} and OnnxScorer.load */
  inForce(): Promise<OnnxScorer> {
    return this.withFiles(null, (directory, { runId }) => OnnxScorer.load(directory, runId));
  }

  /** @throws ActuaryError as {@link withFiles} and verifySealed */
  verify(version: string | null): Promise<VerifiedModel & RegisteredModel> {
    return this.withFiles(version, async (directory, model) => ({ ...(await verifySealed(directory)), ...model }));
  }

  /** Puts a version in force, if it passes. @throws ActuaryError as {@link verify}; nothing is changed then */
  async promote(version: string): Promise<VerifiedModel & RegisteredModel> {
    const verified = await this.verify(version);
    const { inForce, before } = await this.promotions();
    if (inForce !== undefined && inForce !== version) await this.remember([...before, inForce]);
    await this.client.setAlias(this.name, this.alias, version);
    return verified;
  }

  /** Takes the last promotion back that has not been. @throws ActuaryError model_missing: there is none; as {@link verify} */
  async rollback(): Promise<VerifiedModel & RegisteredModel> {
    const { before } = await this.promotions();
    const version = before.at(-1);
    if (version === undefined)
      throw new ActuaryError(
        'model_missing',
        `no version of ${this.name} is known to have been in force before: \`gpu-actuary model promote\` remembers it, a move of the alias by others does not`,
      );
    const verified = await this.verify(version);
    await this.client.setAlias(this.name, this.alias, version);
    await this.remember(before.slice(0, -1));
    return verified;
  }

  private async find(version: string | null): Promise<RegisteredModel> {
    const { client, name, alias } = this;
    const model = version === null ? await client.byAlias(name, alias) : await client.byVersion(name, version);
    if (model !== null) return model;
    throw new ActuaryError(
      'model_missing',
      `the registry has no ${version === null ? `${name}@${alias}` : `version ${version} of ${name}`}: \`gpu-actuary model list\` shows what there is, --set model.mlflow.url=null means model.directory instead`,
    );
  }

  private async promotions(): Promise<{ inForce: string | undefined; before: string[] }> {
    const found = await this.client.byName(this.name);
    const text = found?.tags.get(this.tag) ?? '';
    return { inForce: found?.aliases.get(this.alias), before: text === '' ? [] : text.split(',') };
  }

  private remember(before: readonly string[]): Promise<void> {
    return this.client.setTag(this.name, this.tag, before.slice(-REMEMBERED).join());
  }

  private get tag(): string {
    return `gpu_actuary.before.${this.alias}`;
  }
}
