import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { KafkaConnection } from './connection.js';
import { missingFeatures, probeCluster } from './probe.js';

const connection = (properties: KafkaConnection['properties']): KafkaConnection => ({
  // Nobody listens on port 1.
  brokers: ['127.0.0.1:1'],
  properties,
  topicPrefix: '',
  instance: 'test',
  sessionTimeoutMs: 10_000,
  guarantee: 'exactly-once',
  bufferBytes: 64e6,
  embedded: false,
});
const probe = (properties: KafkaConnection['properties']): Promise<unknown> =>
  probeCluster(connection(properties), () => undefined, 100);

describe('knocking at the cluster', () => {
  it.each([
    [{ 'nosuch.thing': 1 }, /nosuch\.thing/],
    [{ 'socket.timeout.ms': 'soon' }, /socket\.timeout\.ms/],
    [{ 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'SCRAM-SHA-512' }, /sasl\.username/],
    [{ 'security.protocol': 'SSL', 'ssl.ca.location': '/nonexistent' }, /ssl\.ca\.location/],
  ])('says which of kafka.properties %j is at fault', async (properties, message) => {
    await expect(probe(properties as KafkaConnection['properties'])).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('says what went wrong on the way, where the wrong protocol is spoken', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined).on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    }).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const broker = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
    const probing = probeCluster(
      { ...connection({ 'security.protocol': 'SSL' }), brokers: [broker] },
      () => undefined,
      3_000,
    );
    await expect(probing).rejects.toThrow(/SSL handshake failed|SSL routines/);
    plain.close();
  });

  it('says where nobody answers', async () => {
    await expect(probe({})).rejects.toMatchObject({
      code: 'kafka_unreachable',
      message: expect.stringContaining('127.0.0.1:1') as string,
    });
  });

  it('says what is waited for as soon as there was no answer', async () => {
    const say = (message: string): never => {
      throw new Error(message);
    };
    await expect(probeCluster(connection({}), say)).rejects.toThrow('waiting for Kafka at 127.0.0.1:1, up to 20 s');
  });

  it('names what a build without libraries cannot do', () => {
    expect(missingFeatures(['gzip', 'snappy', 'lz4', 'zstd', 'ssl'])).toEqual([]);
    expect(missingFeatures(['gzip', 'snappy', 'lz4']).join()).toMatch(/zstd cannot be read.*no TLS/);
  });
});
