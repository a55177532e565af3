import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sourceClient } from './source-client.js';

describe('the client of a source', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-client-'));
  const ca = join(directory, 'ca.pem');
  writeFileSync(ca, 'an authority');
  afterAll(() => rmSync(directory, { recursive: true }));

  it('is kafkajs for a keyed source, and whatever producers are told changes nothing', () => {
    expect(sourceClient({}, true)).toEqual({ name: 'kafkajs', security: {} });
    expect(sourceClient({ 'linger.ms': 50, 'compression.type': 'lz4' }, true)).toMatchObject({ name: 'kafkajs' });
  });

  it('is node-rdkafka for a source that is read in step', () => {
    expect(sourceClient({}, false)).toEqual({ name: 'node-rdkafka', because: 'reading in step' });
  });

  it('logs in and verifies the broker as the properties say', () => {
    const login = { 'sasl.username': 'gpu', 'sasl.password': '0123' };
    expect(
      sourceClient(
        { 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'SCRAM-SHA-512', ...login, 'ssl.ca.location': ca },
        true,
      ),
    ).toMatchObject({
      name: 'kafkajs',
      security: {
        ssl: { ca: 'an authority', rejectUnauthorized: true },
        sasl: { mechanism: 'scram-sha-512', username: 'gpu', password: '0123' },
      },
    });
    expect(sourceClient({ 'security.protocol': 'sasl_plaintext', 'sasl.mechanisms': 'PLAIN', ...login }, true)).toEqual(
      {
        name: 'kafkajs',
        security: { ssl: undefined, sasl: { mechanism: 'plain', username: 'gpu', password: '0123' } },
      },
    );
  });

  it('takes certificates of its own, as text too, and looks at no name where none is to be looked at', () => {
    const client = sourceClient(
      {
        ...{ 'security.protocol': 'ssl', 'ssl.ca.pem': 'an authority', 'ssl.certificate.location': ca },
        ...{ 'ssl.key.pem': 'a key', 'ssl.key.password': 'p', 'ssl.endpoint.identification.algorithm': 'none' },
      },
      true,
    );
    expect(client).toMatchObject({
      security: { ssl: { ca: 'an authority', cert: 'an authority', key: 'a key', passphrase: 'p' } },
    });
    expect(client).toHaveProperty('security.ssl.checkServerIdentity');
  });

  it.each([
    ['a property of its consumer', { 'fetch.wait.max.ms': 10 }, 'kafka.properties.fetch.wait.max.ms'],
    [
      'a mechanism that kafkajs lacks',
      { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'GSSAPI' },
      'kafka.properties.sasl.mechanism',
    ],
    [
      "the system's authorities",
      { 'security.protocol': 'SSL' },
      'TLS without a file in kafka.properties.ssl.ca.location',
    ],
    [
      'a directory of authorities',
      { 'security.protocol': 'SSL', 'ssl.ca.location': directory },
      'TLS without a file in kafka.properties.ssl.ca.location',
    ],
  ])('is node-rdkafka for %s, and says so', (_, properties, because) => {
    expect(sourceClient(properties, true)).toEqual({ name: 'node-rdkafka', because });
  });
});
