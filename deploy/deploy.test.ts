import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { loadConfiguration } from '../topology/configuration.js';

/** What cannot be started in a test is at least held against the software that it starts. */
const read = (...path: string[]): string => readFileSync(join(packageRoot(), ...path), 'utf8');
const environmentOf = (variables: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith('GPU_ACTUARY_')));

describe('docker-compose.yml', () => {
  interface Service {
    build?: string;
    environment?: Record<string, string>;
    depends_on?: string[] | Record<string, { condition: string }>;
    healthcheck?: object;
    volumes?: string[];
    network_mode?: string;
  }
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const services = Object.entries(compose.services);

  it('gives the engine variables that are keys of its configuration', () => {
    const built = services.filter(([, { build }]) => build !== undefined);
    expect(built.map(([name]) => name).sort()).toEqual(['gpu-actuary', 'migrate']);
    for (const [, { environment }] of built) {
      const config = loadConfiguration({ environment: environmentOf(environment ?? {}), sets: [] });
      expect(config.kafka.brokers).toEqual(['kafka:9092']);
      expect(config.database.url).toMatch(/@timescaledb:/);
    }
  });

  it('waits for services that are there, and that say when they are healthy', () => {
    for (const [name, { depends_on, network_mode }] of services) {
      const needed = Array.isArray(depends_on)
        ? depends_on.map((one) => [one, 'service_started'])
        : Object.entries(depends_on ?? {}).map(([one, { condition }]) => [one, condition]);
      for (const [one, condition] of needed) {
        expect(Object.keys(compose.services), name).toContain(one);
        if (condition === 'service_healthy') expect(compose.services[one], one).toHaveProperty('healthcheck');
      }
      if (network_mode !== undefined) expect(compose.services).toHaveProperty(network_mode.replace('service:', ''));
    }
  });

  it('mounts what exists, and keeps what is to be kept in volumes of its own', () => {
    for (const [name, { volumes }] of services)
      for (const volume of volumes ?? []) {
        const [source] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(join(packageRoot(), source)), `${name}: ${source}`).toBe(true);
        else expect(Object.keys(compose.volumes), name).toContain(source);
      }
    const { environment, volumes } = compose.services.kafka;
    expect(volumes).toContain(`kafka:${environment!.KAFKA_LOG_DIRS}`);
  });
});

describe('Dockerfile', () => {
  it('copies all that the package needs at run time', () => {
    const copied = [...read('Dockerfile').matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map(([, path]) => path);
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    const needed = files.filter((file) => !file.endsWith('.md') && file !== 'LICENSE');
    expect(copied).toEqual(expect.arrayContaining([...needed, 'node_modules', 'package.json']));
  });

  it('has the library at run time for each header that it compiles with', () => {
    const [build, run] = read('Dockerfile')
      .split(/^FROM /m)
      .slice(1);
    const libraries: Record<string, string> = {
      'libsasl2-dev': 'libsasl2-2',
      'libssl-dev': 'libssl3',
      'libzstd-dev': 'libzstd1',
      'zlib1g-dev': 'zlib1g',
    };
    for (const header of build.match(/\S+-dev\b/g)!)
      expect(run, header).toMatch(new RegExp(`\\b${libraries[header]}\\b`));
  });
});

describe('kubernetes/gpu-actuary.yaml', () => {
  interface Container {
    args: string[];
    env?: { name: string; value?: string }[];
    ports?: { name: string; containerPort: number }[];
    livenessProbe?: { httpGet: { path: string; port: string } };
    readinessProbe?: { httpGet: { path: string; port: string } };
  }
  interface Manifest {
    kind: string;
    metadata: { name: string };
    data?: Record<string, string>;
    stringData?: Record<string, string>;
    spec: {
      selector: Record<string, never> & { matchLabels: Record<string, string> };
      template: {
        metadata?: { labels: Record<string, string> };
        spec: { enableServiceLinks?: boolean; containers: Container[] };
      };
    };
  }
  const manifests = parseAllDocuments(read('deploy', 'kubernetes', 'gpu-actuary.yaml')).map(
    (document) => document.toJS() as Manifest,
  );
  const of = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);

  it('holds a configuration that the engine takes', () => {
    const tree = parse(of('ConfigMap')[0].data!['gpu-actuary.yaml']) as Record<string, unknown>;
    const sets = Object.entries(tree).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const config = loadConfiguration({ environment: of('Secret')[0].stringData!, sets });
    expect(config.kafka.brokers).toEqual(['kafka:9092']);
    expect(config.database.url).not.toBeNull();
  });

  it('runs every role once, and asks each process how it is on the port it listens on', () => {
    const roles = of('Deployment').flatMap(({ spec }) =>
      spec.template.spec.containers.flatMap(({ args }) => args[args.indexOf('--roles') + 1].split(',')),
    );
    expect(roles.sort()).toEqual(['ingest', 'load', 'score', 'serve']);
    const { http } = loadConfiguration({ environment: {}, sets: [] });
    for (const { spec } of of('Deployment')) {
      expect(spec.template.metadata!.labels).toMatchObject(spec.selector.matchLabels);
      for (const { ports, livenessProbe, readinessProbe } of spec.template.spec.containers) {
        expect(ports).toEqual([{ name: 'http', containerPort: http.port }]);
        expect(livenessProbe!.httpGet).toEqual({ path: '/healthz', port: 'http' });
        expect(readinessProbe!.httpGet).toEqual({ path: '/readyz', port: 'http' });
      }
    }
  });

  it('keeps variables of services away, and gives no variable that is no key', () => {
    for (const { spec } of [...of('Deployment'), ...of('Job')]) {
      expect(spec.template.spec.enableServiceLinks).toBe(false);
      for (const { env } of spec.template.spec.containers)
        for (const { name } of env ?? [])
          expect(() => loadConfiguration({ environment: { [name]: 'x' }, sets: [] })).not.toThrow();
    }
  });
});
