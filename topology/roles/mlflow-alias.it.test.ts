import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { eventually, TestClient } from '../../test/support/client.js';
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

  beforeAll(async () => {
    mkdirSync(report);
    writeFileSync(join(report, 'report.md'), '# How good it is');
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

  it('is logged with parameters, metrics, data and signature, speaks when the alias moves, and none is lost or doubled', async () => {
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
    expect(await files('report')).toEqual(['report/report.md']);
    expect(await files('model')).toEqual(
      expect.arrayContaining(['model/MLmodel', 'model/manifest.json', 'model/model.onnx', 'model/card.json']),
    );
    // The same server, the next version: nothing speaks by being registered.
    const two = await track('model-2');
    expect([one.version, two.version]).toEqual(['1', '2']);

    await server!.setAlias(NAME, 'champion', one.version);
    await feed.produce(6_000);
    const engine = engines.run(
      'ingest,score',
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
    await feed.produce(2_000);
    const reference = engines.run('ingest,score', 'kafka.topicPrefix=ref.', 'model.directory=null');
    for (const prefix of ['ref.', '']) await everythingScored(client, prefix, RAW);
    expect(engine.alive).toBe(true);
    await engine.end('SIGTERM');
    await reference.end('SIGTERM');

    expect(await expectUndisturbed(client, codec)).toEqual(new Set([`model-1: ${one.runId}`, `model-2: ${two.runId}`]));
  }, 300_000);
});
