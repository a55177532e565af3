import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { MANIFEST_FILE, parseManifest } from './manifest.js';

/** What an alias of a registered model stands for now. */
export interface RegisteredModel {
  readonly version: string;
  readonly runId: string | null;
}

export interface MlflowOptions {
  /** `user:password@` before the host is sent as basic authentication. */
  readonly url: string;
  /** Bearer token; null where the server asks for none. */
  readonly token: string | null;
  readonly timeoutMs: number;
  /** Ends whatever is being waited for. */
  readonly stopped: AbortSignal;
}

interface Version {
  readonly version: string;
  readonly run_id?: string;
}
interface Alias {
  readonly alias: string;
  readonly version: string;
}
interface Tag {
  readonly key: string;
  readonly value: string;
}

const ARTIFACTS = 'mlflow-artifacts:/';
/** A missing alias or model is not always a 404. */
const ABSENT = new Set(['RESOURCE_DOES_NOT_EXIST', 'INVALID_PARAMETER_VALUE']);

/** What the registry says of a model as a whole. */
export interface RegisteredName {
  /** Versions by alias. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
}

/** The part of MLflow's REST API by which a model is found, fetched and put in force. The server has to serve artifacts. */
export class MlflowClient {
  private readonly base: string;
  private readonly headers: Record<string, string>;

  /** @throws ActuaryError config_invalid */
  constructor(private readonly options: MlflowOptions) {
    const { base, headers } = accessOf(options);
    this.base = base;
    this.headers = headers;
  }

  /**
   * @returns null where there is no such model or alias
   * @throws ActuaryError mlflow_unreachable
   */
  async byAlias(name: string, alias: string): Promise<RegisteredModel | null> {
    const found = await this.ask<{ model_version: Version }>('registered-models/alias', { name, alias });
    return found === null ? null : registered(found.model_version);
  }

  /** @returns null where there is no such model or version. @throws ActuaryError mlflow_unreachable */
  async byVersion(name: string, version: string): Promise<RegisteredModel | null> {
    const found = await this.ask<{ model_version: Version }>('model-versions/get', { name, version });
    return found === null ? null : registered(found.model_version);
  }

  /** @returns null where there is no such model. @throws ActuaryError mlflow_unreachable */
  async byName(name: string): Promise<RegisteredName | null> {
    const found = await this.ask<{ registered_model: { aliases?: Alias[]; tags?: Tag[] } }>('registered-models/get', {
      name,
    });
    if (found === null) return null;
    const { aliases = [], tags = [] } = found.registered_model;
    return {
      aliases: new Map(aliases.map(({ alias, version }) => [alias, version])),
      tags: new Map(tags.map(({ key, value }) => [key, value])),
    };
  }

  /** All versions of a model, the newest first. @throws ActuaryError mlflow_unreachable */
  async versions(name: string): Promise<RegisteredModel[]> {
    const versions: Version[] = [];
    let page = '';
    do {
      // Names have no quotes: the registry refuses them.
      const query = { filter: `name='${name.replaceAll("'", '')}'`, ...(page === '' ? {} : { page_token: page }) };
      const found = await this.ask<{ model_versions?: Version[]; next_page_token?: string }>(
        'model-versions/search',
        query,
      );
      versions.push(...(found?.model_versions ?? []));
      page = found?.next_page_token ?? '';
    } while (page !== '');
    return versions.map(registered).sort((a, b) => Number(b.version) - Number(a.version));
  }

  /** From now on the alias stands for this version. @throws ActuaryError mlflow_unreachable */
  async setAlias(name: string, alias: string, version: string): Promise<void> {
    await this.post('registered-models/alias', { name, alias, version });
  }

  /** @throws ActuaryError mlflow_unreachable */
  async setTag(name: string, key: string, value: string): Promise<void> {
    await this.post('registered-models/set-tag', { name, key, value });
  }

  /**
   * Fetches the files of a model's manifest into a directory; whether they are the right ones is not looked at.
   * @throws ActuaryError mlflow_unreachable; model_unsealed, model_corrupt, model_missing
   */
  async fetchInto(name: string, { version }: RegisteredModel, directory: string): Promise<void> {
    const artifacts = await this.artifactsOf(name, version);
    await mkdir(directory, { recursive: true });
    const bytes = await this.artifact(artifacts, MANIFEST_FILE);
    if (bytes === null)
      throw new ActuaryError('model_unsealed', `version ${version} of the registered model has no ${MANIFEST_FILE}`);
    const manifest = parseManifest(bytes.toString('utf8'), `${MANIFEST_FILE} of version ${version}`);
    for (const wanted of Object.keys(manifest.files)) {
      const file = await this.artifact(artifacts, wanted);
      if (file === null)
        throw new ActuaryError('model_missing', `version ${version} of the registered model has no ${wanted}`);
      await writeFile(join(directory, wanted), file);
    }
    await writeFile(join(directory, MANIFEST_FILE), bytes);
  }

