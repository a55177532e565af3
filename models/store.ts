import { appendFile, cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { isoTime } from '../schema/records.js';
import { readModel, type ModelFiles } from './card.js';
import { readIfThere } from './manifest.js';
import { OnnxScorer } from './onnx-scorer.js';

/**
 * Models in a directory: the one that serves (`champion`), those that did or may (`archive/<version>-<digest>`), and
 * what was put in force when (`promotions.jsonl`). Everything is copied beside its place and renamed into it, so that an
 * engine that looks meanwhile sees a whole model or none.
 */
export interface StoredModel {
  readonly directory: string;
  /** Null where it cannot be read. */
  readonly files: ModelFiles | null;
  /** Why not. */
  readonly problem: string | null;
}

/** A line of promotions.jsonl. Directories are relative to it. */
interface Promotion {
  readonly at: string;
  readonly action: 'promote' | 'rollback';
  readonly model_version: string;
  readonly run_id: string | null;
  readonly directory: string;
  /** What was in force before; null where nothing was, or nothing that can be read. */
  readonly before: string | null;
}

export class ModelStore {
  private readonly root: string;
  private readonly archive: string;
  private readonly promotions: string;

  /** @param serving directory of the model that serves */
  constructor(private readonly serving: string) {
    this.root = dirname(serving);
    this.archive = join(this.root, 'archive');
    this.promotions = join(this.root, 'promotions.jsonl');
  }

  /** The serving model first, then the archive by name. Checksums are held against the files; nothing is computed. */
  async list(): Promise<StoredModel[]> {
    const names = await readdir(this.archive).catch(() => []);
    const directories = [this.serving, ...names.sort().map((name) => join(this.archive, name))];
    return Promise.all(directories.map(look));
  }

  /**
   * Puts a model in force; the one before goes to the archive.
   * @param source directory, or the version or name of one in the archive
   * @throws ActuaryError as OnnxScorer.load; model_missing: there is no such model; model_unsealed: it has no manifest.
   *   Nothing is changed then
   */
  async promote(source: string, nowMs: number): Promise<VerifiedModel> {
    const directory = await this.find(source);
    const verified = await verifySealed(directory);
    const serving = await look(this.serving);
    // What is in force already would come back by a rollback that changes nothing.
    if (serving.files?.digest !== verified.digest) await this.install(directory, verified, 'promote', nowMs);
    return verified;
  }

  /**
   * Puts the model in force that was before the last promotion that has not been taken back.
   * @throws ActuaryError model_missing: there is none, and as {@link promote}
   */
  async rollback(nowMs: number): Promise<VerifiedModel> {
    const directory = (await this.before()).at(-1);
    if (directory === undefined)
      throw new ActuaryError('model_missing', `${this.promotions} names no model that was in force before`);
    const verified = await verifySealed(join(this.root, directory));
    await this.install(join(this.root, directory), verified, 'rollback', nowMs);
    return verified;
  }

  /** What was in force before each promotion that has not been taken back, the newest last. */
  private async before(): Promise<string[]> {
    const text = (await readIfThere(this.promotions))?.toString('utf8') ?? '';
    const before: string[] = [];
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const promotion = JSON.parse(line) as Promotion;
      if (promotion.action === 'rollback') before.pop();
      else if (promotion.before !== null) before.push(promotion.before);
    }
    return before;
  }

  private async find(source: string): Promise<string> {
    if ((await look(source)).files !== null) return source;
    const inArchive = (await this.list()).slice(1);
    const named = inArchive.filter(
      ({ directory, files }) => basename(directory) === source || files?.card.model_version === source,
    );
    if (named.length > 1)
      throw new ActuaryError(
        'usage',
        `${source} is ${named.map(({ directory }) => basename(directory)).join(' and ')}: say which`,
      );
    if (named.length === 1) return named[0].directory;
    // A directory that is no model is told what it lacks.
    try {
      await stat(source);
      return source;
    } catch (error) {
      throw new ActuaryError(
        'model_missing',
        `${source} is no directory, and no version or name in ${this.archive}: \`gpu-actuary model list\` shows what there is (${messageOf(error)})`,
        { cause: error },
      );
    }
  }

  private async install(source: string, files: ModelFiles, action: Promotion['action'], nowMs: number): Promise<void> {
    const serving = await look(this.serving);
    const before = serving.files === null ? null : await this.keep(this.serving, serving.files);
    const kept = await this.keep(source, files);
    const [next, old] = [`${this.serving}.next`, `${this.serving}.old`];
    for (const left of [next, old]) await rm(left, { recursive: true, force: true });
    await cp(join(this.root, kept), next, { recursive: true });
    if (serving.files !== null || serving.problem !== null)
      await rename(this.serving, old).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    await rename(next, this.serving);
    await rm(old, { recursive: true, force: true });
    const { card, manifest } = files;
    const line: Promotion = {
      ...{ at: isoTime(nowMs), action, model_version: card.model_version, run_id: manifest?.run_id ?? null },
      ...{ directory: kept, before },
    };
    await appendFile(this.promotions, JSON.stringify(line) + '\n');
  }

  /** Copies a model into the archive, unless it is there. @returns its directory relative to the root */
  private async keep(directory: string, { card, digest }: ModelFiles): Promise<string> {
    const place = join(this.archive, `${card.model_version}-${digest.slice(0, 8)}`);
    if ((await look(place)).files?.digest !== digest) {
      await mkdir(this.archive, { recursive: true });
      await rm(place, { recursive: true, force: true });
      await rm(`${place}.next`, { recursive: true, force: true });
      await cp(directory, `${place}.next`, { recursive: true });
      await rename(`${place}.next`, place);
    }
    return relative(this.root, place);
  }
}

async function look(directory: string): Promise<StoredModel> {
  try {
    return { directory, files: await readModel(directory), problem: null };
  } catch (error) {
    return { directory, files: null, problem: messageOf(error) };
  }
}

/** A model that an engine would take, and that is sealed. */
export interface VerifiedModel extends ModelFiles {
  /** What naming the factors of a row takes, ms; null where nothing can be named. */
  readonly explanationMs: number | null;
  /** Training run that made it; null where neither manifest nor registry names one. */
  readonly runId: string | null;
}

/**
 * Loads a model as the engine does, and asks for its manifest, which an engine does without.
 * @throws ActuaryError as OnnxScorer.load, and model_unsealed
 */
export async function verifySealed(directory: string): Promise<VerifiedModel> {
  const files = await readModel(directory);
  if (files.manifest === null)
    throw new ActuaryError(
      'model_unsealed',
      `${directory} has no manifest.json: nothing says that its files belong together. Write it with \`gpu-actuary model seal ${directory}\`.`,
    );
  const scorer = await OnnxScorer.load(directory);
  await scorer.close();
  return { ...files, explanationMs: scorer.explanationMs, runId: scorer.runId };
}
