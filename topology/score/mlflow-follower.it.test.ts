import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { V1_FEATURES } from '../../schema/features.js';
import { MlflowServer } from '../../test/support/mlflow.js';
import { anotherModel } from '../../test/support/models.js';
import { describeWith } from '../../test/support/requirements.js';
import { MlflowFollower } from './mlflow-follower.js';
import { ModelsInForce } from './models.js';

const NAME = 'gpu-actuary-failure';

await describeWith('python', 'the alias of a registered model, on a real MLflow server', () => {
  const root = mkdtempSync(join(tmpdir(), 'gpu-actuary-mlflow-'));
  let server: MlflowServer;
  let isUp = false;
  const refused: string[] = [];
  const logged: string[] = [];
  const write = (fields: object, message: string): void => void logged.push(JSON.stringify(fields) + message);
  const follower = (url: string, cache = 'cache'): MlflowFollower =>
    new MlflowFollower({
      settings: {
        ...{ url, token: 'a secret token', name: NAME, alias: 'champion', everyMs: 1_000, timeoutMs: 10_000 },
        cacheDirectory: join(root, cache),
      },
      featureSet: 'v2',
      verdicts: { refused: (code, what) => refused.push(`${what}: ${code}`), usable: () => undefined },
      log: { debug: write, info: write, warn: write, error: write },
    });
  /** Registers a model and lets the alias stand for it. */
  const publish = async (version: string, change?: (directory: string) => void): Promise<string> => {
    const directory = join(root, version);
    const fields = version === 'other-features' ? { features: [...V1_FEATURES].reverse() } : {};
    await anotherModel(directory, version, `run of ${version}`, fields);
    change?.(directory);
    const registered = await server.register(NAME, directory);
    await server.setAlias(NAME, 'champion', registered.version);
    return registered.runId;
  };

  beforeAll(async () => {
    server = await MlflowServer.start(root);
    isUp = true;
  }, 600_000);
  afterAll(async () => {
    if (isUp) await server.kill();
    rmSync(root, { recursive: true, force: true });
  });

  it('is followed from version to version; what is bad is refused once, and MLflow being away changes nothing', async () => {
    const one = follower(server.url);
    expect(await one.first()).toBeNull();
    expect(refused).toEqual([]);
    const run = await publish('model-1');
    const models = new ModelsInForce((await one.first())!);
    const look = async (): Promise<string> => {
      await one.look(models);
      return models.take().modelVersion;
    };
    expect(models.current).toMatchObject({ modelVersion: 'model-1', runId: run });
    expect(await look()).toBe('model-1');
    await publish('model-2');
    expect(await look()).toBe('model-2');

    await publish('corrupt', (directory) => {
      const file = join(directory, 'model.onnx');
      writeFileSync(file, readFileSync(file).subarray(0, 5_000));
    });
    expect([await look(), await look(), await look()]).toEqual(['model-2', 'model-2', 'model-2']);
    expect(refused).toEqual(['version 3: model_corrupt']);
    await publish('other-features');
    expect(await look()).toBe('model-2');
    await publish('unsealed', (directory) => rmSync(join(directory, 'manifest.json')));
    expect([await look(), await look()]).toEqual(['model-2', 'model-2']);
    expect(refused).toEqual(['version 3: model_corrupt', 'version 4: model_mismatch', 'version 5: model_unsealed']);
    const firstRun = await publish('model-3');
    expect(await look()).toBe('model-3');
    expect(models.current.runId).toBe(firstRun);
    const lastRun = await publish('model-3');
    expect(await look()).toBe('model-3');
    expect(models.current.runId).toBe(lastRun);
    expect(lastRun).not.toBe(firstRun);

    writeFileSync(join(root, 'no-directory'), '');
    expect(await follower(server.url, 'no-directory').first()).toBeNull();
    expect(logged.filter((line) => line.includes('output_unwritable'))).toHaveLength(1);

    // The three that passed last, and nothing of those that did not.
    expect(readdirSync(join(root, 'cache')).sort()).toEqual(['current.json', `${NAME}-2`, `${NAME}-6`, `${NAME}-7`]);

    await server.kill();
    isUp = false;
    expect([await look(), await look()]).toEqual(['model-3', 'model-3']);
    expect(logged.filter((line) => line.includes('mlflow_unreachable'))).toHaveLength(1);
    await models.closeAll();
    const two = follower(server.url);
    const again = await two.first();
    expect(again).toMatchObject({ modelVersion: 'model-3', runId: lastRun });
    await again?.close();
    expect(logged.join('\n')).not.toContain('a secret token');
  }, 300_000);
});
