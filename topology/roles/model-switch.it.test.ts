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
import { decodeMark, type ModelMark } from '../score/model-record.js';

const RAW = 'raw';
/** Where nothing is committed for so long, all was read. */
const QUIET_MS = 5_000;
const NOW_MS = Date.UTC(2026, 0, 1);
interface Prediction {
  readonly gpu_uuid: string;
  readonly as_of: number;
  readonly model_version: string;
  readonly run_id: string | null;
}

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
  const predictions = async (prefix: string): Promise<Prediction[]> => {
    const reads = await client.readAll(`${prefix}gpu.predictions`);
    return Promise.all(reads.map(({ value }) => codec.decode<Prediction>('predictions', value!)));
  };
  const keysOf = (all: readonly Prediction[]): string[] =>
    all.map(({ gpu_uuid, as_of }) => `${gpu_uuid} ${as_of}`).sort();

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
    for (const prefix of ['ref.', '']) {
      let [scored, quietSince] = [-1, performance.now()];
      await eventually(
        'all scored',
        async () => {
          const done = await client
            .committed(`${prefix}gpu-actuary.score`, `${prefix}gpu.samples`)
            .catch(() => new Map<number, number>());
          const sum = [...done.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
          if (sum !== scored) quietSince = performance.now();
          scored = sum;
          const raw = await client.committed(`${prefix}gpu-actuary.ingest`, RAW).catch(() => new Map<number, number>());
          const rawEnds = await client.ends(RAW);
          const isRead = [...rawEnds].every(([partition, end]) => Math.max(0, raw.get(partition) ?? 0) >= end);
          return isRead && scored > 0 && performance.now() - quietSince > QUIET_MS ? true : undefined;
        },
        120_000,
      );
    }
    expect(second.alive).toBe(true);
    await second.end('SIGTERM');
    await reference.end('SIGTERM');

    const all = await predictions('');
    const keys = keysOf(all);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(keysOf(await predictions('ref.')));
    const byGpu = new Map<string, Prediction[]>();
    for (const one of all) byGpu.set(one.gpu_uuid, [...(byGpu.get(one.gpu_uuid) ?? []), one]);
    for (const list of byGpu.values()) {
      const versions = list.sort((a, b) => a.as_of - b.as_of).map(({ model_version }) => model_version);
      expect([...versions].sort()).toEqual(versions);
    }
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
