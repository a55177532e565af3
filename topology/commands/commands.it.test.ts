import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../schema/package-root.js';
import { anotherModel } from '../../test/support/models.js';
import { CATALOGUE } from './catalogue.js';
import { main } from './main.js';

/** The command line from arguments to what it prints, in this process. */
const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-commands-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Text extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function run(args: readonly string[], input = '', environment: Record<string, string> = {}): Promise<Ran> {
  const [stdout, stderr] = [new Text(), new Text()];
  const status = await main(args, environment, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr });
  return { status, stdout: stdout.text, stderr: stderr.text };
}

const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

it('listens to standard output once, however often it runs in a process', async () => {
  const [stdout, stderr] = [new Text(), new Text()];
  for (let times = 0; times < 3; times++)
    expect(await main(['--version'], {}, { stdin: Readable.from([]), stdout, stderr })).toBe(0);
  expect(stdout.listenerCount('error')).toBe(1);
});

describe('the command line', () => {
  it('explains itself and every command', async () => {
    const help = await run(['--help']);
    expect(help.status).toBe(0);
    for (const command of [
      'demo',
      'run',
      'replay',
      'simulate',
      'training-set',
      'decide',
      'explain',
      'topics',
      'db',
      'model',
      'config',
    ]) {
      expect(help.stdout).toContain(command);
      expect((await run([command, '--help'])).stdout).toContain(`Usage: gpu-actuary ${command}`);
    }
    for (const command of [
      ['demo'],
      ['run'],
      ['replay'],
      ['simulate'],
      ['training-set'],
      ['decide'],
      ['topics', 'create'],
      ['db', 'migrate'],
      ['model', 'show'],
      ['model', 'list'],
      ['model', 'verify'],
      ['model', 'promote'],
      ['model', 'rollback'],
      ['config', 'check'],
      ['config', 'print'],
    ])
      expect((await run([...command, '--help'])).stdout).toMatch(/--config <file>[^]*--set <key=value>/);
    expect((await run(['evaluate', '--help'])).stdout).toMatch(/--every <span>[^-]*\(default: 1d\)/);
    expect((await run(['demo', '--help'])).stdout).toMatch(/--gpus <n>[^-]*1 to 1000/);
    expect((await run(['help', 'demo'])).stdout).toContain('Usage: gpu-actuary demo');
  });

  it('loads no command to say which there are', async () => {
    const loads = Object.values(CATALOGUE).map((entry) => vi.spyOn(entry, 'load'));
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const args of [['--help'], ['help'], [], ['nonsense']]) await run(args);
    for (const load of loads) expect(load).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  it.each([
    [['nonsense'], /^gpu-actuary: usage: unknown command 'nonsense'\n\(gpu-actuary --help shows what there is\)\n$/],
    [['nonsense', '--help'], /usage: unknown command 'nonsense'/],
    [['help', 'nonsense'], /usage: unknown command 'nonsense'/],
    [['demoo'], /usage: unknown command 'demoo' \(Did you mean demo\?\)\n/],
    [['--config', 'file', 'run'], /usage: unknown option '--config'/],
    [
      ['topics', 'create', '--jsn'],
      /usage: unknown option '--jsn' \(Did you mean --json\?\)\n\(gpu-actuary topics create --help /,
    ],
    [['run', 'away'], /usage: too many arguments for 'run'.*\n\(gpu-actuary run --help /],
    [['topics'], /^Usage: gpu-actuary topics /],
    [
      ['decide', '--model', 'H100'],
      /usage: required option '--health <score>' not specified\n\(gpu-actuary decide --help /,
    ],
    [['decide', '--model', 'H100', '--health', '101', '--p30', '0'], /usage: --health 101/],
    [
      ['decide', '--model', 'H100', '--health', '90', '--p30', '0x1'],
      /usage: --p30 0x1: expected a number from 0 to 1\n/,
    ],
    [['demo', '--gpus', '0x10'], /usage: --gpus 0x10/],
    [['demo', '--speed', '0'], /usage: --speed 0: expected a number above 0/],
    [['simulate', '--gpus', '1', '--days', '0x1', '--output', '-'], /usage: --days 0x1: expected a number above 0/],
    [
      ['simulate', '--gpus', '1.5', '--days', '1', '--output', '-'],
      /usage: --gpus 1\.5: expected a whole number from 1 to/,
    ],
    [['dead-letters', 'list', '--limit', '0x10'], /usage: --limit 0x10: expected a whole number, 1 or more/],
    [['dead-letters', 'list', '--since', 'yesterday'], /usage: --since yesterday: expected 90s, /],
    [['dead-letters', 'list', '--code', 'none'], /usage: --code none: expected one of /],
    [['evaluate', '--since', '1d', '--every', '0d'], /usage: --every 0d: expected /],
    [['labels', 'import', '-', '--now', '0'], /usage: --now 0: expected an ISO 8601 time/],
    [['drain', '--wait-seconds', '-1'], /usage: --wait-seconds -1: expected a whole number, 0 or more/],
    [['run', '--roles', 'cook'], /usage: --roles cook/],
    [['demo', '--gpus', '1e9'], /usage: --gpus 1e9: expected a whole number from 1 to 1000/],
    [['demo', '--seed', 'one'], /usage: --seed one/],
    [['demo', '--port', '99999'], /config_invalid: configuration: http\.port/],
    [['demo', '--set', 'no.such=1'], /config_invalid: --set no\.such/],
    [['run', '--set', 'kafka.broker=a'], /config_invalid: --set kafka\.broker/],
    [['replay', '--input', '-', '--emit', 'all'], /usage: --emit all/],
    [['replay', '--input', '-', '--as-of', 'today'], /usage: --as-of today/],
    [['replay', '--input', '-', '--now', 'today'], /usage: --now today/],
    [['simulate', '--gpus', '1', '--days', '1', '--output', '-', '--cadence', '5'], /usage: --cadence 5/],
    [['simulate', '--gpus', '1', '--days', '1', '--output', '-', '--world', 'moon'], /usage: --world moon/],
    [['training-set', '--output', '-', '--plan', 'huge'], /usage: --plan huge/],
    [['training-set', '--output', '-', '--splits', 'train,exam'], /usage: --splits exam/],
    [['training-set', '--output', '-', '--part', '3/2'], /usage: --part 3\/2/],
    [['config', 'check', '--config', '/nonexistent.yaml'], /config_unreadable/],
    [['db', 'migrate'], /usage: no database/],
  ])('says what is wrong with %j, and ends with 2', async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('takes the file from GPU_ACTUARY_CONFIG and prints the configuration in force', async () => {
    const path = file('config.yaml', 'score: { everyMs: 20000 }\nkafka: { properties: { sasl.password: secret } }\n');
    const { stdout } = await run(['config', 'print', '--json', '--set', 'http.port=9'], '', {
      GPU_ACTUARY_CONFIG: path,
    });
    expect(JSON.parse(stdout)).toMatchObject({ score: { everyMs: 20_000 }, http: { port: 9 } });
    expect(stdout).not.toContain('secret');
    expect((await run(['config', 'check', '--json', '--config', path])).stdout).toBe('{"valid":true}\n');
    expect((await run(['config', 'check', '--json'], '', { GPU_ACTUARY_CONFIG: '' })).stdout).toBe('{"valid":true}\n');
  });
});

describe('decide', () => {
  const args = ['decide', '--model', 'H100', '--health', '71.6', '--p30', '0.15'];

  it('gives the values of the reference profile, which is the default', async () => {
    const { status, stdout } = await run([...args, '--json']);
    expect(status).toBe(0);
    const decision = JSON.parse(stdout) as Record<string, number>;
    expect(decision).toMatchObject({ decision: 'sell', profile: 'reference', robustness: null });
    expect(decision.npv_sell).toBeCloseTo(20_900, 8);
    expect(decision.salvage_value).toBeCloseTo(2_200, 8);
    expect(decision.npv_keep).toBeCloseTo(18_316.95, 2);
    expect(decision.npv_repurpose).toBeCloseTo(7_411.61, 2);
    expect(decision.confidence).toBeCloseTo(0.5618, 4);
    expect((await run([...args, '--json', '--profile', 'reference'])).stdout).toBe(stdout);
  });

  it('prints them for people to the cent', async () => {
    const { stdout } = await run(args);
    for (const figure of ['18,316.95', '20,900.00 USD  <- recommended', '7,411.61', '2,200.00', 'confidence 0.5618'])
      expect(stdout).toContain(figure);
  });

  it('has no value for a model without a price', async () => {
    expect(await run(['decide', '--model', 'GH200', '--health', '90', '--p30', '0'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no_price') as string,
    });
  });
});

describe('model show', () => {
  it('tells the champion, for people and for programs', async () => {
    const { stdout } = await run(['model', 'show', '--json']);
    const card = JSON.parse(stdout) as { model_version: string; features: string[] };
    expect(card.features[0]).toBe('gpu_temp_mean');
    const shown = (await run(['model', 'show'])).stdout;
    expect(shown).toContain(card.model_version);
    expect(shown).toMatch(/30d {7}AUC 0\.\d{3}/);
  });

  it('fails where the model would not score', async () => {
    expect(await run(['model', 'show', '--set', 'model.directory=/nonexistent'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('model_missing') as string,
    });
  });
});

describe('model seal, verify, promote and rollback', () => {
  it('bring a model of your own into force, and the one before back', async () => {
    const [own, serving] = [join(directory, 'own'), join(directory, 'served', 'champion')];
    await anotherModel(own, 'own-1');
    await anotherModel(serving, 'served-1');
    rmSync(join(own, 'manifest.json'));
    const set = ['--set', `model.directory=${serving}`];
    expect(await run(['model', 'promote', own, ...set])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('model_unsealed') as string,
    });
    // An engine loads it; what asks for the seal says so.
    expect((await run(['model', 'show', '--set', `model.directory=${own}`])).status).toBe(0);
    expect(await run(['model', 'verify', own, ...set])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`gpu-actuary model seal ${own}`) as string,
    });
    const sealed = await run(['model', 'seal', own, '--run-id', 'run-7', '--json']);
    expect(JSON.parse(sealed.stdout)).toMatchObject({ model_version: 'own-1', run_id: 'run-7' });
    const manifest = readFileSync(join(own, 'manifest.json'));
    const golden = readFileSync(join(own, 'golden.json'));
    const wrong = JSON.parse(golden.toString()) as { failure_prob: number[][] };
    wrong.failure_prob[0][0] += 0.5;
    for (const text of ['{}', JSON.stringify(wrong)]) {
      writeFileSync(join(own, 'golden.json'), text);
      expect(await run(['model', 'seal', own])).toMatchObject({ status: 1 });
      // What was sealed before is what the directory is held against.
      expect(readFileSync(join(own, 'manifest.json'))).toEqual(manifest);
    }
    writeFileSync(join(own, 'golden.json'), golden);
    expect((await run(['model', 'promote', own, ...set])).stdout).toMatch(/^in force: own-1, run run-7/);
    // Once more changes nothing: there is no step to take back.
    expect((await run(['model', 'promote', own, ...set])).status).toBe(0);
    expect((await run(['model', 'verify', ...set])).stdout).toMatch(/^usable: own-1/);
    expect((await run(['model', 'rollback', ...set])).stdout).toMatch(/^in force again: served-1/);
    const listed = jsonLines((await run(['model', 'list', '--json', ...set])).stdout);
    expect(listed.map(({ model_version }) => model_version)).toEqual(['served-1', 'own-1', 'served-1']);
    writeFileSync(join(serving, 'golden.json'), '{}');
    expect((await run(['model', 'verify', ...set])).stderr).toMatch(/model_corrupt/);
  });
});

describe('simulate and replay', () => {
  const simulate = (output: string, ...more: string[]): Promise<Ran> =>
    run(['simulate', '--gpus', '3', '--days', '1', '--cadence', '10m', '--seed', '5', '--output', output, ...more]);

  it('write a fleet that the same seed writes again, with failures to 90 days past its telemetry', async () => {
    const [one, two] = [join(directory, 'one'), join(directory, 'two')];
    const scaled = ['--gpus', '100', '--cadence', '12h', '--hazard-scale', '40'];
    await simulate(one, ...scaled);
    await simulate(two, ...scaled);
    for (const name of ['telemetry.jsonl', 'assets.jsonl', 'labels.jsonl'])
      expect(readFileSync(join(one, name))).toEqual(readFileSync(join(two, name)));
    const labels = jsonLines(readFileSync(join(one, 'labels.jsonl'), 'utf8'));
    expect(Object.keys(labels[0])).toEqual(['gpu_uuid', 'failed_at', 'type']);
    const days = labels.map(({ failed_at }) => (Date.parse(String(failed_at)) - Date.UTC(2026, 0, 1)) / 86_400_000);
    expect(Math.max(...days)).toBeGreaterThan(60);
    expect(Math.max(...days)).toBeLessThanOrEqual(91);
  });

  it('agree on every format: what one writes the other reads, by itself', async () => {
    for (const format of ['wide-json', 'wide-json-flat', 'prometheus-text']) {
      const telemetry = (await simulate('-', '--format', format)).stdout;
      const replayed = await run(['replay', '--input', '-', '--emit', 'features,rejected'], telemetry);
      expect(replayed.status).toBe(0);
      const lines = jsonLines(replayed.stdout);
      const features = lines.filter((line) => 'features' in line);
      expect(features).toHaveLength(3);
      for (const line of features) {
        expect(Object.keys(line)).toEqual(['gpu_uuid', 'as_of', 'features']);
        expect(line.as_of).toMatch(/^2026-01-01T23:\d\d:\d\d\.\d{3}Z$/);
        expect(Object.keys(line.features as object)).toHaveLength(54);
        expect((line.features as Record<string, number>).gpu_temp_mean).toBeGreaterThan(15);
      }
      expect(lines.filter((line) => line.reason === 'late' || line.reason === 'unparseable')).toEqual([]);
    }
  });

  it('evaluate at the newest reading, at each hour or at a time, from the readings up to it', async () => {
    const telemetry = (await simulate('-')).stdout;
    const asOf = async (when: string): Promise<string[]> =>
      jsonLines((await run(['replay', '--input', '-', '--as-of', when], telemetry)).stdout).map(({ as_of }) =>
        String(as_of).slice(11),
      );
    expect(await asOf('last')).toHaveLength(3);
    const hours = await asOf('every:6h');
    expect(new Set(hours)).toEqual(new Set(['06:00:00.000Z', '12:00:00.000Z', '18:00:00.000Z']));
    expect(hours).toHaveLength(9);
    expect(await asOf('2026-01-01T12:30:00Z')).toEqual(Array(3).fill('12:30:00.000Z'));
    expect(await asOf('2025-01-01T00:00:00Z')).toEqual([]);
  });

  it('predict a GPU without telemetry from its line of the register', async () => {
    const telemetry = (await simulate('-')).stdout;
    const register = join(directory, 'register.jsonl');
    const asset = {
      gpu_uuid: 'GPU-silent',
      model: 'H100',
      deployment_date: '2023-01-01',
      batch: 'old',
      cage: 2,
      slot: 7,
    };
    writeFileSync(register, JSON.stringify(asset));
    const silent = async (input: string, ...more: string[]): Promise<Record<string, unknown>[]> =>
      jsonLines(
        (await run(['replay', '--input', '-', '--assets', register, '--emit', 'predictions', ...more], input)).stdout,
      ).filter((line) => line.gpu_uuid === 'GPU-silent');
    const [line] = await silent(telemetry);
    expect(line).toMatchObject({ kind: 'prediction', newest_reading_at: null, feature_set: 'assets', coverage: 0 });
    expect(line.model_version).toMatch(/^survival-/);
    expect(line.as_of).toMatch(/^2026-01-01T23:\d\d/);
    expect(await silent(telemetry, '--as-of', '2026-02-01T00:00:00Z')).toMatchObject([
      { as_of: '2026-02-01T00:00:00.000Z' },
    ]);
    expect(await silent('', '--now', '2026-03-01T00:00:00Z')).toMatchObject([{ as_of: '2026-03-01T00:00:00.000Z' }]);
    expect(await silent('')).toEqual([]);
  });

  it('emit every kind, with the register, the same bytes each time', async () => {
    const fleet = join(directory, 'fleet');
    await simulate(fleet);
    const args = ['replay', '--input', join(fleet, 'telemetry.jsonl'), '--assets', join(fleet, 'assets.jsonl')];
    const emit = ['--emit', 'features,predictions,health,decisions,rejected'];
    const [one, two] = [join(directory, 'out1.jsonl'), join(directory, 'out2.jsonl')];
    await run([...args, ...emit, '--output', one]);
    await run([...args, ...emit, '--output', two]);
    const text = readFileSync(one, 'utf8');
    expect(readFileSync(two, 'utf8')).toBe(text);
    const of = (kind: string) => jsonLines(text).filter((line) => line.kind === kind);
    expect(of('health')).toHaveLength(3);
    for (const line of of('prediction')) {
      expect(line.model_version).toMatch(/^hazard-v2-/);
      expect(Number(line.failure_prob_7d)).toBeLessThanOrEqual(Number(line.failure_prob_30d));
    }
    const features = jsonLines(text).find((line) => 'features' in line)!.features as Record<string, number>;
    expect(features.gpu_age_days).toBeGreaterThan(0);
    const heuristic = await run([...args, '--emit', 'predictions', '--set', 'model.directory=null']);
    expect(jsonLines(heuristic.stdout)[0]).toMatchObject({ model_version: 'heuristic', run_id: null, confidence: 0 });
    const sealed = join(directory, 'sealed');
    cpSync(join(packageRoot(), 'models', 'champion'), sealed, { recursive: true });
    await run(['model', 'seal', sealed, '--run-id', 'run-9']);
    const named = await run([...args, '--emit', 'predictions', '--set', `model.directory=${sealed}`]);
    expect(jsonLines(named.stdout)[0]).toMatchObject({ run_id: 'run-9' });
  });

  it('judge times only against a given now', async () => {
    const telemetry = (await simulate('-', '--gpus', '1')).stdout;
    const reasons = async (...more: string[]): Promise<Set<unknown>> =>
      new Set(
        jsonLines((await run(['replay', '--input', '-', '--emit', 'rejected', ...more], telemetry)).stdout)
          .map(({ reason }) => reason)
          .filter((reason) => reason === 'future' || reason === 'past'),
      );
    expect(await reasons()).toEqual(new Set());
    expect(await reasons('--now', '2026-01-01T06:00:00Z')).toEqual(new Set(['future']));
    // Recordings are old by nature: too old is only what a flag says is.
    expect(await reasons('--now', '2026-02-01T00:00:00Z')).toEqual(new Set());
    expect(await reasons('--now', '2026-02-01T00:00:00Z', '--set', 'ingest.maxAgeDays=8')).toEqual(new Set(['past']));
  });

  it('read a plain scrape at a time that is given', async () => {
    const scrape = join(packageRoot(), 'test', 'fixtures', 'scrapes', 'l4-eks.prom');
    expect(await run(['replay', '--input', scrape])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--at') as string,
    });
    const { stdout } = await run(['replay', '--input', scrape, '--at', '2026-01-01T00:00:00Z']);
    expect(jsonLines(stdout)).toMatchObject([
      { as_of: '2026-01-01T00:00:00.000Z', features: { gpu_temp_mean: 31, memory_temp_mean: null } },
    ]);
  });

  it('reject line by line, naming line, reason, GPU and metric, and go on', async () => {
    const good = (minute: number, temperature: unknown): string =>
      JSON.stringify({ gpu_uuid: 'GPU-a', timestamp: 1_767_225_600_000 + 60_000 * minute, gpu_temp: temperature });
    const input = [good(0, 50), 'no JSON', '', good(1, 'hot'), good(2, 52), good(2, 53), good(0, 54)].join('\n');
    const args = ['replay', '--input', '-', '--format', 'wide-json-flat', '--emit', 'rejected,features'];
    const lines = jsonLines((await run(args, input)).stdout);
    const rejected = lines.filter((line) => 'reason' in line);
    expect(rejected.map(({ line, reason, gpu_uuid, metric }) => [line, reason, gpu_uuid, metric])).toEqual([
      [2, 'malformed', null, null],
      [3, 'empty', null, null],
      [4, 'unparseable', 'GPU-a', 'gpu_temp'],
      [4, 'empty', null, null],
      [6, 'duplicate', 'GPU-a', 'gpu_temp'],
      [7, 'late', 'GPU-a', 'gpu_temp'],
    ]);
    expect(lines.at(-1)).toMatchObject({ features: { gpu_temp_mean: 51 } });
  });

  it.each([
    [['replay', '--input', '/nonexistent'], 'input_unreadable'],
    [['replay', '--input', tmpdir()], 'input_unreadable'],
    [['replay', '--input', '-', '--assets', '/nonexistent'], 'assets_invalid'],
    [['replay', '--input', '-', '--output', '/nonexistent/file'], 'output_unwritable'],
    [['replay', '--input', '-', '--output', tmpdir()], 'output_unwritable: .*: is a directory'],
    [['replay', '--input', '-', '--output', '/dev/full'], 'output_unwritable'],
    [['simulate', '--gpus', '1', '--days', '1', '--output', '/dev/null/directory'], 'output_unwritable'],
    [['simulate', '--gpus', '1', '--days', '1', '--output', '/proc/none'], 'output_unwritable'],
  ])('fail with a code: %j is %s', async (args, code) => {
    const { status, stderr } = await run(args, '{"gpu_uuid":"GPU-a","timestamp":1767225600000,"gpu_temp":50}\n');
    expect([status, stderr]).toEqual([1, expect.stringMatching(new RegExp(`^gpu-actuary: ${code}`))]);
  });
});

describe('explain', () => {
  const row = (features: Record<string, number | null>): string =>
    JSON.stringify({ gpu_uuid: 'GPU-a', as_of: '2026-11-01T00:00:00.000Z', features });

  it('tells of each row what moves its odds, in words and as JSON that sums up', async () => {
    const rows = [row({ xid_hardware_count: 3, gpu_temp_mean: 70 }), row({ gpu_temp_mean: null })].join('\n');
    const told = await run(['explain', '--features', file('rows.jsonl', `${rows}\n`)]);
    expect(told.stderr).toBe('');
    expect(told.stdout).toMatch(
      // Whether or not the model minds more what it does not know of this GPU.
      /^GPU-a as of 2026-11-01T00:00:00.000Z: [\d.]+ % within 30 days\n(?: {2}.*\n)*? {2}3 hardware XIDs in the week, \+/,
    );
    const [first] = jsonLines((await run(['explain', '--json', '--features', '-'], rows)).stdout) as [
      {
        top_factors: { feature: string; value: number; words: string }[];
        heads: Record<string, { base: number; margin: number; contributions: Record<string, number> }>;
      },
    ];
    expect(first.top_factors).toContainEqual(expect.objectContaining({ feature: 'xid_hardware_count', value: 3 }));
    for (const { base, margin, contributions } of Object.values(first.heads))
      expect(Object.values(contributions).reduce((sum, each) => sum + each, base)).toBeCloseTo(margin, 9);
  });

  it('asks a running engine for the features of a GPU, and says where another model answered there', async () => {
    const answers: Record<string, object> = {
      '/features/GPU-a': JSON.parse(row({ xid_hardware_count: 3 })) as object,
      '/predictions/GPU-a': { gpu_uuid: 'GPU-a', model_version: 'yesterday' },
    };
    const server = createServer(({ url }, response) => void response.end(JSON.stringify(answers[url!])));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const { status, stdout, stderr } = await run(['explain', '--gpu', 'GPU-a', '--set', `http.port=${port}`]);
      expect(status).toBe(0);
      expect(stdout).toContain('3 hardware XIDs in the week, +');
      expect(stderr).toMatch(/^the engine's last prediction is that of yesterday; this explains hazard-v2-/);
    } finally {
      server.close();
    }
  });

  it('says that there is nothing to explain', async () => {
    expect(await run(['explain', '--features', '-'])).toMatchObject({
      ...{ status: 0, stdout: '' },
      stderr: expect.stringContaining('nothing to explain') as string,
    });
  });

  it('says of a GPU that the engine does not know what the engine says', async () => {
    const server = createServer((_, response) => {
      response.writeHead(404).end('{"code":"unknown_gpu","message":"no GPU-a"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const { status, stderr } = await run(['explain', '--gpu', 'GPU-a', '--set', `http.port=${port}`]);
      expect(status).toBe(1);
      expect(stderr).toContain('gpu-actuary: unknown_gpu: ');
    } finally {
      server.close();
    }
  });

  it.each([
    ['neither a file nor a GPU', [], 'usage'],
    ['both', ['--gpu', 'GPU-a', '--features', '-'], 'usage'],
    ['no file', ['--features', join(directory, 'none.jsonl')], 'input_unreadable'],
    ['an unknown feature', ['--features', file('wrong.jsonl', row({ gpu_tmp_mean: 1 }))], 'input_invalid'],
    ['text', ['--features', file('text.jsonl', 'hot')], 'input_invalid'],
    ['features without names', ['--features', file('list.jsonl', '{"features":[60]}')], 'input_invalid: .*expected'],
    ['a directory', ['--features', directory], 'input_unreadable: .*is a directory'],
    ['a model that is nowhere', ['--features', '-', '--set', 'model.directory=no/model'], 'model_missing: .*no/model'],
    ['MLflow that is away', ['--features', '-', '--set', 'model.mlflow.url=http://127.0.0.1:1'], 'mlflow_unreachable'],
    ['no engine', ['--gpu', 'GPU-a', '--set', 'http.port=1'], 'engine_unreachable'],
    ['the rule of thumb', ['--features', '-', '--set', 'model.directory=null'], 'model_missing'],
  ])('refuses %s', async (_, args, code) => {
    const { status, stderr } = await run(['explain', ...args]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(new RegExp(`^gpu-actuary: ${code}`));
  });
});
