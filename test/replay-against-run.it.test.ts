import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AvroCodec } from '../schema/avro.js';
import { HOUR_MS } from '../schema/clock.js';
import type { FeaturesRecord } from '../schema/records.js';
import { Fleet } from '../simulator/fleet.js';
import { messagesOf } from '../simulator/messages.js';
import { Random } from '../simulator/random.js';
import { main } from '../topology/commands/main.js';
import { loadConfiguration } from '../topology/configuration.js';
import { startEmbeddedKafka } from '../topology/embedded/kafka.js';
import type { Log } from '../topology/roles/role.js';
import { startEngine, type Engine } from '../topology/runtime.js';
import { TestClient } from './support/client.js';

const PREFIX = 'same.';
const START = Date.UTC(2026, 5, 1);
const HOURS = 30;
const GPUS = 3;
const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Line {
  readonly gpuUuid: string;
  readonly timeMs: number;
  readonly text: string;
}

/** A fleet's messages with some of them lost, sent twice, or overtaken by later ones. */
function drawnMessages(): Line[] {
  const random = new Random(7, 'transport');
  const fleet = new Fleet({ gpus: GPUS, seed: 5, startMs: START, days: HOURS / 24, cadenceMs: 300_000 });
  const lines: Line[] = [];
  for (const scrape of fleet.scrapes())
    for (const { key, value, timeMs } of messagesOf(scrape, 'wide-json')) {
      const fate = random.uniform();
      if (fate < 0.05) continue;
      const line = { gpuUuid: key, timeMs, text: value };
      if (fate < 0.1 && lines.length >= 12) lines.splice(lines.length - 1 - Math.floor(random.uniform() * 11), 0, line);
      else lines.push(line);
      if (fate > 0.95) lines.push(line);
    }
  return lines;
}

describe('replay and the running engine', () => {
  const lines = drawnMessages();
  let kafka: Awaited<ReturnType<typeof startEmbeddedKafka>>;
  let engine: Engine;
  let client: TestClient;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-same-'));
    kafka = await startEmbeddedKafka();
    client = new TestClient(kafka.brokers);
    await client.produce(
      'gpu-metrics-raw',
      lines.map(({ gpuUuid, timeMs, text }) => ({ key: gpuUuid, value: text, timestampMs: timeMs })),
    );
    engine = await startEngine({
      config: loadConfiguration({
        environment: {},
        sets: [
          'instance=test',
          `kafka.brokers=${kafka.brokers.join(',')}`,
          `kafka.topicPrefix=${PREFIX}`,
          'kafka.partitions=4',
          'model.directory=null',
          'http.port=0',
        ],
      }),
      roles: ['ingest', 'score'],
      embedded: true,
      build: { version: 'test', commit: null },
      log: silent,
    });
  });

  afterAll(async () => {
    await engine?.stop();
    await kafka?.stop();
    rmSync(directory, { recursive: true });
  });

  /** Features of a GPU after the messages up to its first one of a time, as the command line replays them. */
  async function replayed(gpuUuid: string, timeMs: number): Promise<object> {
    const until = lines.findIndex((line) => line.gpuUuid === gpuUuid && line.timeMs === timeMs);
    const [input, output] = [join(directory, 'input.jsonl'), join(directory, 'output.jsonl')];
    const before = lines.slice(0, until + 1).filter((line) => line.gpuUuid === gpuUuid);
    writeFileSync(input, before.map(({ text }) => `${text}\n`).join(''));
    expect(await main(['replay', '--input', input, '--output', output], {})).toBe(0);
    return JSON.parse(readFileSync(output, 'utf8')) as object;
  }

  it('give the same features when an hour closes, whatever order and batches the messages came in', async () => {
    const codec = await AvroCodec.open(null, PREFIX);
    const closings = new Map<string, FeaturesRecord>();
    let looked = 0;
    await client.readUntil([`${PREFIX}gpu.features`], (records) => {
      for (; looked < records.length; looked++) {
        const record = codec.decodeKnown<FeaturesRecord>('features', records[looked].value!);
        if (record.trigger === 'pane') closings.set(`${record.gpu_uuid} ${record.as_of}`, record);
      }
      return closings.size >= GPUS * (HOURS - 1);
    });
    expect(closings.size).toBe(GPUS * (HOURS - 1));
    // Every fifth hour of each GPU, the last one among them: a replay each.
    const checked = [...closings.values()].filter(
      ({ as_of }) => (HOURS - 1 - Math.floor((as_of - START) / HOUR_MS)) % 5 === 0,
    );
    expect(checked.length).toBe(GPUS * 6);
    for (const { gpu_uuid, as_of, features } of checked)
      expect(await replayed(gpu_uuid, as_of), `${gpu_uuid} ${as_of}`).toEqual({
        gpu_uuid,
        as_of: new Date(as_of).toISOString(),
        features,
      });
  });

  it('gives the same bytes twice', async () => {
    const input = join(directory, 'whole.jsonl');
    writeFileSync(input, lines.map(({ text }) => `${text}\n`).join(''));
    const run = async (name: string): Promise<string> => {
      const output = join(directory, name);
      const emits = ['--emit', 'features,predictions,health,decisions,rejected', '--as-of', 'every:1h'];
      expect(await main(['replay', '--input', input, '--output', output, ...emits], {})).toBe(0);
      return readFileSync(output, 'utf8');
    };
    const first = await run('first.jsonl');
    expect(first).toContain('"reason":"late"');
    expect(first).toContain('"reason":"duplicate"');
    expect(await run('second.jsonl')).toBe(first);
  });
});
