import { afterAll, beforeAll, expect, it } from 'vitest';
import { AvroCodec } from '../../schema/avro.js';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { fromSamplesRecord } from '../../schema/samples.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

await describeWith('kraft', 'gpu-actuary run, told to stop', () => {
  const TOPIC = 'raw';
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let produced = 0;
  const fleet = new Fleet({ gpus: 16, seed: 3, startMs: Date.UTC(2026, 5, 1), days: 1, cadenceMs: 60_000 });
  const scrapes = fleet.scrapes();
  const running: EngineCommand[] = [];
  const run = (sets: readonly string[] = [`kafka.brokers=${broker.brokers}`]): EngineCommand => {
    const started = new EngineCommand(
      ['run', '--roles', 'ingest,score'],
      [
        ...sets,
        'instance=test',
        'model.directory=null',
        'kafka.partitions=4',
        'http.port=0',
        `sources=[{topics: [${TOPIC}], format: wide-json-flat, keyed: true}]`,
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
    await client.produce(TOPIC, messages);
    produced += messages.length;
  };
  const committed = (): Promise<Map<number, number>> => client.committed('gpu-actuary.ingest', TOPIC);
  const sum = (offsets: Map<number, number>): number =>
    [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
  /** How often each raw message stands in gpu.samples, by its partition and offset. */
  const written = async (): Promise<Map<string, number>> => {
    const times = new Map<string, number>();
    for (const { value } of await client.readAll('gpu.samples')) {
      const batch = fromSamplesRecord(await codec.decode('samples', value!));
      for (let row = 0; row < batch.count; row++) {
        const origin = `${batch.origins[batch.originIndex[row]].partition}/${batch.originOffset[row]}`;
        times.set(origin, (times.get(origin) ?? 0) + 1);
      }
    }
    return times;
  };
  const expectAllBelow = (times: Map<string, number>, offsets: Map<number, number>): void => {
    for (const [partition, end] of offsets)
      for (let offset = 0; offset < end; offset++) expect(times.has(`${partition}/${offset}`)).toBe(true);
  };

  beforeAll(async () => {
    broker = await startBroker({
      heap: '512m',
      properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1_000 },
    });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
  });
  afterAll(async () => {
    for (const one of running) one.signal('SIGKILL');
    await broker?.stop();
  });

  it('by SIGTERM in the middle: ends with 0, nothing committed that is not written, nothing written twice', async () => {
    await produce(8_000);
    const first = run();
    await eventually('the first samples', async () =>
      (await client.count('gpu.samples').catch(() => 0)) > 0 ? true : undefined,
    );
    first.signal('SIGTERM');
    expect(await first.ended()).toBe(0);
    expect(first.messages).toContain('stopping');
    expect(first.messages.at(-1)).toBe('stopped');
    const offsets = await committed();
    expectAllBelow(await written(), offsets);

    await produce(2_000);
    const second = run();
    await eventually('all samples', async () => (sum(await committed()) === produced ? true : undefined));
    second.signal('SIGINT');
    expect(await second.ended()).toBe(0);
    const times = await written();
    expect(times.size).toBe(produced);
    expect([...times.values()].every((count) => count === 1)).toBe(true);
  });

  it('by kill -9 in the middle: nothing is lost, nothing written twice', async () => {
    const before = await client.count('gpu.samples');
    await produce(4_000);
    const first = run();
    await eventually('more samples', async () => ((await client.count('gpu.samples')) > before ? true : undefined));
    first.signal('SIGKILL');
    await first.ended();
    expectAllBelow(await written(), await committed());
    const second = run();
    // The first one may have committed all: a signal must not come before the second has its handler.
    await second.says('listening');
    await eventually('all samples', async () => (sum(await committed()) === produced ? true : undefined));
    second.signal('SIGTERM');
    expect(await second.ended()).toBe(0);
    const times = await written();
    expect(times.size).toBe(produced);
    expect([...times.values()].every((count) => count === 1)).toBe(true);
  });

  it('by SIGTERM while the broker does not answer: ends by its deadline, with its code in the log', async () => {
    await produce(100);
    const stuck = run([`kafka.brokers=${broker.brokers}`, 'shutdown.deadlineMs=1500']);
    await stuck.says('listening');
    await eventually('all samples', async () => (sum(await committed()) === produced ? true : undefined));
    broker.process.kill('SIGSTOP');
    try {
      stuck.signal('SIGTERM');
      expect(await stuck.ended()).toBe(1);
      expect(stuck.messages.at(-1)).toContain('not stopped in time');
    } finally {
      broker.process.kill('SIGCONT');
    }
  });

  it('before it has started: ends soon with 0, and at once with 1 when told twice', async () => {
    const nobody = ['kafka.brokers=127.0.0.1:1'];
    const patient = run(nobody);
    await patient.says('model loaded');
    patient.signal('SIGTERM');
    expect(await patient.ended()).toBe(0);
    const impatient = run(nobody);
    await impatient.says('model loaded');
    impatient.signal('SIGTERM');
    await impatient.says('stopping');
    impatient.signal('SIGTERM');
    expect(await impatient.ended()).toBe(1);
  });
});
