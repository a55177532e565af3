import type { FastifyInstance } from 'fastify';
import { Type } from '@fastify/type-provider-typebox';
import type { BuildInfo, EngineMetrics } from './metrics.js';
import { ErrorBody } from './api-schemas.js';

/** How a role of the process does. */
export interface RoleReadiness {
  readonly role: string;
  readonly ready: boolean;
  /** What is being waited for, or how it goes; one line. */
  readonly detail: string;
  /** Where it is not ready: it waits for something outside that no other role of the process needs. */
  readonly waitsAlone?: boolean;
}

export interface OperationsDependencies {
  /** State of each role of the process, now. */
  readonly readiness: () => readonly RoleReadiness[];
  readonly metrics: EngineMetrics;
  readonly build: BuildInfo;
  /** What /debug/state shows: anything JSON can say, for people who look for a fault. */
  readonly debugState: () => unknown;
}

const Roles = Type.Record(Type.String(), Type.Object({ ready: Type.Boolean(), detail: Type.String() }));

/**
 * The routes that every process serves, whatever its roles: /healthz (it runs), /readyz (its roles do their work; one
 * that waits for what no other needs is told of, and keeps these from nothing), /metrics and /debug/state.
 */
export function registerOperations(app: FastifyInstance, dependencies: OperationsDependencies): void {
  const { readiness, metrics, build, debugState } = dependencies;
  metrics.watchReadiness(readiness);

  app.get(
    '/healthz',
    {
      schema: {
        tags: ['operations'],
        summary: 'The process runs',
        response: { 200: Type.Object({ status: Type.String(), version: Type.String() }) },
      },
    },
    () => ({ status: 'ok', version: build.version }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags: ['operations'],
        summary: 'All roles of the process do their work',
        response: {
          200: Type.Object({ ready: Type.Boolean(), roles: Roles }),
          503: Type.Object({ ...ErrorBody.properties, roles: Roles }),
        },
      },
    },
    (_request, reply) => {
      const states = readiness();
      const roles = Object.fromEntries(states.map(({ role, ready, detail }) => [role, { ready, detail }]));
      const waiting = states.filter(({ ready }) => !ready);
      const isAtWork = waiting.every(({ waitsAlone }) => waitsAlone === true) && waiting.length < states.length;
      if (isAtWork) return { ready: true, roles };
      const message =
        states.length === 0
          ? 'no role has started yet'
          : waiting.map(({ role, detail }) => `${role}: ${detail}`).join('; ');
      return reply.code(503).send({ code: 'not_ready', message, roles });
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operations'],
        summary: 'Metrics in the Prometheus text format',
        produces: ['text/plain'],
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.expose()),
  );

  app.get(
    '/debug/state',
    {
      schema: {
        tags: ['operations'],
        summary: 'Inner state of the process, for people who look for a fault; its shape is no contract',
        response: { 200: Type.Unknown() },
      },
    },
    async (_request, reply) => reply.type('application/json').send(JSON.stringify((await debugState()) ?? null)),
  );
}
