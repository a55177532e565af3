import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type HTTPMethods } from 'fastify';
import type { Clock } from '../schema/clock.js';
import type { AssetRecord } from '../schema/records.js';
import { NoQuery } from './api-schemas.js';
import { answer, answerBrokenRequest, answerErrors, answerWrongMethod, type ServerLog } from './errors.js';
import type { AlertView } from './alert-view.js';
import type { FleetView } from './fleet-view.js';
import type { History } from './history.js';
import { LiveUpdates, systemTicker, type Ticker } from './live.js';
import { registerOperations, type OperationsDependencies } from './operations.js';
import { alertRoutes } from './routes/alerts.js';
import { fleetRoutes } from './routes/fleet.js';
import { historyRoutes } from './routes/history.js';
import { pageRoutes } from './routes/page.js';
import { recordRoutes } from './routes/records.js';
import { SECURITY_HEADERS } from './security-headers.js';

export interface ServerDependencies extends OperationsDependencies {
  readonly clock: Clock;
  readonly log: ServerLog;
}

export interface AppDependencies extends ServerDependencies {
  readonly view: FleetView;
  readonly alerts: AlertView;
  /** Null where there is no database: history is that of the hourly panes then. */
  readonly history: History | null;
  /** Whether the valuation profile in force has a price of a model (null: unknown model). */
  readonly isPriced: (model: string | null) => boolean;
  /** Failure odds of a GPU of which no telemetry is known, from its asset record. */
  readonly baseline: (asset: AssetRecord, asOfMs: number) => object;
  /** Turns the live updates; the system's timers by default. */
  readonly ticker?: Ticker;
}

/** Longer than any URL that Node takes: a UUID that is too long is a bad request, not an unknown path. */
const MAX_PARAM_LENGTH = 32_768;

/** The server of a process with the serve role: API, live updates, page and operations. Not listening yet. */
export function buildApp(dependencies: AppDependencies): FastifyInstance {
  const { view, alerts, history, clock, log, isPriced, baseline, metrics, build } = dependencies;
  metrics.watchFleet(view);
  const app = bareServer(dependencies);
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'GPU Actuary',
        description: 'Failure odds and economic value of every GPU in a fleet, current with its DCGM stream',
        version: build.version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'fleet', description: 'All GPUs' },
        { name: 'gpus', description: 'One GPU' },
        { name: 'operations', description: 'The process itself' },
      ],
    },
  });
  // In a plugin of their own: the description collects the routes that are registered after it.
  void app.register((api, _options, done) => {
    registerOperations(api, dependencies);
    void api.register(recordRoutes, { view, isPriced, baseline, clock });
    void api.register(fleetRoutes, { view });
    void api.register(alertRoutes, { alerts, view });
    void api.register(historyRoutes, { view, history, clock, log });
    void api.register(pageRoutes);
    api.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => reply.send(app.swagger()));
    registerLive(
      api,
      new LiveUpdates(view, dependencies.ticker ?? systemTicker, (count) => metrics.liveClients(count)),
    );
    done();
  });
  return app;
}

/** The server of a process without the serve role: /healthz, /readyz, /metrics, /debug/state. Not listening yet. */
export function buildOperationsApp(dependencies: ServerDependencies): FastifyInstance {
  const app = bareServer(dependencies);
  registerOperations(app, dependencies);
  return app;
}

function bareServer({ metrics, log }: ServerDependencies): FastifyInstance {
  const app = Fastify({
    logger: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // What does not fit is refused, neither dropped nor guessed. Where numbers are taken strictly, bounds are asked of finite
    // ones alone, and a text that is beyond all numbers, as 1e999, has become Infinity by then.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', strictNumbers: false } },
    frameworkErrors: (error, request, reply) => {
      answer(error, request, reply, log);
    },
    clientErrorHandler: answerBrokenRequest,
    // A browser keeps connections open; they must not hold up the end of the process.
    forceCloseConnections: 'idle',
  });
  // Answers are records as they stand in their topics. Schemas describe them; they do not cut them to size.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  answerErrors(app, log);
  refuseOtherMethods(app);
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.headers({ ...SECURITY_HEADERS, 'cache-control': 'no-store' });
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const seconds = reply.elapsedTime / 1000;
    metrics.requested(request.method, route, reply.statusCode, seconds);
    log.debug({ method: request.method, route, status: reply.statusCode, seconds }, 'request answered');
    done();
  });
  return app;
}

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** A path that is there answers 405 to the methods that it does not have, before it reads a body, and says which it has. */
function refuseOtherMethods(app: FastifyInstance): void {
  app.addHook('onRoute', ({ method, url, exposeHeadRoute }) => {
    if (method !== 'GET') return;
    const allowed: readonly HTTPMethods[] = exposeHeadRoute === false ? ['GET'] : ['GET', 'HEAD'];
    const refuse = (_request: FastifyRequest, reply: FastifyReply): void => answerWrongMethod(reply, allowed);
    const others = METHODS.filter((other) => !allowed.includes(other));
    app.route({ method: others, url, schema: { hide: true }, onRequest: refuse, handler: refuse });
  });
}

function registerLive(app: FastifyInstance, live: LiveUpdates): void {
  app.get(
    '/events',
    {
      schema: {
        tags: ['fleet'],
        summary: 'Live updates as server-sent events: `gpus` with the GPUs that changed, `refresh` to read anew',
        querystring: NoQuery,
        produces: ['text/event-stream'],
      },
      // A HEAD would open a stream that nobody reads.
      exposeHeadRoute: false,
    },
    (_request, reply) => {
      reply.hijack();
      live.add(reply.raw, SECURITY_HEADERS);
    },
  );
  // Before the server stops listening, or it would wait for streams that never end by themselves.
  app.addHook('preClose', (done) => {
    live.close();
    done();
  });
}
