import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { DAY_MS } from '../../schema/clock.js';
import { isoTime, type AlertRecord, type FeaturesRecord, type PredictionRecord } from '../../schema/records.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { Engines } from '../../test/support/engines.js';
import { describeWith } from '../../test/support/requirements.js';

const RAW = 'raw';
const OTHER = 'raw-other';
/** Scrapes by the wall clock: silence is a matter of it. */
const STEP_MS = 2_000;
/** From the last reading to the alert in the topic: two scrape intervals and 30 s. */
const PROMISED_MS = 2 * STEP_MS + 30_000;
/** From a reading to its prediction, also while others are silent and on a machine that has other things to do. */
const PREDICTED_WITHIN_MS = 5_000;
const GPUS = ['h1', 'h2', 'h3'].flatMap((host) => [0, 1, 2].map((index) => ({ uuid: `GPU-${host}-${index}`, host })));

await describeWith('kraft', 'alerts on a fleet that lives by the wall clock', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let feeding: NodeJS.Timeout;
  let fed: Promise<void> = Promise.resolve();
  let engines: Engines;
  const silent = new Set<string>();
  const lastFed = new Map<string, number>();

  const feed = async (): Promise<void> => {
    const nowMs = Date.now();
    const of = (uuid: string, host: string): { key: string; value: string } => {
      lastFed.set(uuid, nowMs);
      const timestamp = nowMs;
      return {
        key: host,
        value: JSON.stringify({ gpu_uuid: uuid, hostname: host, timestamp, gpu_temp: 61, power_usage: 300 }),
      };
    };
    const raw = GPUS.filter(({ uuid, host }) => !silent.has(uuid) && !silent.has(host)).map(({ uuid, host }) =>
      of(uuid, host),
    );
    await client.produce(RAW, raw);
    if (!silent.has(OTHER))
      await client.produce(
        OTHER,
        ['GPU-o1', 'GPU-o2'].map((uuid) => of(uuid, 'other')),
      );
  };
  /** Scrape intervals are learned from a few steps. */
  const stepsPass = (steps: number): Promise<unknown> => {
    const from = lastFed.get('GPU-h1-0')!;
    return eventually('steps', () => Promise.resolve(lastFed.get('GPU-h1-0')! >= from + steps * STEP_MS || undefined));
  };
  const alerts = async (): Promise<AlertRecord[]> =>
    Promise.all((await client.readAll('gpu.alerts')).map(({ value }) => codec.decode<AlertRecord>('alerts', value!)));
  const silences = async (): Promise<string[]> =>
    (await alerts())
      .filter(({ alert }) => /silent|detached/.test(alert))
      .map(({ alert, subject, state }) => `${alert} ${subject} ${state}`);
  const firing = (name: string): Promise<AlertRecord> =>
    eventually(
      name,
      async () => (await alerts()).find(({ alert, subject, state }) => `${alert} ${subject} ${state}` === name),
      // Half a minute of silence, after a restart that waits for the session of the one that was killed.
      180_000,
    );
  /** How long after its last reading somebody's silence was in the topic, ms; the first time. */
  const toldAfter = async (name: string, subject: string): Promise<number> => {
    for (const { value, timestampMs } of await client.readAll('gpu.alerts')) {
      const { alert, subject: of, state } = await codec.decode<AlertRecord>('alerts', value!);
      if (`${alert} ${of} ${state}` === `${name} firing`) return timestampMs - lastFed.get(subject)!;
    }
    return NaN;
  };
  const absences = async (topic: 'features' | 'predictions'): Promise<(FeaturesRecord | PredictionRecord)[]> =>
    (
      await Promise.all(
        (await client.readAll(`gpu.${topic}`)).map(({ value }) =>
          codec.decode<FeaturesRecord | PredictionRecord>(topic, value!),
        ),
      )
    ).filter(({ trigger }) => trigger === 'absence');

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    engines = new Engines(broker.brokers, [
      // A prediction of every reading.
      ...['score.everyMs=1000', 'predictions.emit=always'],
      `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}, {topics: [${OTHER}], format: wide-json-flat, keyed: true}]`,
    ]);
    await feed();
    feeding = setInterval(() => {
      fed = fed.then(feed);
    }, STEP_MS);
  });
  afterAll(async () => {
    clearInterval(feeding);
    await fed.catch(() => undefined);
    await engines?.end();
    await broker?.stop();
  });

  it('tells a silent GPU, host and source in time, once each, over a restart too, and their return', async () => {
    const first = engines.run('ingest,score,serve');
    await first.says('watching');
    await eventually('predictions of all', async () => {
      const uuids = new Set((await client.readAll('gpu.predictions').catch(() => [])).map(({ key }) => String(key)));
      return uuids.size === GPUS.length + 2 ? true : undefined;
    });
    await stepsPass(4);

    silent.add('GPU-h1-1').add('h2').add(OTHER);
    const detached = await firing('detached GPU-h1-1 firing');
    expect(detached.as_of).toBe(lastFed.get('GPU-h1-1')! + 30_000);
    await firing('host_silent h2 firing');
    await firing(`pipeline_silent ${OTHER} firing`);
    for (const [name, last] of [
      ['detached GPU-h1-1', 'GPU-h1-1'],
      ['host_silent h2', 'GPU-h2-0'],
      [`pipeline_silent ${OTHER}`, 'GPU-o1'],
    ])
      expect(await toldAfter(name, last), name).toBeLessThanOrEqual(PROMISED_MS);
    const absent = await eventually('absence records', async () => {
      const records = await absences('predictions');
      return records.length >= 4 ? records : undefined;
    });
    expect(absent.map(({ gpu_uuid }) => gpu_uuid).sort()).toEqual(['GPU-h1-1', 'GPU-h2-0', 'GPU-h2-1', 'GPU-h2-2']);
    const [one] = absent.filter(({ gpu_uuid }) => gpu_uuid === 'GPU-h1-1');
    expect(one).toMatchObject({ as_of: detached.as_of, newest_reading_at: detached.as_of - 30_000 });
    const told = (await absences('features')) as FeaturesRecord[];
    expect(told.map(({ gpu_uuid }) => gpu_uuid).sort()).toEqual(absent.map(({ gpu_uuid }) => gpu_uuid).sort());
    for (const { features } of told) expect(features.silent_minutes).toBeCloseTo(0.5, 9);

    // Those that report are predicted meanwhile as ever.
    const delays: number[] = [];
    for (const { value, timestampMs } of await client.readAll('gpu.predictions')) {
      const { as_of, trigger } = await codec.decode<PredictionRecord>('predictions', value!);
      if (trigger !== 'absence' && as_of > detached.as_of - 30_000) delays.push(timestampMs - as_of);
    }
    expect(delays.length).toBeGreaterThan(50);
    expect(delays.sort((a, b) => a - b)[Math.floor(0.99 * delays.length)]).toBeLessThan(PREDICTED_WITHIN_MS);

    await first.end('SIGKILL');
    const second = engines.run('ingest,score,serve');
    await second.says('watching');
    await stepsPass(4);
    silent.add('GPU-h3-0');
    await firing('detached GPU-h3-0 firing');
    silent.clear();
    await firing('detached GPU-h1-1 resolved');
    await firing('host_silent h2 resolved');
    await firing(`pipeline_silent ${OTHER} resolved`);
    await firing('detached GPU-h3-0 resolved');
    const all = await silences();
    expect(new Set(all).size).toBe(all.length);
    expect(all).toHaveLength(8);
    second.signal('SIGTERM');
    expect(await second.ended()).toBe(0);
  }, 600_000);

  it('expects the silence of a window in gpu.maintenance, without a serve role too; a wrong window is a dead letter', async () => {
    const windowOf = (fields: object): string =>
      JSON.stringify({ from: isoTime(Date.now() - 60_000), until: isoTime(Date.now() + 3_600_000), ...fields });
    await client.produce('gpu.maintenance', [{ key: 'swap of fans', value: windowOf({ host: 'h2' }) }]);
    const engine = engines.run('ingest,score', 'alerts.role=score');
    await engine.says('watching');
    await client.produce('gpu.maintenance', [{ key: 'misspelt', value: windowOf({ hots: 'h1' }) }]);
    const letter = await eventually('a dead letter', async () =>
      (await client.readAll('gpu.dead-letter')).find(({ headers }) => headers.topic === 'gpu.maintenance'),
    );
    expect(letter).toMatchObject({ key: 'misspelt', headers: { error_code: 'malformed', offset: '1' } });
    expect(letter.headers.detail).toContain('hots is none of from, until, gpu_uuid, host, topic');
    await stepsPass(4);

    const times = async (name: string): Promise<number> => (await silences()).filter((told) => told === name).length;
    silent.add('h2').add('GPU-h1-2');
    await firing('detached GPU-h1-2 firing');
    await stepsPass(3);
    // That of the test before.
    expect(await times('host_silent h2 firing')).toBe(1);
    await client.produce('gpu.maintenance', [{ key: 'swap of fans', value: null }]);
    await eventually(
      'the host, once it is no longer expected',
      async () => ((await times('host_silent h2 firing')) === 2 ? true : undefined),
      90_000,
    );
    expect(await engine.end('SIGTERM')).toBe(0);
  }, 300_000);

  it('resolves at a start what fires of whom nobody knows any more, once, and nothing else', async () => {
    const longAgo = Date.now() - 8 * DAY_MS;
    const firingOf = (alert: string, subject: string, gpu_uuid: string | null, as_of: number): AlertRecord => ({
      ...{ alert, subject, gpu_uuid, state: 'firing', as_of, detail: 'of before' },
    });
    const old = [
      firingOf('detached', 'GPU-gone', 'GPU-gone', longAgo),
      firingOf('host_silent', 'h-gone', null, longAgo),
      firingOf('pipeline_silent', 'raw-gone', null, longAgo),
      firingOf('risk_high', 'GPU-gone', 'GPU-gone', longAgo),
      firingOf('no_rule', 'GPU-h1-0', 'GPU-h1-0', longAgo),
      firingOf('gpu_silent', 'GPU-unheard', 'GPU-unheard', Date.now() - DAY_MS),
    ];
    await client.produce(
      'gpu.alerts',
      old.map((record) => ({ key: `${record.alert}/${record.subject}`, value: codec.encode('alerts', record) })),
    );
    const resolved = async (): Promise<AlertRecord[]> =>
      (await alerts()).filter(
        ({ alert, subject, state }) =>
          state === 'resolved' && old.some((before) => before.alert === alert && before.subject === subject),
      );
    for (let starts = 1; starts <= 2; starts++) {
      const engine = engines.run('serve');
      await engine.says('watching');
      const found = await resolved();
      expect(found.map(({ alert, subject }) => `${alert} ${subject}`).sort()).toEqual([
        ...['detached GPU-gone', 'host_silent h-gone', 'no_rule GPU-h1-0'],
        ...['pipeline_silent raw-gone', 'risk_high GPU-gone'],
      ]);
      const [gone] = found.filter(({ alert }) => alert === 'detached');
      expect(gone).toMatchObject({ gpu_uuid: 'GPU-gone', as_of: longAgo - 30_000 + 7 * DAY_MS });
      expect(await engine.end('SIGTERM')).toBe(0);
    }
  }, 300_000);
});
