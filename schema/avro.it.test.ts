import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import avro from 'avsc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../bench/support/processes.js';
import { describeWith } from '../test/support/requirements.js';
import { startRegistry, type Registry } from '../test/support/registry.js';
import { AVRO_TOPICS, AvroCodec, schemaText } from './avro.js';
import { packageRoot } from './package-root.js';

interface Schema {
  fields: { name: string; type: unknown; default?: unknown }[];
}

const label = { gpu_uuid: 'GPU-a', failed_at: 1_764_000_000_000, type: 'memory' };

await describeWith('mvn', 'the codec with a real schema registry', () => {
  let registry: Registry;
  beforeAll(async () => {
    // As it comes: this registry checks no compatibility unless it is told to.
    registry = await startRegistry();
  }, 300_000);
  afterAll(() => registry.stop());

  async function request(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${registry.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  it('registers a subject for each topic, with the prefix, and the same ids when it starts again', async () => {
    const codec = await AvroCodec.open(registry.url, 'a.');
    expect(codec.fixedIds).toBe(false);
    const { body } = await request('GET', '/subjects');
    for (const topic of ['gpu.samples', 'gpu.features', 'gpu.predictions', 'gpu.labels'])
      expect(body).toContain(`a.${topic}-value`);
    expect((body as string[]).filter((subject) => subject.startsWith('a.'))).toHaveLength(AVRO_TOPICS.length);
    const again = await AvroCodec.open(registry.url, 'a.');
    expect(again.encode('labels', label)).toEqual(codec.encode('labels', label));
  });

  it('keeps its subjects backward compatible, a stricter rule of theirs as it is', async () => {
    await request('POST', '/subjects/f.gpu.labels-value/versions', {
      schemaType: 'AVRO',
      schema: schemaText('labels'),
    });
    await request('PUT', '/config/f.gpu.labels-value', { compatibility: 'FULL' });
    const codec = await AvroCodec.open(registry.url, 'f.');
    expect(codec.unguarded).toEqual([]);
    const level = async (topic: string): Promise<unknown> => (await request('GET', `/config/f.${topic}-value`)).body;
    expect(await level('gpu.predictions')).toMatchObject({ compatibilityLevel: 'BACKWARD' });
    expect(await level('gpu.labels')).toMatchObject({ compatibilityLevel: 'FULL' });
    const broken = JSON.parse(schemaText('predictions')) as Schema;
    broken.fields.push({ name: 'without_default', type: 'long' });
    const refused = await request('POST', '/subjects/f.gpu.predictions-value/versions', {
      schemaType: 'AVRO',
      schema: JSON.stringify(broken),
    });
    expect(refused.status).toBe(409);
  });

  it('writes what the registry lets others read', async () => {
    const codec = await AvroCodec.open(registry.url, 'b.');
    const message = codec.encode('labels', label);
    const { body } = await request('GET', `/schemas/ids/${message.readUInt32BE(1)}`);
    const type = avro.Type.forSchema(JSON.parse((body as { schema: string }).schema) as avro.Schema);
    expect(type.decode(message, 5).value).toMatchObject({ gpu_uuid: 'GPU-a', type: 'memory' });
  });

  it('reads records of an older writer, fields of its own left out and new ones by their defaults', async () => {
    const codec = await AvroCodec.open(registry.url, 'c.');
    const older = JSON.parse(schemaText('labels')) as Schema;
    older.fields.push({ name: 'dropped_since', type: ['null', 'string'], default: null });
    const registered = await request('POST', '/subjects/c.gpu.labels-value/versions', {
      schemaType: 'AVRO',
      schema: JSON.stringify(older),
    });
    expect(registered.status).toBe(200);
    const body = avro.Type.forSchema(older as never).toBuffer({ ...label, dropped_since: null });
    const header = Buffer.alloc(5);
    header.writeUInt32BE((registered.body as { id: number }).id, 1);
    expect(await codec.decode('labels', Buffer.concat([header, body]))).toMatchObject(label);
  });

  it('takes the schema of this version where the registry guards that of a former one', async () => {
    const former = await readFile(join(packageRoot(), 'schema', 'earlier', 'gpu.predictions.1003.avsc'), 'utf8');
    await request('POST', '/subjects/g.gpu.predictions-value/versions', { schemaType: 'AVRO', schema: former });
    await request('PUT', '/config/g.gpu.predictions-value', { compatibility: 'FULL' });
    expect((await AvroCodec.open(registry.url, 'g.')).unguarded).toEqual([]);
    const { body } = await request('GET', '/subjects/g.gpu.predictions-value/versions');
    expect(body).toEqual([1, 2]);
  });

  it('refuses a record of its name that a later version wrote, and calls one of another name unknown', async () => {
    const codec = await AvroCodec.open(registry.url, 'h.');
    await request('PUT', '/config/h.gpu.labels-value', { compatibility: 'NONE' });
    const later = JSON.parse(schemaText('labels')) as Schema;
    later.fields = [{ name: 'gpu', type: 'string' }];
    const registered = async (schema: object): Promise<Buffer> => {
      const { body } = await request('POST', '/subjects/h.gpu.labels-value/versions', {
        schemaType: 'AVRO',
        schema: JSON.stringify(schema),
      });
      const message = Buffer.alloc(6);
      message.writeUInt32BE((body as { id: number }).id, 1);
      return message;
    };
    await expect(codec.decode('labels', await registered(later))).rejects.toMatchObject({ code: 'format_newer' });
    await expect(codec.decode('labels', await registered({ ...later, name: 'Other' }))).rejects.toMatchObject({
      code: 'unknown_schema',
    });
  });

  it('calls an id unknown that the registry does not have', async () => {
    const codec = await AvroCodec.open(registry.url, 'd.');
    const message = codec.encode('labels', label);
    message.writeUInt32BE(4_000_000, 1);
    await expect(codec.decode('labels', message)).rejects.toMatchObject({ code: 'unknown_schema' });
  });

  it('refuses to start where the registry holds an incompatible schema, and says what to do', async () => {
    const other = { type: 'record', name: 'Other', fields: [{ name: 'needed', type: 'long' }] };
    await request('POST', '/subjects/e.gpu.labels-value/versions', {
      schemaType: 'AVRO',
      schema: JSON.stringify(other),
    });
    const opening = AvroCodec.open(registry.url, 'e.');
    await expect(opening).rejects.toMatchObject({ code: 'registry_incompatible' });
    await expect(opening).rejects.toThrow(/e\.gpu\.labels-value.*topicPrefix/);
  });

  it('says that a registry cannot be reached', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    await expect(AvroCodec.open(nobody, '')).rejects.toMatchObject({ code: 'registry_unreachable' });
  });
});

describe('a registry that asks for a name and a password', () => {
  it('gets them from the URL, which is not repeated in errors', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`);
      response.writeHead(403, { 'content-type': 'application/json' }).end('{"error_code":403,"message":"no"}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const opening = AvroCodec.open(`http://gpu:s%40cret@127.0.0.1:${port}/api`, '');
    await expect(opening).rejects.toMatchObject({ code: 'registry_unreachable' });
    await expect(opening).rejects.not.toThrow(/cret/);
    server.close();
    expect(asked[0]).toMatch(new RegExp(`^Basic ${Buffer.from('gpu:s@cret').toString('base64')} /api/`));
  });
});
