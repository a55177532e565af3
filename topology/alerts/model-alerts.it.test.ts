import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import type { AlertRecord } from '../../schema/records.js';
import { TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { loadConfiguration } from '../configuration.js';
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
  const log = { debug: silent, info: silent, warn: silent, error: silent };
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
});
