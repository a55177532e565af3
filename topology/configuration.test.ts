import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfiguration, maskSecrets } from './configuration.js';

const load = (sets: string[] = [], environment: Record<string, string> = {}, file?: string) =>
  loadConfiguration({ sets, environment, file });

const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-config-'));
afterAll(() => rmSync(directory, { recursive: true }));
const fileOf = (text: string): string => {
  const path = join(directory, 'config.yaml');
  writeFileSync(path, text);
  return path;
};

describe('configuration', () => {
  it('has a default for every key', () => {
    const config = load();
    expect(config.kafka.brokers).toEqual(['127.0.0.1:9092']);
    expect(config.windows.gapMs).toBe(300_000);
    expect(config.sources.map((source) => source.keyed)).toEqual(['auto', 'auto']);
    expect(config.http).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(config.instance).not.toBe('');
  });

  it('puts flags before environment before file before defaults', () => {
    const file = fileOf('http: { port: 1 }\nwindows: { gapMs: 7 }\nscore: { everyMs: 5 }\n');
    const config = load(['http.port=3'], { GPU_ACTUARY_HTTP_PORT: '2', GPU_ACTUARY_WINDOWS_GAP_MS: '8' }, file);
    expect([config.http.port, config.windows.gapMs, config.score.everyMs]).toEqual([3, 8, 5]);
  });

  it('reads lists, booleans, nulls and dotted librdkafka properties from text', () => {
    const config = load(
      [
        'kafka.properties.security.protocol=SSL',
        'score.adaptive=false',
        'model.directory=null',
        'sources.0.format=prometheus-text',
      ],
      { GPU_ACTUARY_KAFKA_BROKERS: 'a:1, b:2' },
    );
    expect(config.kafka.brokers).toEqual(['a:1', 'b:2']);
    expect(config.kafka.properties).toEqual({ 'security.protocol': 'SSL' });
    expect(config.score.adaptive).toBe(false);
    expect(config.model.directory).toBeNull();
    expect(config.sources[0].format).toBe('prometheus-text');
  });

  it.each([
    ['an unknown key in a file', [], {}, 'kafka: { broker: [a] }', /kafka\.broker: unknown key/],
    ['a wrong type in a file', [], {}, 'http: { port: x }', /http\.port: .*got "x"/],
    [
      'a wrong choice',
      [],
      {},
      'sources: [{ topics: [a], format: xml }]',
      /sources\.0\.format: expected one of wide-json/,
    ],
    ['an unknown key of a flag', ['score.evryMs=1'], {}, undefined, /--set score\.evryMs: .*unknown key/],
    ['a broker without a port', ['kafka.brokers=kafka'], {}, undefined, /kafka\.brokers\.0: .*host:port.*got "kafka"/],
    ['a URL of another database', ['database.url=mysql://h/d'], {}, undefined, /database\.url: .*postgres:\/\//],
    ['a number that is not decimal', ['http.port=0x50'], {}, undefined, /http\.port: .*got "0x50"/],
    ['a flag without a value', ['score.everyMs'], {}, undefined, /expected key=value/],
    [
      'an unknown environment variable',
      [],
      { GPU_ACTUARY_KAFKA_BROKER: 'a' },
      undefined,
      /GPU_ACTUARY_KAFKA_BROKER names no/,
    ],
    ['a file that is no mapping', [], {}, '[1]', /expected a mapping/],
    [
      'several documents',
      [],
      {},
      'http: { port: 1 }\n---\nhttp: { port: 2 }\n',
      /config\.yaml: expected one YAML document/,
    ],
    ['broken YAML', [], {}, 'a: [', /configuration file/],
    ['no replica at all', ['kafka.replicationFactor=0'], {}, undefined, /kafka\.replicationFactor: expected -1, or 1/],
    ['an alert that never fires', ['alerts.actionHours=500'], {}, undefined, /risk_high would never fire/],
  ] as [string, string[], Record<string, string>, string | undefined, RegExp][])(
    'refuses %s, naming it',
    (_name, sets, environment, text, message) => {
      expect(() => load(sets, environment, text === undefined ? undefined : fileOf(text))).toThrow(message);
    },
  );

  it.each([
    ...['http://x', 'h:0', 'h:70000', 'a:b:9', '::1:9092', '[::1]', '[h]:9092', '300.1.1.1:9092', 'h h:1', '-h:1'].map(
      (broker) => ['kafka.brokers', `["${broker}"]`],
    ),
    ...['http://x', 'h:80', '[::1]', '1.2.3'].map((host) => ['http.host', host]),
    ...['http://', 'https://h:70000', 'h:8081', 'ftp://h'].map((url) => ['kafka.registry', url]),
    ...['postgres://', 'postgres://h:70000/d'].map((url) => ['database.url', url]),
  ])('refuses for %s an address that is none: %s', (key, value) => {
    expect(() => load([`${key}=${value}`])).toThrow(
      new RegExp(`^configuration: ${key}[.0]*: expected (one of )?(a|host:port).*, got `),
    );
  });

  it.each([
    ['kafka.brokers', 'kafka_1.net:9092, 10.0.0.1:1, [fe80::1]:65535, a-b.example.com.:9092'],
    ...['0.0.0.0', '::', 'localhost', 'db-1.internal'].map((host) => ['http.host', host]),
    ['kafka.registry', 'https://u:p@ss@h:8081/path'],
    ['model.mlflow.url', 'http://[::1]:5000'],
    ...['postgresql://h', 'postgres://u:p%w@h:5432/d?sslmode=require', 'postgres://u@/d?host=/run/postgresql'].map(
      (url) => ['database.url', url],
    ),
  ])('takes for %s the address %s', (key, value) => {
    expect(() => load([`${key}=${value}`])).not.toThrow();
  });

  it('takes limits and thresholds of health one by one, and refuses what the table does not have', () => {
    const config = loadConfiguration({
      environment: {},
      sets: ['health.limits.H100.slowdownCelsius=85', 'health.rules.time_throttled.from=1'],
    });
    expect(config.health).toMatchObject({
      limits: { H100: { slowdownCelsius: 85 } },
      rules: { time_throttled: { from: 1 } },
    });
    const refused = (set: string) => () => loadConfiguration({ environment: {}, sets: [set] });
    expect(refused('health.limits.H1000.slowdownCelsius=85')).toThrow(/health\.limits\.H1000/);
    expect(refused('health.rules.no_such.from=1')).toThrow(/unknown health factor no_such/);
    expect(refused('health.rules.time_throttled.from=24')).toThrow(/from and to are equal/);
    expect(refused('health.rules.time_throttled.points=2')).toThrow(/health\.rules\.time_throttled\.points/);
  });

  it('leaves the text of a property as it was written, for it may be a password', () => {
    const { properties } = load(['kafka.properties.sasl.password=0123', 'kafka.properties.sasl.username=1e3']).kafka;
    expect(properties).toEqual({ 'sasl.password': '0123', 'sasl.username': '1e3' });
  });

  it('takes an empty section for one of which no key is set, at any depth', () => {
    const file = fileOf(
      'http:\nkafka: { properties: }\nmodel: { mlflow: , directory: null }\nsurvival: { yearlyRates: }\n',
    );
    const empty = load([], {}, file);
    expect(empty).toEqual(load(['model.directory=null']));
    expect(load(['http.port=9'], {}, fileOf('http:\n')).http).toEqual({ host: '127.0.0.1', port: 9 });
    expect(load([], {}, fileOf('# all of it is commented out\n'))).toEqual(load());
    expect(load([], {}, fileOf('---\nhttp: { port: 9 }\n...\n')).http.port).toBe(9);
    expect(() => load([], {}, fileOf('sources: [null]'))).toThrow(/sources\.0/);
    expect(() => load([], {}, fileOf('http: { port: }'))).toThrow(/http\.port: .*got null/);
  });

  it('refuses a missing file with its path', () => {
    expect(() => load([], {}, '/nonexistent/config.yaml')).toThrow(/\/nonexistent\/config\.yaml/);
  });

  it('leaves the variables alone that Kubernetes injects for a service of its name', () => {
    expect(() =>
      load([], {
        GPU_ACTUARY_PORT: 'tcp://10.0.0.1:80',
        GPU_ACTUARY_SERVICE_HOST: '10.0.0.1',
        GPU_ACTUARY_SERVE_PORT_80_TCP_ADDR: '10.0.0.1',
        GPU_ACTUARY_SERVE_PORT: 'tcp://10.0.0.1:80',
      }),
    ).not.toThrow();
    expect(load([], { GPU_ACTUARY_HTTP_PORT: '81' }).http.port).toBe(81);
    expect(() => load([], { GPU_ACTUARY_HTP_PORT: '81' })).toThrow(/GPU_ACTUARY_HTP_PORT/);
  });

  it('masks the token of MLflow where it is shown', () => {
    const shown = maskSecrets(
      loadConfiguration({
        environment: { GPU_ACTUARY_MODEL_MLFLOW_TOKEN: 'hush' },
        sets: ['model.mlflow.url=http://u:p@m'],
      }),
    );
    expect(shown.model.mlflow).toMatchObject({ token: '***', url: 'http://u:***@m' });
  });

  it.each(['database.url=postgrs://u:hunter2@h/d', 'kafka.registry=u:hunter2@h', 'model.mlflow.url=ftp://u:hunter2@h'])(
    'tells that %s is wrong, and not its secret',
    (pair) => {
      expect(() => load([pair])).toThrow(/^configuration: (database|kafka|model)\./);
      expect(() => load([pair])).not.toThrow(/hunter2/);
    },
  );

  it('masks secrets where it is shown', () => {
    const shown = maskSecrets(
      load([
        'kafka.properties.sasl.password=hunter2',
        'kafka.properties.ssl.key.password=hunter2',
        'kafka.registry=https://u:hunter2@h:8081',
        'database.url=postgres://u:x@hunter2@h/d?password=hunter2&sslmode=require',
      ]),
    );
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(shown.database.url).toBe('postgres://u:***@h/d?password=***&sslmode=require');
  });
});
