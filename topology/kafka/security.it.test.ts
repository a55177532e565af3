import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import type { PredictionRecord } from '../../schema/records.js';
import { TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { loadConfiguration } from '../configuration.js';
import type { Log } from '../roles/role.js';
import { startEngine } from '../runtime.js';
import { connectionOf } from './connection.js';
import { probeCluster } from './probe.js';

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const TIME = Date.UTC(2026, 5, 1);

await describeWith('kraft', 'a broker behind TLS and a login', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-tls-'));
  const certificate = join(directory, 'cert.pem');
  let broker: Broker;

  beforeAll(async () => {
    const key = join(directory, 'key.pem');
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'],
        ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
      ],
      { stdio: 'ignore' },
    );
    const store = join(directory, 'store.pem');
    writeFileSync(store, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'));
    broker = await startBroker({
      heap: '512m',
      protocol: 'SASL_SSL',
      properties: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': store,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': certificate,
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.sasl_ssl.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required username="gpu" password="0123" user_gpu="0123";',
      },
    });
  });
  afterAll(async () => {
    await broker?.stop();
    rmSync(directory, { recursive: true });
  });

  const configuration = (password = '0123', sets: readonly string[] = []) =>
    loadConfiguration({
      environment: {},
      sets: [
        `kafka.brokers=${broker.brokers}`,
        'kafka.properties.security.protocol=SASL_SSL',
        'kafka.properties.sasl.mechanism=PLAIN',
        'kafka.properties.sasl.username=gpu',
        `kafka.properties.sasl.password=${password}`,
        `kafka.properties.ssl.ca.location=${certificate}`,
        ...sets,
      ],
    });

  it('takes telemetry in and gives predictions out with kafka.properties alone, and goes on when it was away', async () => {
    const client = new TestClient([broker.brokers], {
      ssl: { ca: readFileSync(certificate, 'utf8') },
      sasl: { mechanism: 'plain', username: 'gpu', password: '0123' },
    });
    const value = JSON.stringify({ gpu_uuid: 'GPU-a', timestamp: TIME, gpu_temp: 50, power_usage: 300 });
    await client.produce('raw', [{ key: 'GPU-a', value, timestampMs: TIME }]);
    const told: string[] = [];
    const engine = await startEngine({
      config: configuration('0123', [
        'instance=test',
        'kafka.partitions=1',
        'model.directory=null',
        'http.port=0',
        'sources=[{topics: [raw], format: wide-json-flat}]',
      ]),
      roles: ['ingest', 'score', 'serve'],
      embedded: false,
      build: { version: 'test', commit: null },
      log: { ...silent, info: (_, message) => told.push(message) },
    });
    try {
      const reads = await client.readUntil(['gpu.predictions'], (records) => records.length > 0);
      const codec = await AvroCodec.open(null, '');
      const prediction = await codec.decode<PredictionRecord>('predictions', reads[0].value!);
      expect(prediction).toMatchObject({ gpu_uuid: 'GPU-a', as_of: TIME, trigger: 'change' });
      expect(told).toContain('read by kafkajs');

      await broker.process.stop();
      await broker.start();
      const later = JSON.stringify({ gpu_uuid: 'GPU-b', timestamp: TIME, gpu_temp: 50, power_usage: 300 });
      await client.produce('raw', [{ key: 'GPU-b', value: later, timestampMs: TIME }]);
      const both = await client.readUntil(['gpu.predictions'], (records) => records.length > 1);
      expect(both.map(({ key }) => String(key)).sort()).toEqual(['GPU-a', 'GPU-b']);
    } finally {
      await engine.stop();
    }
  });

  it('is told apart from one that is not there: a refused login and a certificate nobody vouches for', async () => {
    const probe = (config: ReturnType<typeof configuration>): Promise<unknown> =>
      probeCluster(connectionOf(config), () => undefined, 3_000);
    await expect(probe(configuration('wrong'))).rejects.toMatchObject({
      code: 'kafka_unreachable',
      message: expect.stringMatching(/authentication/i) as string,
    });
    const unknown = configuration('0123', ['kafka.properties.ssl.ca.location=/etc/ssl/certs/ca-certificates.crt']);
    await expect(probe(unknown)).rejects.toMatchObject({
      code: 'kafka_unreachable',
      message: expect.stringMatching(/certificate|SSL/i) as string,
    });
  });
});
