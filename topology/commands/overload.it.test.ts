import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { byLabel, parseExposition, sumOf, type Series } from '../../bench/support/exposition.js';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { freePort } from '../../bench/support/processes.js';
import { AvroCodec } from '../../schema/avro.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

const RAW = 'raw';
const OUTPUTS = ['features', 'predictions', 'health', 'decisions', 'panes'] as const;
type Output = Record<string, unknown> & { readonly gpu_uuid: string; readonly trigger?: string };
/** So little that a day of a small fleet does not fit. */
const TIGHT = 'memory.bufferMb=16';

/** What was seen of a process while it caught up. */
interface Seen {
  /** Largest share of its limit that a role held at any time. */
  readonly fullest: number;
  readonly skipped: number;
  readonly rows: number;
  readonly latenessSeconds: number;
}

await describeWith('kraft', 'an engine that comes back to a day of readings', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let written = 0;
  const running: EngineCommand[] = [];

  const metricsOf = async (port: number): Promise<Series> =>
    parseExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());

  /** Runs a role until it is through with everything that is there. */
  const catchUp = async (role: 'ingest' | 'score', prefix: string, sets: readonly string[]): Promise<Seen> => {
    const port = await freePort();
    const engine = new EngineCommand(
      ['run', '--roles', role],
      [
        `kafka.brokers=${broker.brokers}`,
        `kafka.topicPrefix=${prefix}`,
        'instance=test',
        'kafka.partitions=2',
        'model.directory=null',
        `http.port=${port}`,
        `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
        ...sets,
      ],
    );
    running.push(engine);
    let fullest = 0;
    let last: Series = new Map();
    await eventually(`${role} to be through; it said ${engine.output}`, async () => {
      last = await metricsOf(port).catch(() => last);
      const limits = byLabel([last], 'gpu_actuary_buffer_limit_bytes', 'role');
      for (const [who, bytes] of Object.entries(byLabel([last], 'gpu_actuary_buffered_bytes', 'role')))
        fullest = Math.max(fullest, bytes / limits[who]);
      const samples =
        role === 'score'
          ? sumOf([last], 'gpu_actuary_score_samples_total')
          : sumOf([last], `gpu_actuary_ingest_samples_total{source="${RAW}"}`);
      return samples >= written && last.get(`gpu_actuary_lag_records{role="${role}"}`) === 0 ? true : undefined;
    });
    expect(await engine.end('SIGTERM')).toBe(0);
    return {
      fullest,
      skipped: sumOf([last], 'gpu_actuary_score_due_points_skipped_total'),
      rows: sumOf([last], 'gpu_actuary_score_rows_total'),
      latenessSeconds: sumOf([last], 'gpu_actuary_score_lateness_seconds'),
    };
  };
  /** A day behind in both: first what ingest missed, then what score did. */
  const comeBack = async (prefix: string, ...sets: readonly string[]): Promise<readonly [Seen, Seen]> => {
    const ingest = await catchUp('ingest', prefix, sets);
    // What is older than a second when it is read was not scored at once.
    await delay(1_100);
    return [ingest, await catchUp('score', prefix, sets)];
  };
  /** Outputs by topic and GPU, in order, without what a run leaves of itself. */
  const outputs = async (prefix: string): Promise<Map<string, Output[]>> => {
    const byKey = new Map<string, Output[]>();
    for (const topic of OUTPUTS)
      for (const { value } of await client.readAll(`${prefix}gpu.${topic}`)) {
        const record = await codec.decode<Output>(topic, value!);
        const key = `${topic} ${record.gpu_uuid}`;
        byKey.set(key, [...(byKey.get(key) ?? []), { ...record, emitted_at: null, instance: null }]);
      }
    return byKey;
  };
  /** Of those, what no lateness may change. */
  const atPaneClose = (all: ReadonlyMap<string, readonly Output[]>): Record<string, readonly Output[]> =>
    Object.fromEntries(
      [...all].flatMap(([key, records]) => {
        if (key.startsWith('panes ')) return [[key, records]];
        if (key.startsWith('features ')) return [[key, records.filter(({ trigger }) => trigger === 'pane')]];
        return [];
      }),
    );

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    const fleet = new Fleet({ gpus: 24, seed: 8, startMs: Date.UTC(2026, 5, 1), days: 1, cadenceMs: 60_000 });
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (const scrape of fleet.scrapes())
      for (const { key, value, timeMs } of messagesOf(scrape, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    written = messages.length;
    for (let from = 0; from < written; from += 5_000) await client.produce(RAW, messages.slice(from, from + 5_000));
  });
  afterAll(async () => {
    for (const one of running) await one.end('SIGKILL');
    await broker?.stop();
  });

  it('holds no more than its budget, and says all that it would have said with plenty', async () => {
    const plenty = await comeBack('plenty.', 'score.adaptive=false');
    const tight = await comeBack('tight.', 'score.adaptive=false', TIGHT);
    for (const { fullest } of tight) expect(fullest).toBeLessThanOrEqual(1);
    expect(tight[1].fullest).toBeGreaterThan(plenty[1].fullest);
    expect([tight[1].rows, tight[1].skipped]).toEqual([plenty[1].rows, 0]);
    expect(await outputs('tight.')).toEqual(await outputs('plenty.'));
  }, 240_000);

  it('passes over due points that are stale, counts them, and loses no pane and no features at its close', async () => {
    const [, score] = await comeBack('adaptive.', 'score.adaptive=true', TIGHT);
    const all = await outputs('plenty.');
    expect(score.skipped).toBeGreaterThan(0);
    expect(score.rows).toBeLessThan(written);
    expect(score.latenessSeconds).toBeGreaterThan(86_400);
    expect(atPaneClose(await outputs('adaptive.'))).toEqual(atPaneClose(all));
  }, 240_000);
});
