import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MlflowServer } from '../../test/support/mlflow.js';
import { anotherModel } from '../../test/support/models.js';
import { describeWith } from '../../test/support/requirements.js';
import { main } from './main.js';

const NAME = 'gpu-actuary-failure';

await describeWith('python', 'gpu-actuary model, on a registry', () => {
  const root = mkdtempSync(join(tmpdir(), 'gpu-actuary-registry-'));
  let server: MlflowServer | undefined;

  const command = async (...argv: string[]): Promise<{ status: number; out: string; err: string }> => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(JSON.stringify({ gpu_uuid: 'GPU-a', features: { gpu_temp_mean: 60 } }));
    const environment = { GPU_ACTUARY_MODEL_MLFLOW_URL: server!.url };
    const status = await main(argv, environment, { stdin, stdout, stderr });
    return { status, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
  };
  const register = async (version: string, change?: (directory: string) => void): Promise<string> => {
    await anotherModel(join(root, version), version);
    change?.(join(root, version));
    return (await server!.register(NAME, join(root, version))).runId;
  };
  const inForce = async (): Promise<string | undefined> =>
    (await command('model', 'list')).out.split('\n').find((line) => line.endsWith('in force: champion'));

  beforeAll(async () => {
    server = await MlflowServer.start(root);
  }, 600_000);
  afterAll(async () => {
    await server?.kill();
    rmSync(root, { recursive: true, force: true });
  });

  it('lists, checks, puts in force and takes back the versions of the registered model, and explains by the one in force', async () => {
    expect(await command('model', 'list')).toMatchObject({ status: 0, out: '' });
    const runs = [await register('model-1'), await register('model-2')];
    await register('corrupt', (directory) => {
      const file = join(directory, 'model.onnx');
      writeFileSync(file, readFileSync(file).subarray(0, 5_000));
    });
    expect((await command('model', 'list')).out.split('\n').map((line) => line.slice(0, 9))).toEqual([
      ...['version 3', 'version 2', 'version 1'],
      '',
    ]);
    expect((await command('explain', '--features', '-')).err).toMatch(/model_missing: .*gpu-actuary-failure@champion/);

    expect((await command('model', 'promote', '1')).out).toMatch(new RegExp(`^in force: model-1, run ${runs[0]}`));
    expect((await command('model', 'promote', '2')).out).toMatch(new RegExp(`^in force: model-2, run ${runs[1]}`));
    expect(await inForce()).toBe(`version 2, run ${runs[1]}, in force: champion`);
    expect((await command('model', 'show')).out).toMatch(/^model +model-2\nfrom +gpu-actuary-failure@champion\n/);
    const explained = await command('explain', '--features', '-', '--json');
    expect(JSON.parse(explained.out)).toMatchObject({ model_version: 'model-2', run_id: runs[1] });

    expect((await command('model', 'verify', '1')).out).toMatch(/^usable: model-1, .* naming the factors .* ms\n$/);
    expect((await command('model', 'verify', join(root, 'model-1'))).status).toBe(0);
    for (const verb of ['verify', 'promote'])
      expect(await command('model', verb, '3')).toMatchObject({
        status: 1,
        err: expect.stringContaining('model_corrupt') as string,
      });
    expect((await command('model', 'promote', '9')).err).toMatch(/model_missing: .*version 9/);
    expect(await command('model', 'promote', join(root, 'model-1'))).toMatchObject({
      status: 2,
      err: expect.stringMatching(/usage: .*is no version of gpu-actuary-failure/) as string,
    });
    expect(await inForce()).toContain('version 2');

    expect((await command('model', 'rollback')).out).toMatch(/^in force again: model-1/);
    expect(await inForce()).toContain('version 1');
    expect((await command('model', 'rollback')).err).toMatch(/model_missing: no version/);
    // Nothing is left of what was fetched.
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('gpu-actuary-model-'))).toEqual([]);
  }, 300_000);

  it('says that a server does not answer', async () => {
    const away = await command('model', 'list', '--set', 'model.mlflow.url=http://127.0.0.1:9');
    expect(away.status).toBe(1);
    expect(away.err).toContain('mlflow_unreachable');
  });
});