  /** Path of a version's artifacts below the server's artifact root. */
  private async artifactsOf(name: string, version: string): Promise<string> {
    const query = new URLSearchParams({ name, version }).toString();
    const answer = await this.get(`/api/2.0/mlflow/model-versions/get-download-uri?${query}`);
    if (!answer.ok) throw unreachable(`download URI of version ${version}: HTTP ${answer.status}`);
    const { artifact_uri: uri } = (await answer.json()) as { artifact_uri: string };
    if (!uri.startsWith(ARTIFACTS))
      throw new ActuaryError(
        'model_missing',
        `version ${version} of ${name} is kept outside the tracking server: start it with --serve-artifacts`,
      );
    // mlflow-artifacts:/a/b and mlflow-artifacts://host/a/b are both in use.
    return uri
      .slice(ARTIFACTS.length)
      .replace(/^\/[^/]+/, '')
      .replace(/^\/+/, '');
  }

  private async artifact(artifacts: string, name: string): Promise<Buffer | null> {
    const path = `${artifacts}/${name}`.split('/').map(encodeURIComponent).join('/');
    const answer = await this.get(`/api/2.0/mlflow-artifacts/artifacts/${path}`);
    if (answer.status === 404) return null;
    if (!answer.ok) throw unreachable(`artifact ${name}: HTTP ${answer.status}`);
    try {
      return Buffer.from(await answer.arrayBuffer());
    } catch (error) {
      throw unreachable(`artifact ${name}: ${messageOf(error)}`, error);
    }
  }

  private async ask<T>(what: string, query: Record<string, string>): Promise<T | null> {
    const answer = await this.get(`/api/2.0/mlflow/${what}?${new URLSearchParams(query).toString()}`);
    if (answer.ok) return (await answer.json()) as T;
    const code = await errorCodeOf(answer);
    if (ABSENT.has(code)) return null;
    throw unreachable(`${query.name === undefined ? what : nameOf(query)}: HTTP ${answer.status} ${code}`);
  }

  private async post(what: string, body: object): Promise<void> {
    const answer = await this.get(`/api/2.0/mlflow/${what}`, {
      method: 'POST',
      headers: { ...this.headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw unreachable(`${what}: HTTP ${answer.status} ${await errorCodeOf(answer)}`);
  }

  private async get(path: string, init: RequestInit = { headers: this.headers }): Promise<Response> {
    const { timeoutMs, stopped } = this.options;
    try {
      return await fetch(this.base + path, {
        ...init,
        signal: AbortSignal.any([stopped, AbortSignal.timeout(timeoutMs)]),
      });
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      throw unreachable(`${this.base}: ${messageOf(cause ?? error)}`, error);
    }
  }
}

/**
 * Where to ask and with what to show for it. What `fetch` would not take it names in its error, and errors are logged:
 * so secrets are taken out of the URL, and looked at before they are sent.
 */
function accessOf({ url, token }: MlflowOptions): { base: string; headers: Record<string, string> } {
  const invalid = (what: string): ActuaryError => new ActuaryError('config_invalid', `configuration: ${what}`);
  if (!URL.canParse(url)) throw invalid('model.mlflow.url is no URL');
  const parsed = new URL(url);
  const [user, password] = [parsed.username, parsed.password].map(decodeURIComponent);
  parsed.username = parsed.password = '';
  const base = parsed.href.replace(/\/+$/, '');
  if (token === null) {
    const basic = Buffer.from(`${user}:${password}`).toString('base64');
    return { base, headers: user === '' && password === '' ? {} : { authorization: `Basic ${basic}` } };
  }
  if (!/^[\x20-\x7e]+$/.test(token))
    throw invalid('model.mlflow.token has line breaks or characters beyond ASCII, and no header may have these');
  return { base, headers: { authorization: `Bearer ${token}` } };
}

function registered({ version, run_id: runId = '' }: Version): RegisteredModel {
  return { version, runId: runId === '' ? null : runId };
}

const nameOf = ({ name, alias, version }: Record<string, string | undefined>): string =>
  alias !== undefined ? `${name}@${alias}` : version === undefined ? `${name}` : `version ${version} of ${name}`;

async function errorCodeOf(answer: Response): Promise<string> {
  const { error_code } = (await answer.json().catch(() => ({}))) as { error_code?: string };
  return error_code ?? '';
}

function unreachable(what: string, cause?: unknown): ActuaryError {
  return new ActuaryError('mlflow_unreachable', `MLflow: ${what.trimEnd()}`, { cause });
}
