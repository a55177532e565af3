import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyPluginCallback } from 'fastify';
import { packageRoot } from '../../schema/package-root.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page and its modules, read once and answered from memory. */
export const pageRoutes: FastifyPluginCallback = (app, _options, done) => {
  const directory = join(packageRoot(), 'serving', 'page');
  for (const name of readdirSync(directory)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = readFileSync(join(directory, name));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    app.get(name === 'index.html' ? '/' : `/page/${name}`, { schema: { hide: true } }, (request, reply) => {
      // Asked for each time, sent only when it changed: an upgrade shows at the next look.
      void reply.headers({ etag, 'cache-control': 'no-cache' });
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).send(body);
    });
  }
  done();
};
