import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import type { AlertRecord } from '../../schema/records.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { loadConfiguration } from '../configuration.js';
import { readToEnd } from '../kafka/bounded-reader.js';
import { connectionOf } from '../kafka/connection.js';
import { createTopics } from '../kafka/topics-admin.js';
import { ModelAlerts, type AlertWriting } from './model-alerts.js';

const PLACE = 'gpu-actuary-failure@champion';

await describeWith('kraft', 'alerts of models', () => {
  let broker: Broker;
  let client: TestClient;
  let writing: AlertWriting;
  let nowMs = Date.UTC(2026, 5, 1);
  const silent = (): void => undefined;
  const logged: string[] = [];
  const log = {
    ...{ debug: silent, info: silent },
    warn: (_: object, message: string) => void logged.push(message),
    error: (_: object, message: string) => void logged.push(message),
  };
  const processes: ModelAlerts[] = [];

  const start = (): ModelAlerts => {
    const alerts = new ModelAlerts(PLACE, { now: () => nowMs++ }, log);
    processes.push(alerts);
    return alerts;
  };
  const told = async (count: number): Promise<AlertRecord[]> => {
    const records = await client.readUntil(['gpu.alerts'], (found) => found.length >= count);
    return Promise.all(records.map(({ value }) => writing.codec.decode<AlertRecord>('alerts', value!)));
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    const sets = [`kafka.brokers=${broker.brokers}`, 'instance=test'];
    const connection = connectionOf(loadConfiguration({ file: undefined, environment: {}, sets }));
    await createTopics(connection, 3, 1);
    writing = { connection, codec: await AvroCodec.open(null, ''), instruments: { recordsWritten: silent } };
  });
  afterAll(async () => {
    for (const alerts of processes) await alerts.close();
    await broker?.stop();
  });

  it('are told once for all processes of a place and over restarts, and resolved by the next usable one', async () => {
    const one = start();
    // Before Kafka is looked at: it waits.
    one.refused('model_corrupt', 'version 3');
    one.start(writing);
    const [first] = await told(1);
    expect(first).toEqual({
      ...{ alert: 'model_refused', subject: PLACE, gpu_uuid: null, state: 'firing', as_of: Date.UTC(2026, 5, 1) },
      detail: 'version 3 is refused as model_corrupt; another model goes on',
    });

    const two = start();
    two.start(writing);
    two.refused('model_corrupt', 'version 3');
    two.refused('model_golden', 'version 4');
    expect((await told(2)).map(({ state, detail }) => `${state} ${detail.slice(0, 9)}`)).toEqual([
      'firing version 3',
      'firing version 4',
    ]);

    for (const each of [start(), start()]) {
      each.usable('model-5');
      each.start(writing);
      await told(3);
    }
    // What a further one says comes after all that the others have said.
    const last = start();
    last.start(writing);
    last.refused('model_missing', 'version 6');
    expect((await told(4)).map(({ state }) => state)).toEqual(['firing', 'firing', 'resolved', 'firing']);
  });

  it('are tried once more when the process ends, and are in the log where that fails too', async () => {
    const connection = { ...writing.connection, topicPrefix: 'later.' };
    const refusing = async (): Promise<ModelAlerts> => {
      logged.length = 0;
      const alerts = start();
      alerts.refused('model_corrupt', 'version 7');
      alerts.start({ ...writing, connection });
      await eventually('a try', () =>
        Promise.resolve(logged.some((line) => line.includes('still to be written')) || undefined),
      );
      return alerts;
    };
    await (await refusing()).close();
    expect(logged.at(-1)).toMatch(/^not written to gpu\.alerts: version 7 is refused as model_corrupt/);

    const alerts = await refusing();
    await createTopics(connection, 3, 1);
    await alerts.close();
    expect(logged.filter((line) => line.startsWith('not written'))).toEqual([]);
    expect(await client.count('later.gpu.alerts')).toBe(1);
  });

  it('read of the topic what they have not read yet', async () => {
    const topic = 'gpu.labels';
    const read = async (from: number | Map<number, number>): Promise<[string[], Map<number, number>]> => {
      const values: string[] = [];
      const next = await readToEnd(writing.connection, topic, from, ({ value }) => values.push(String(value)));
      return [values.sort(), next];
    };
    const write = (...values: string[]): Promise<void> =>
      client.produce(
        topic,
        values.map((value) => ({ key: value, value })),
      );
    await write('a', 'b', 'c', 'd');
    const [first, next] = await read(0);
    expect(first).toEqual(['a', 'b', 'c', 'd']);
    expect((await read(next))[0]).toEqual([]);
    await write('e');
    expect((await read(next))[0]).toEqual(['e']);
  });
});
