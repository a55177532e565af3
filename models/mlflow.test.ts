import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '../schema/errors.js';
import { MlflowClient } from './mlflow.js';

describe('secrets on the way to MLflow', () => {
  let server: Server;
  let place: string;
  const shown: (string | undefined)[] = [];
  const client = (url: string, token: string | null): MlflowClient =>
    new MlflowClient({ url, token, timeoutMs: 5_000, stopped: new AbortController().signal });

  beforeAll(async () => {
    server = createServer((request, response) => {
      shown.push(request.headers.authorization);
      response.statusCode = 403;
      response.end('{"error_code":"PERMISSION_DENIED"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.each([
    ['a token', '', 'hush', 'Bearer hush'],
    ['credentials of the URL', 'u%40x:hunter2@', null, `Basic ${Buffer.from('u@x:hunter2').toString('base64')}`],
    ['the token, before credentials of the URL', 'u:hunter2@', 'hush', 'Bearer hush'],
    ['nothing', '', null, undefined],
  ])('are %s, in a header and in no message', async (_what, credentials, token, expected) => {
    shown.length = 0;
    const found = await client(`http://${credentials}${place}/`, token)
      .byAlias('name', 'alias')
      .catch((error: unknown) => messageOf(error));
    expect(found).toBe('MLflow: name@alias: HTTP 403 PERMISSION_DENIED');
    expect(shown).toEqual([expected]);
  });

  it('are in no message where nobody answers', async () => {
    const found = await client('http://u:hunter2@127.0.0.1:1/', 'hush').byAlias('name', 'alias').catch(messageOf);
    expect(found).toMatch(/^MLflow: http:\/\/127\.0\.0\.1:1: /);
    expect(found).not.toMatch(/hunter2|hush/);
  });

  it.each(['hu\nsh', 'hush—hush', 'hu\tsh'])(
    'are refused before they are sent where no header takes them: %j',
    (token) => {
      expect(() => client(`http://${place}`, token)).toThrow(/^configuration: model\.mlflow\.token/);
      expect(() => client(`http://${place}`, token)).not.toThrow(token);
    },
  );
});
