import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { ModelStore } from '../../models/store.js';
import { AvroCodec } from '../../schema/avro.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { anotherModel } from '../../test/support/models.js';
import { describeWith } from '../../test/support/requirements.js';
import { everythingScored, keysOf, predictionsOf, versionsByGpu } from '../../test/support/scored.js';
import { decodeMark, type ModelMark } from '../score/model-record.js';

const RAW = 'raw';
const NOW_MS = Date.UTC(2026, 0, 1);

await describeWith('kraft', 'another model, under load and over a crash', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  const root = mkdtempSync(join(tmpdir(), 'gpu-actuary-switch-'));
  const serving = join(root, 'champion');
  const running: EngineCommand[] = [];
  const fleet = new Fleet({ gpus: 24, seed: 8, startMs: Date.UTC(2026, 5, 1), days: 2, cadenceMs: 60_000 });
  const scrapes = fleet.scrapes();

  const run = (prefix: string, model: string): EngineCommand => {
    const started = new EngineCommand(
      ['run', '--roles', 'ingest,score'],
      [
        ...[`kafka.brokers=${broker.brokers}`, `kafka.topicPrefix=${prefix}`, 'kafka.partitions=2'],
        ...['instance=test', 'kafka.sessionTimeoutMs=6000', 'http.port=0', 'checkpoint.intervalMs=1000'],
        // A prediction of every sample, in small units of work.
        ...['score.adaptive=false', 'predictions.emit=always', 'score.maxBatches=2', 'ingest.batchSamples=100'],
        ...[`model.directory=${model}`, 'model.watchMs=100'],
        `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
      ],
    );
    running.push(started);
    return started;
  };
  const produce = async (count: number): Promise<void> => {
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (let scrape = scrapes.next(); !scrape.done && messages.length < count; scrape = scrapes.next())
      for (const { key, value, timeMs } of messagesOf(scrape.value, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    await client.produce(RAW, messages);
  };
  const promote = async (version: string): Promise<void> => {
    await anotherModel(join(root, version), version, `run of ${version}`);
    await new ModelStore(serving).promote(join(root, version), NOW_MS);
  };
  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
  });
  afterAll(async () => {
    for (const one of running) await one.end('SIGKILL');
    await broker?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('begins at an offset that is written down; no prediction is lost or written twice', async () => {
    await anotherModel(serving, 'model-1');
    await produce(4_000);
    const first = run('', serving);
    // The topic may have no leader yet.
    const written = (): Promise<number> => client.count('gpu.predictions').catch(() => 0);
    await eventually('predictions', async () => ((await written()) > 500 ? true : undefined));
    await promote('model-2');
    await eventually('the second model', () =>
      Promise.resolve(first.said('another model answers').length > 0 ? true : undefined),
    );
    const before = await written();
    await produce(4_000);
    // Some of what it answered is committed, and some is in hand.
    await eventually('its predictions', async () => ((await written()) > before + 1_000 ? true : undefined));
    await first.end('SIGKILL');
    await promote('model-3');
    const second = run('', serving);
    await second.says('another model answers from here on');
    writeFileSync(join(serving, 'model.onnx'), 'junk');
    await second.says('model refused, the one before stays');
    expect(second.said('role started').length).toBeGreaterThan(0);
    await produce(2_000);
    const reference = run('ref.', 'null');
    for (const prefix of ['ref.', '']) await everythingScored(client, prefix, RAW);
    expect(second.alive).toBe(true);
    await second.end('SIGTERM');
    await reference.end('SIGTERM');

    const all = await predictionsOf(client, codec, '');
    const keys = keysOf(all);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(keysOf(await predictionsOf(client, codec, 'ref.')));
    for (const versions of versionsByGpu(all).values()) expect([...versions].sort()).toEqual(versions);
    expect(new Set(all.map(({ model_version, run_id }) => `${model_version}: ${run_id}`))).toEqual(
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
