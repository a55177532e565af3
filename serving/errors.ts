import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../schema/errors.js';

/** The part of a logger that the server uses. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** An answer that is an error: `{code, message}` with this status. */
export class HttpError extends Error {
  constructor(
    readonly statusCode: number,
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'HttpError';
  }
}

/** Answers every error as `{code, message}`. What nobody foresaw is logged in full and told in one word. */
export function answerErrors(app: FastifyInstance, log: ServerLog): void {
  app.setErrorHandler((error: FastifyError | HttpError, request, reply) => answer(error, request, reply, log));
  app.setNotFoundHandler((request, reply) => {
    const hint = app.hasRoute({ method: 'GET', url: '/openapi.json' })
      ? '/openapi.json tells what there is'
      : 'this process has no serve role, and so only /healthz, /readyz, /metrics and /debug/state';
    return reply
      .code(404)
      .send({ code: 'not_found', message: `nothing at ${request.method} ${pathOf(request)}: ${hint}` });
  });
}

/** @returns the reply, sent */
export function answer(
  error: FastifyError | HttpError,
  request: FastifyRequest,
  reply: FastifyReply,
  log: ServerLog,
): FastifyReply {
  if (error instanceof HttpError)
    return reply.code(error.statusCode).send({ code: error.code, message: error.message });
  const status = error.statusCode ?? 500;
  // What fastify refuses by itself: parameters that do not fit, a broken URL, a body that is too large.
  if (status >= 400 && status < 500) return reply.code(status).send({ code: 'bad_request', message: refusalOf(error) });
  log.error({ err: error, method: request.method, path: pathOf(request) }, 'request failed');
  return reply.code(500).send({ code: 'internal', message: 'the request failed; the log of the server says why' });
}

/** Answers a method that a path does not have. */
export function answerWrongMethod(reply: FastifyReply, allowed: readonly string[]): void {
  const message = `${reply.request.method} is not done here, only ${allowed.join(' and ')}`;
  void reply.code(405).header('allow', allowed.join(', ')).send({ code: 'method_not_allowed', message });
}

/** What was wrong, and which values would have been right where they are few. */
function refusalOf({ message, validation }: FastifyError): string {
  const { additionalProperty: unknown, allowedValues: allowed } = validation?.[0]?.params ?? {};
  if (typeof unknown === 'string') return `unknown parameter ${unknown}`;
  return Array.isArray(allowed) ? `${message}: ${allowed.join(', ')}` : message;
}

/** Answers what is no HTTP request at all. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return;
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = JSON.stringify({ code: 'bad_request', message: STATUS_CODES[status] });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0];
}
