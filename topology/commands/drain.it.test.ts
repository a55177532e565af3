import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { HOUR_MS } from '../../schema/clock.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

const GPUS = 4;
const START_MS = Date.UTC(2026, 5, 1);
/** The second hour is half over at the end. */
const UNTIL_MS = START_MS + 1.5 * HOUR_MS;

await describeWith('kraft', 'gpu-actuary drain', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let fed = 0;
  const commands: EngineCommand[] = [];

  const gpuActuary = (...args: string[]): EngineCommand => {
    const sets = [
      `kafka.brokers=${broker.brokers}`,
      'instance=one',
      'model.directory=null',
      'kafka.partitions=2',
      'http.port=0',
      'sources=[{topics: [raw], format: wide-json-flat, keyed: true}]',
    ];
    const command = new EngineCommand(args, sets);
    commands.push(command);
    return command;
  };
  const panes = async (): Promise<Map<string, number>> => {
    const samples = new Map<string, number>();
    for (const { value } of await client.readAll('gpu.panes')) {
      const pane = await codec.decode<{ gpu_uuid: string; hour_start: number; samples: number }>('panes', value!);
      const key = `${pane.gpu_uuid} ${pane.hour_start}`;
      expect(samples.has(key)).toBe(false);
      samples.set(key, pane.samples);
    }
    return samples;
  };
  /** The digests that a process logged when it stopped. */
  const stateAtEnd = (output: string): unknown => {
    const line = output.split('\n').find((text) => text.includes('state at the end'));
    expect(line).toBeDefined();
    return (JSON.parse(line!) as { partitions: unknown }).partitions;
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    const fleet = new Fleet({ gpus: GPUS, seed: 7, startMs: START_MS, days: 1, cadenceMs: 60_000 });
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (const scrape of fleet.scrapes()) {
      const rows = [...messagesOf(scrape, 'wide-json-flat')];
      if (rows.length > 0 && rows[0].timeMs >= UNTIL_MS) break;
      for (const { key, value, timeMs } of rows) messages.push({ key, value, timestampMs: timeMs });
    }
    await client.produce('raw', messages);
    fed = messages.length;
    const ingest = gpuActuary('run', '--roles', 'ingest');
    await eventually(`${fed} raw messages read`, async () => {
      const offsets = await client.committed('gpu-actuary.ingest', 'raw').catch(() => new Map<number, number>());
      return [...offsets.values()].reduce((sum, offset) => sum + Math.max(0, offset), 0) >= fed ? true : undefined;
    });
    expect(await ingest.end('SIGTERM')).toBe(0);
  });
  afterAll(async () => {
    for (const command of commands) command.signal('SIGKILL');
    await broker?.stop();
  });

  it('leaves partitions that others have alone', async () => {
    const other = gpuActuary('run', '--roles', 'score', '--set', 'instance=other');
    await other.says('partitions assigned');
    const drain = gpuActuary('drain', '--wait-seconds', '0');
    expect(await drain.ended()).toBe(1);
    expect(drain.output).toContain('drain_incomplete');
    expect(drain.output).toContain('stop them');
    expect(await other.end('SIGTERM')).toBe(0);
    // Of the first hour alone.
    expect((await panes()).size).toBeLessThanOrEqual(GPUS);
  });

  it('reads to the end and closes the open hours, once, and what comes after agrees', async () => {
    const drain = gpuActuary('drain');
    expect(await drain.ended(), drain.output).toBe(0);
    const drained = await panes();
    expect([...drained.values()].reduce((sum, samples) => sum + samples, 0)).toBe(fed);
    expect(new Set([...drained.keys()].map((key) => key.split(' ')[1]))).toEqual(
      new Set([String(START_MS), String(START_MS + HOUR_MS)]),
    );

    const again = gpuActuary('drain');
    expect(await again.ended(), again.output).toBe(0);
    expect(await panes()).toEqual(drained);
    expect(stateAtEnd(again.output)).toEqual(stateAtEnd(drain.output));
  });
});
