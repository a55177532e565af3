import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { ModelStore } from '../../models/store.js';
import { AvroCodec } from '../../schema/avro.js';
import type { AlertRecord } from '../../schema/records.js';
import { eventually, TestClient } from '../../test/support/client.js';
import type { EngineCommand } from '../../test/support/engine-command.js';
import { Engines } from '../../test/support/engines.js';
import { FleetFeed } from '../../test/support/fleet-feed.js';
import { anotherModel } from '../../test/support/models.js';
import { describeWith } from '../../test/support/requirements.js';
import { everythingScored, expectUndisturbed } from '../../test/support/scored.js';
import { decodeMark, type ModelMark } from '../score/model-record.js';

const RAW = 'raw';
const NOW_MS = Date.UTC(2026, 0, 1);

await describeWith('kraft', 'another model, under load and over a crash', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  const root = mkdtempSync(join(tmpdir(), 'gpu-actuary-switch-'));
  const serving = join(root, 'champion');
  let engines: Engines;
  let feed: FleetFeed;

  const run = (model: string, ...sets: string[]): EngineCommand =>
    engines.run('ingest,score', `model.directory=${model}`, ...sets);
  const alerts = async (): Promise<AlertRecord[]> =>
    Promise.all((await client.readAll('gpu.alerts')).map(({ value }) => codec.decode<AlertRecord>('alerts', value!)));
  const promote = async (version: string): Promise<void> => {
    await anotherModel(join(root, version), version, `run of ${version}`);
    await new ModelStore(serving).promote(join(root, version), NOW_MS);
  };
  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    feed = new FleetFeed(client, RAW, {
      gpus: 24,
      seed: 8,
      startMs: Date.UTC(2026, 5, 1),
      days: 2,
      cadenceMs: 60_000,
    });
    engines = new Engines(broker.brokers, [
      ...['checkpoint.intervalMs=1000', 'model.watchMs=100'],
      // A prediction of every sample, in small units of work.
      ...['score.adaptive=false', 'predictions.emit=always', 'score.maxBatches=2', 'ingest.batchSamples=100'],
      `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
    ]);
  });
  afterAll(async () => {
    await engines?.end();
    await broker?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('begins at an offset that is written down; no prediction is lost or written twice', async () => {
    await anotherModel(serving, 'model-1');
    await feed.produce(4_000);
    const first = run(serving);
    // The topic may have no leader yet.
    const written = (): Promise<number> => client.count('gpu.predictions').catch(() => 0);
    await eventually('predictions', async () => ((await written()) > 500 ? true : undefined));
    await promote('model-2');
    await eventually('the second model', () =>
      Promise.resolve(first.said('another model answers').length > 0 ? true : undefined),
    );
    const before = await written();
    await feed.produce(4_000);
    // Some of what it answered is committed, and some is in hand.
    await eventually('its predictions', async () => ((await written()) > before + 1_000 ? true : undefined));
    await first.end('SIGKILL');
    await promote('model-3');
    const second = run(serving);
    await second.says('another model answers from here on');
    writeFileSync(join(serving, 'model.onnx'), 'junk');
    await second.says('model refused, the one before stays');
    expect(second.said('role started').length).toBeGreaterThan(0);
    await feed.produce(2_000);
    const reference = run('null', 'kafka.topicPrefix=ref.');
    for (const prefix of ['ref.', '']) await everythingScored(client, prefix, RAW);
    expect(second.alive).toBe(true);
    const told = { alert: 'model_refused', subject: serving, gpu_uuid: null };
    await eventually('the alert', async () => ((await alerts()).length > 0 ? true : undefined));
    await promote('model-3');
    const all = await eventually('its end', async () => {
      const found = await alerts();
      return found.length > 1 ? found : undefined;
    });
    expect(all).toMatchObject([
      { ...told, state: 'firing', detail: 'what it holds is refused as model_corrupt; another model goes on' },
      { ...told, state: 'resolved', detail: 'model-3 is usable' },
    ]);
    await second.end('SIGTERM');
    await reference.end('SIGTERM');

    expect(await expectUndisturbed(client, codec)).toEqual(
      new Set(['model-1: null', 'model-2: run of model-2', 'model-3: run of model-3']),
    );

    const marks = new Map<number, ModelMark[]>();
    for (const { key, value, partition } of await client.readAll('gpu.checkpoints'))
      if (key?.startsWith('model/') === true)
        marks.set(partition, [...(marks.get(partition) ?? []), decodeMark(value!)!]);
    for (const list of marks.values()) {
      const versions = list.map(({ modelVersion }) => modelVersion);
      expect(versions).toEqual([...new Set(versions)].sort());
      expect(list.map(({ fromOffset }) => fromOffset)).toEqual(
        list.map(({ fromOffset }) => fromOffset).sort((a, b) => a - b),
      );
    }
    expect([...marks.values()].flat().map(({ modelVersion }) => modelVersion)).toContain('model-3');
  }, 300_000);
});
