import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, run, start, type Running } from '../../bench/support/processes.js';
import { wholly } from '../../bench/support/wholly.js';
import { packageRoot } from '../../schema/package-root.js';
import { eventuallyAnswered } from './client.js';

/** Pinned: what the engine is held against, and what logging a model takes beside it. */
const PACKAGES = ['mlflow==3.17.2', 'onnx==1.23.2', 'onnxruntime==1.30.0'];

const FINGERPRINT = createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 12);
const venv = (): string => join(packageRoot(), '.cache', 'mlflow', `venv-${FINGERPRINT}`);
/** Runs modules, not scripts of the environment: those name the directory that it was made in. */
const python = (): string => join(venv(), 'bin', 'python');

const install = (): Promise<void> =>
  wholly(venv(), async (into) => {
    await run('python3', ['-m', 'venv', into]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run(join(into, 'bin', 'python'), [...pip, ...PACKAGES]);
  });

/** A tracking server of MLflow, with its registry and its artifacts, in processes of its own. */
export class MlflowServer {
  private constructor(
    readonly url: string,
    private readonly running: Running,
  ) {}

  /** Installs MLflow once a checkout. @param directory for its database and artifacts */
  static async start(directory: string): Promise<MlflowServer> {
    await install();
    const port = await freePort();
    const running = start(
      python(),
      [
        ...['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port)],
        ...['--workers', '1', '--serve-artifacts'],
        ...['--backend-store-uri', `sqlite:///${join(directory, 'mlflow.db')}`],
        ...['--artifacts-destination', join(directory, 'artifacts')],
      ],
      {
        env: { ...process.env, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', MLFLOW_DISABLE_TELEMETRY: 'true' },
      },
    );
    const url = `http://127.0.0.1:${port}`;
    await eventuallyAnswered(
      'MLflow',
      async () => {
        if (!(await fetch(`${url}/health`)).ok) throw new Error(running.output());
      },
      120_000,
    );
    return new MlflowServer(url, running);
  }

  /** Uploads a model directory as the artifacts of a new run and registers it. @returns version and run */
  async register(name: string, directory: string): Promise<{ version: string; runId: string }> {
    const { run: made } = await this.post<{ run: { info: { run_id: string; experiment_id: string } } }>('runs/create', {
      experiment_id: '0',
      start_time: 0,
    });
    const { run_id: runId, experiment_id: experiment } = made.info;
    const path = `${experiment}/${runId}/artifacts/model`;
    for (const file of await readdir(directory)) {
      const body = await readFile(join(directory, file));
      const answer = await fetch(`${this.url}/api/2.0/mlflow-artifacts/artifacts/${path}/${file}`, {
        method: 'PUT',
        body,
      });
      if (!answer.ok) throw new Error(`${file}: HTTP ${answer.status}`);
    }
    if (!(await this.isRegistered(name))) await this.post('registered-models/create', { name });
    const { model_version: registered } = await this.post<{ model_version: { version: string } }>(
      'model-versions/create',
      { name, source: `mlflow-artifacts:/${path}`, run_id: runId },
    );
    return { version: registered.version, runId };
  }

  /** Logs and registers a model directory as training does. @returns version and run */
  async track(directory: string, report: string): Promise<{ version: string; runId: string }> {
    const script = join(packageRoot(), 'models', 'training', 'tracking.py');
    const said = await run(python(), ['-B', script, '--model', directory, '--report', report], {
      env: { ...process.env, MLFLOW_TRACKING_URI: this.url },
    });
    const named = /logged as run (\w+), registered as version (\d+)/.exec(said);
    if (named === null) throw new Error(`tracking said: ${said}`);
    return { version: named[2], runId: named[1] };
  }

  /** A question of the REST API. */
  async get<T>(path: string, query: Record<string, string>): Promise<T> {
    const answer = await fetch(`${this.url}/api/2.0/mlflow/${path}?${new URLSearchParams(query).toString()}`);
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** A file that a run has logged, as text. */
  async artifact(runId: string, path: string): Promise<string> {
    const { run } = await this.get<{ run: { info: { experiment_id: string } } }>('runs/get', { run_id: runId });
    const place = `${run.info.experiment_id}/${runId}/artifacts/${path}`;
    const answer = await fetch(`${this.url}/api/2.0/mlflow-artifacts/artifacts/${place}`);
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
    return answer.text();
  }

  async setAlias(name: string, alias: string, version: string): Promise<void> {
    await this.post('registered-models/alias', { name, alias, version });
  }

  /** Ends it, workers and all. */
  async kill(): Promise<void> {
    await this.running.stop();
  }

  private async isRegistered(name: string): Promise<boolean> {
    const query = new URLSearchParams({ name }).toString();
    const answer = await fetch(`${this.url}/api/2.0/mlflow/registered-models/get?${query}`);
    if (answer.ok || answer.status === 404) return answer.ok;
    throw new Error(`registered-models/get: HTTP ${answer.status} ${await answer.text()}`);
  }

  private async post<T>(path: string, body: object): Promise<T> {
    const answer = await fetch(`${this.url}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}
