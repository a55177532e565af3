import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { freePort } from '../../bench/support/processes.js';
import { AvroCodec } from '../../schema/avro.js';
import { V1_FEATURES } from '../../schema/features.js';
import type { AlertRecord } from '../../schema/records.js';
import { eventually, TestClient } from '../../test/support/client.js';
import type { EngineCommand } from '../../test/support/engine-command.js';
import { Engines } from '../../test/support/engines.js';
import { FleetFeed } from '../../test/support/fleet-feed.js';
import { MlflowServer } from '../../test/support/mlflow.js';
import { anotherModel } from '../../test/support/models.js';
import { describeWith } from '../../test/support/requirements.js';
import { everythingScored, expectUndisturbed } from '../../test/support/scored.js';

const RAW = 'raw';
const NAME = 'gpu-actuary-failure';

interface Run {
  readonly run: {
    readonly data: {
      readonly params: { readonly key: string; readonly value: string }[];
      readonly metrics: { readonly key: string; readonly value: number }[];
      readonly tags: { readonly key: string; readonly value: string }[];
    };
  };
}

await describeWith('kraft and python', 'a model from its training run to its predictions', () => {
  let broker: Broker;
  let server: MlflowServer | undefined;
  let client: TestClient;
  let codec: AvroCodec;
  const root = mkdtempSync(join(tmpdir(), 'gpu-actuary-alias-'));
  const report = join(root, 'report');
  let engines: Engines;
  let feed: FleetFeed;

  /** Logs a model as training does. */
  const track = async (version: string): Promise<{ version: string; runId: string }> => {
    await anotherModel(join(root, version), version, null, { data: { rows: 7, sha256: 'ab'.repeat(32) } });
    return server!.track(join(root, version), report);
  };

  /** Lets the alias stand for a version that no engine takes, and feeds on until this one has said so. */
  const refused = async (engine: EngineCommand, what: string, code: string): Promise<void> => {
    const directory = join(root, what);
    await anotherModel(directory, what, null, what === 'corrupt' ? {} : { features: [...V1_FEATURES].reverse() });
    if (what === 'corrupt') truncateSync(join(directory, 'model.onnx'), 5_000);
    const { version } = await server!.register(NAME, directory);
    await server!.setAlias(NAME, 'champion', version);
    await eventually(what, async () => {
      if (engine.output.includes(code)) return true;
      await feed.produce(500);
      return undefined;
    });
  };

  beforeAll(async () => {
    mkdirSync(report);
    writeFileSync(join(report, 'report.md'), '# How good it is');
    writeFileSync(join(report, 'lift.png'), 'a plot');
    server = await MlflowServer.start(root);
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    feed = new FleetFeed(client, RAW, {
      gpus: 24,
      seed: 9,
      startMs: Date.UTC(2026, 5, 1),
      days: 2,
      cadenceMs: 60_000,
    });
    engines = new Engines(broker.brokers, [
      // A prediction of every sample, in small units of work.
      ...['score.adaptive=false', 'predictions.emit=always', 'score.maxBatches=2', 'ingest.batchSamples=100'],
      `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
    ]);
  }, 600_000);
  afterAll(async () => {
    await engines?.end();
    await broker?.stop();
    await server?.kill();
    rmSync(root, { recursive: true, force: true });
  });

  it('is logged with all that belongs to it, speaks when the alias moves; bad ones and MLflow going away lose and double nothing', async () => {
    const one = await track('model-1');
    const { data } = (await server!.get<Run>('runs/get', { run_id: one.runId })).run;
    const value = (list: { key: string; value: unknown }[], name: string): unknown =>
      list.find(({ key }) => key === name)?.value;
    expect(value(data.params, 'training/parameters/hazards/objective')).toBe('count:poisson');
    expect(value(data.params, 'rows')).toBe('7');
    expect(value(data.metrics, '30d/auc')).toBeGreaterThan(0.5);
    expect(value(data.tags, 'model_version')).toBe('model-1');
    expect(value(data.tags, 'data_sha256')).toBe('ab'.repeat(32));
    const files = async (path: string): Promise<string[]> =>
      (await server!.get<{ files: { path: string }[] }>('artifacts/list', { run_id: one.runId, path })).files.map(
        (file) => file.path,
      );
    expect(await files('report')).toEqual(['report/lift.png', 'report/report.md']);
    expect(await files('model')).toEqual(
      expect.arrayContaining(['model/MLmodel', 'model/manifest.json', 'model/model.onnx', 'model/card.json']),
    );
    const signature = await server!.artifact(one.runId, 'model/MLmodel');
    for (const name of ['signature:', 'features', 'failure_prob', 'failure_type_prob'])
      expect(signature).toContain(name);
    // The same server, the next version: nothing speaks by being registered.
    const two = await track('model-2');
    expect([one.version, two.version]).toEqual(['1', '2']);

    await server!.setAlias(NAME, 'champion', one.version);
    await feed.produce(6_000);
    const port = await freePort();
    const engine = engines.run(
      'ingest,score',
      `http.port=${port}`,
      ...[`model.mlflow.url=${server!.url}`, `model.mlflow.cacheDirectory=${join(root, 'cache')}`],
      'model.mlflow.everyMs=1000',
    );
    const written = (): Promise<number> => client.count('gpu.predictions').catch(() => 0);
    await eventually('predictions', async () => ((await written()) > 500 ? true : undefined));
    await server!.setAlias(NAME, 'champion', two.version);
    // Work goes on all the time until the other one answers.
    await eventually('the second model', async () => {
      if (engine.said('another model answers').length > 0) return true;
      await feed.produce(500);
      return undefined;
    });
    // Work goes on while a version is corrupt, another one has other features, and then nobody answers any more.
    await refused(engine, 'corrupt', 'model_corrupt');
    await refused(engine, 'other-features', 'model_mismatch');
    await server!.kill();
    server = undefined;
    await eventually('MLflow is missed', async () => {
      if (engine.output.includes('mlflow_unreachable')) return true;
      await feed.produce(500);
      return undefined;
    });
    await feed.produce(2_000);
    const reference = engines.run('ingest,score', 'kafka.topicPrefix=ref.', 'model.directory=null');
    for (const prefix of ['ref.', '']) await everythingScored(client, prefix, RAW);
    expect(engine.alive).toBe(true);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (const code of ['model_corrupt', 'model_mismatch'])
      expect(metrics).toMatch(new RegExp(`gpu_actuary_models_refused_total\\{code="${code}"\\} 1\\n`));
    await engine.end('SIGTERM');
    const told = await Promise.all(
      (await client.readAll('gpu.alerts')).map(({ value }) => codec.decode<AlertRecord>('alerts', value!)),
    );
    expect(told.map(({ alert, state, detail }) => `${alert} ${state}: ${detail.slice(0, 37)}`)).toEqual([
      'model_refused firing: version 3 is refused as model_corrupt',
      'model_refused firing: version 4 is refused as model_mismatc',
    ]);
    await reference.end('SIGTERM');

    expect(await expectUndisturbed(client, codec)).toEqual(new Set([`model-1: ${one.runId}`, `model-2: ${two.runId}`]));
  }, 600_000);
});
