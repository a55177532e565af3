import { TypeBoxValidatorCompiler, type TSchema } from '@fastify/type-provider-typebox';
import { describe, expect, it } from 'vitest';
import { SurvivalBaseline } from '../models/survival-baseline.js';
import { HOUR_MS } from '../schema/clock.js';
import { isoTime, toJson } from '../schema/records.js';
import { decision, features, health, NOW_MS, prediction, uuidOf } from '../test/fixtures/fleet-records.js';
import { BUILD, LogBook, serverOf } from '../test/fixtures/server.js';
import {
  AlertsBody,
  CatalogueBody,
  DecisionBody,
  FeaturesBody,
  FleetBody,
  GpusBody,
  HealthBody,
  HistoryBody,
  NeighboursBody,
  PredictionBody,
  SummaryBody,
} from './api-schemas.js';
import { buildOperationsApp } from './app.js';
import { EngineMetrics } from './metrics.js';

const validators = new Map<TSchema, (body: unknown) => unknown>();

function expectShape(schema: TSchema, body: unknown): void {
  let validate = validators.get(schema);
  if (validate === undefined) {
    validate = TypeBoxValidatorCompiler({ schema, method: 'GET', url: '/' }) as (body: unknown) => unknown;
    validators.set(schema, validate);
  }
  const result = validate(body);
  expect(result).not.toHaveProperty('error');
}

describe('records of a GPU', () => {
  const { app, view } = serverOf(12);
  const uuid = uuidOf(3);
  const bodies = [
    ['features', FeaturesBody],
    ['predictions', PredictionBody],
    ['health', HealthBody],
    ['decisions', DecisionBody],
  ] as const;

  it.each(bodies)(
    'GET /%s/{gpu_uuid} answers with the newest record, as it stands in its topic',
    async (kind, schema) => {
      const response = await app.inject(`/${kind}/${uuid}`);
      expect(response.statusCode).toBe(200);
      expect(response.json()).toEqual(JSON.parse(JSON.stringify(toJson(view.get(uuid)![kind]!))));
      expect(response.json()).toMatchObject({ gpu_uuid: uuid, as_of: '2026-11-23T10:29:00.000Z' });
      expectShape(schema, response.json());
    },
  );

  it.each(bodies)('GET /%s of a GPU that nobody heard of is 404 unknown_gpu', async (kind) => {
    const response = await app.inject(`/${kind}/GPU-nobody`);
    expect(response.statusCode).toBe(404);
    expect(response.json()).toEqual({
      code: 'unknown_gpu',
      message: expect.stringMatching(/^nothing is known of GPU-nobody: \/gpus lists .*such as GPU-/) as string,
    });
  });

  it.each(bodies)('GET /%s of a malformed UUID is 400 bad_request', async (kind) => {
    for (const path of ['GPU%20a', 'GPU%2Fx', 'a'.repeat(129), '%00', '%C3%A4', '%3Cscript%3E']) {
      const response = await app.inject(`/${kind}/${path}`);
      expect(response.statusCode, path).toBe(400);
      expect(response.json<{ code: string }>().code).toBe('bad_request');
    }
    expect((await app.inject(`/${kind}/%E0%A4%A`)).json()).toMatchObject({ code: 'bad_request' });
    expect((await app.inject(`/${kind}/${'a'.repeat(5000)}`)).json()).toMatchObject({ code: 'bad_request' });
  });

  it('tells what moves the odds in words too', async () => {
    const { app, view } = serverOf(0);
    const factor = { feature: 'gpu_temp_mean_24h_delta', value: 9, contribution: 0.8 };
    view.apply('predictions', prediction('a', { top_factors: [factor] }));
    const body = (await app.inject('/predictions/a')).json<{ top_factors: object[] }>();
    expect(body.top_factors).toEqual([{ ...factor, words: 'temperature 9 °C above its week, +0.80' }]);
    expectShape(PredictionBody, body);
  });

  it('answers for a GPU without telemetry from its asset record, until a prediction comes', async () => {
    const baseline = SurvivalBaseline.load({ yearlyRate: 0.05, yearlyRates: {} });
    const { app, view } = serverOf(0, {
      baseline: (asset, asOfMs) => ({
        ...baseline.predict(asset, asOfMs, 'absence'),
        emitted_at: asOfMs,
        instance: 'test',
      }),
    });
    const asset = { gpu_uuid: 'a', model: 'NVIDIA L4', deployment_date: '2023-01-01', batch: 'old', cage: 2, slot: 7 };
    view.apply('assets', asset);
    const response = await app.inject('/predictions/a');
    expect(response.statusCode).toBe(200);
    const body = response.json<Record<string, unknown>>();
    expectShape(PredictionBody, body);
    expect(body).toMatchObject({
      gpu_uuid: 'a',
      model_version: baseline.modelVersion,
      feature_set: 'assets',
      trigger: 'absence',
      as_of: isoTime(NOW_MS),
      newest_reading_at: null,
      coverage: 0,
    });
    view.apply('predictions', prediction('a', {}, NOW_MS));
    expect((await app.inject('/predictions/a')).json()).not.toMatchObject({ feature_set: 'assets' });
  });

  it('says what is missing of a GPU that is known', async () => {
    const server = serverOf(0);
    const code = async (path: string): Promise<string> => {
      const response = await server.app.inject(path);
      expect(response.statusCode).toBe(404);
      expect(Object.keys(response.json<object>())).toEqual(['code', 'message']);
      return response.json<{ code: string }>().code;
    };
    server.view.apply('assets', { gpu_uuid: 'a', model: 'NVIDIA L4' });
    expect(await code('/features/a')).toBe('no_features');
    expect(await code('/health/a')).toBe('no_health');
    expect(await code('/decisions/a')).toBe('no_health');
    server.view.apply('health', health('a', { score: null, grade: null, coverage: 0.3 }, NOW_MS - 2));
    expect(await code('/decisions/a')).toBe('no_health');
    server.view.apply('health', health('a', {}, NOW_MS - 1));
    expect(await code('/decisions/a')).toBe('no_price');
    server.view.apply('health', health('b', {}, NOW_MS - 1));
    expect(await code('/predictions/b')).toBe('no_prediction');
    server.view.apply('assets', { gpu_uuid: 'a', model: 'NVIDIA H100 PCIe' });
    expect(await code('/decisions/a')).toBe('no_decision');
    server.view.apply('decisions', decision('a'));
    expect((await server.app.inject('/decisions/a')).statusCode).toBe(200);
  });
});

describe('GET /gpus', () => {
  const { app } = serverOf(60);

  it('pages through the fleet by falling risk unless told otherwise', async () => {
    const risks: number[] = [];
    let cursor = '';
    for (;;) {
      const response = await app.inject(`/gpus?limit=25${cursor}`);
      expect(response.statusCode).toBe(200);
      expectShape(GpusBody, response.json());
      const body = response.json<{ items: { failure_prob_30d: number }[]; next: string | null }>();
      risks.push(...body.items.map(({ failure_prob_30d }) => failure_prob_30d));
      if (body.next === null) break;
      cursor = `&cursor=${encodeURIComponent(body.next)}`;
    }
    expect(risks).toHaveLength(60);
    expect(risks).toEqual([...risks].sort((a, b) => b - a));
  });

  it('sorts by value either way, GPUs without a decision last', async () => {
    const values = async (order: string): Promise<(number | null)[]> =>
      (await app.inject(`/gpus?sort=value&order=${order}&limit=1000`))
        .json<{ items: { expected_value: number | null }[] }>()
        .items.map(({ expected_value }) => expected_value);
    const rising = await values('asc');
    const falling = await values('desc');
    expect(rising.slice(-12)).toEqual(new Array(12).fill(null));
    expect(falling.slice(-12)).toEqual(new Array(12).fill(null));
    expect(rising.slice(0, 48)).toEqual([...falling.slice(0, 48)].reverse());
  });

  it('gives 100 GPUs a page by default', async () => {
    const body = (await serverOf(130).app.inject('/gpus')).json<{ items: unknown[]; next: string | null }>();
    expect(body.items).toHaveLength(100);
    expect(body.next).not.toBeNull();
  });

  it.each([
    'sort=age',
    'order=up',
    'limit=0',
    'limit=1001',
    'limit=1e999',
    'limit=Infinity',
    'limit=-1e999',
    'limit=x',
    'limit=',
    'limit=1.5',
    'cursor=nonsense',
    'page=2',
    'limit=1&limit=2',
  ])('refuses ?%s as bad_request', async (query) => {
    const response = await app.inject(`/gpus?${query}`);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'bad_request' });
    expect(Object.keys(response.json<object>())).toEqual(['code', 'message']);
  });

  it('refuses the cursor of another order', async () => {
    const { next } = (await app.inject('/gpus?limit=5')).json<{ next: string }>();
    expect((await app.inject(`/gpus?limit=5&order=asc&cursor=${next}`)).statusCode).toBe(400);
  });

  it('answers with an empty list while nothing is known', async () => {
    expect((await serverOf(0).app.inject('/gpus')).json()).toEqual({ items: [], next: null });
  });
});

describe('GET /fleet and /catalogue', () => {
  it('tell the fleet in figures and the vocabulary', async () => {
    const { app } = serverOf(60);
    const fleet = (await app.inject('/fleet')).json<Record<string, unknown>>();
    expectShape(FleetBody, fleet);
    expect(fleet).toMatchObject({ gpus: 60, predicted: 60, newest_reading_at: '2026-11-23T10:29:00.000Z' });
    const catalogue = (await app.inject('/catalogue')).json<{ features: { name: string; set: string }[] }>();
    expectShape(CatalogueBody, catalogue);
    expect(catalogue.features.filter(({ set }) => set === 'v1')).toHaveLength(27);
    expect(catalogue.features.some(({ set }) => set === 'internal')).toBe(false);
  });
});

describe('GET /gpus/{gpu_uuid}', () => {
  it('answers the item of the list', async () => {
    const { app } = serverOf(2);
    const { items } = (await app.inject('/gpus')).json<{ items: { gpu_uuid: string }[] }>();
    const one = await app.inject(`/gpus/${items[1].gpu_uuid}`);
    expect([one.statusCode, one.json()]).toEqual([200, items[1]]);
    expectShape(SummaryBody, one.json());
    expect((await app.inject('/gpus/GPU-nobody')).json()).toMatchObject({ code: 'unknown_gpu' });
  });
});

describe('GET /gpus/{gpu_uuid}/history', () => {
  const uuid = uuidOf(0);
  interface Body {
    source: string;
    bucket_seconds: number;
    points: { at: string; gpu_temp: number | null; power_usage: number | null }[];
  }

  it('answers from the hourly panes where there is no database, and says so', async () => {
    const { app } = serverOf(1);
    const body = (await app.inject(`/gpus/${uuid}/history?hours=24`)).json<Body>();
    expectShape(HistoryBody, body);
    expect(body).toMatchObject({ source: 'panes', bucket_seconds: 3600 });
    expect(body.points).toHaveLength(24);
    expect(body.points.at(-1)!.at).toBe('2026-11-23T09:00:00.000Z');
    expect((await app.inject(`/gpus/${uuid}/history`)).json<Body>().points).toHaveLength(168);
  });

  it('asks the database for buckets that a chart can show', async () => {
    const asked: number[][] = [];
    const { app } = serverOf(1, {
      history: {
        read: (_uuid, fromMs, toMs, bucketMs) => {
          asked.push([fromMs, toMs, bucketMs]);
          return Promise.resolve([{ atMs: fromMs, gpuTemp: 55.5, powerUsage: null }]);
        },
      },
    });
    const body = (await app.inject(`/gpus/${uuid}/history?hours=168`)).json<Body>();
    expectShape(HistoryBody, body);
    expect(body).toMatchObject({ source: 'database', bucket_seconds: 900 });
    expect(body.points[0]).toMatchObject({ gpu_temp: 55.5, power_usage: null });
    const [fromMs, toMs, bucketMs] = asked[0];
    expect(fromMs % bucketMs).toBe(0);
    expect(toMs - fromMs).toBeGreaterThanOrEqual(168 * HOUR_MS);
    await app.inject(`/gpus/${uuid}/history?hours=1`);
    expect(asked[1][2]).toBe(60_000);
  });

  it('goes back from the newest reading in the database, which records do not know of yet', async () => {
    const newestMs = Date.parse('2026-11-23T10:41:00Z');
    const { app } = serverOf(1, {
      history: {
        read: (_uuid, fromMs, toMs, bucketMs) => {
          const points = [];
          for (let atMs = fromMs; atMs < Math.min(toMs, newestMs + 1); atMs += bucketMs)
            points.push({ atMs, gpuTemp: 55, powerUsage: 300 });
          return Promise.resolve(points);
        },
      },
    });
    const { points } = (await app.inject(`/gpus/${uuid}/history?hours=1`)).json<Body>();
    expect([points[0].at, points.at(-1)!.at]).toEqual(['2026-11-23T09:42:00.000Z', '2026-11-23T10:41:00.000Z']);
    expect(points).toHaveLength(60);
  });

  it('answers from the panes when the database fails, and logs why', async () => {
    const { app, log } = serverOf(1, { history: { read: () => Promise.reject(new Error('connection refused')) } });
    const response = await app.inject(`/gpus/${uuid}/history`);
    expect(response.statusCode).toBe(200);
    expect(response.json<Body>().source).toBe('panes');
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: { gpuUuid: uuid, detail: 'connection refused' } }),
    );
  });

  it('refuses what it cannot do', async () => {
    const { app } = serverOf(1);
    expect((await app.inject(`/gpus/${uuid}/history?hours=0`)).statusCode).toBe(400);
    expect((await app.inject(`/gpus/${uuid}/history?hours=99999`)).statusCode).toBe(400);
    expect((await app.inject('/gpus/nobody/history')).json()).toMatchObject({ code: 'unknown_gpu' });
  });
});

describe('operations', () => {
  it('is ready when every role is, and says who is not', async () => {
    const roles = [
      { role: 'score', ready: true, detail: '4 partitions' },
      { role: 'serve', ready: false, detail: 'reading topics to their end: 3 GPUs so far' },
    ];
    const { app } = serverOf(1, { readiness: () => roles });
    const waiting = await app.inject('/readyz');
    expect(waiting.statusCode).toBe(503);
    expect(waiting.json()).toMatchObject({
      code: 'not_ready',
      message: 'serve: reading topics to their end: 3 GPUs so far',
      roles: { score: { ready: true }, serve: { ready: false } },
    });
    expect((await app.inject('/metrics')).body).toContain('gpu_actuary_role_ready{role="serve"} 0');
    roles[1] = { role: 'serve', ready: true, detail: '3 GPUs' };
    const ready = await app.inject('/readyz');
    expect(ready.statusCode).toBe(200);
    expect(ready.json()).toMatchObject({ ready: true, roles: { serve: { detail: '3 GPUs' } } });
  });

  it('is ready while one role waits alone and others work, says so, and is not where it is the only one', async () => {
    const load = { role: 'load', ready: false, detail: 'waiting for the database: down', waitsAlone: true };
    const both = serverOf(1, { readiness: () => [{ role: 'serve', ready: true, detail: '3 GPUs' }, load] });
    const answer = await both.app.inject('/readyz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ roles: { load: { ready: false, detail: load.detail } } });
    expect((await both.app.inject('/metrics')).body).toContain('gpu_actuary_role_ready{role="load"} 0');
    const alone = serverOf(1, { readiness: () => [load] });
    expect((await alone.app.inject('/readyz')).statusCode).toBe(503);
  });

  it('is not ready before a role has started', async () => {
    const { app } = serverOf(1, { readiness: () => [] });
    expect((await app.inject('/readyz')).statusCode).toBe(503);
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok', version: '1.2.3' });
  });

  it('is served alone by a process without the serve role', async () => {
    const { readiness, debugState, clock } = serverOf(2);
    const app = buildOperationsApp({
      readiness,
      debugState,
      clock,
      build: BUILD,
      log: new LogBook(),
      metrics: new EngineMetrics(BUILD, clock),
    });
    expect((await app.inject('/debug/state')).json()).toEqual({ serve: { gpus: 2 } });
    expect((await app.inject('/healthz')).statusCode).toBe(200);
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    const metrics = await app.inject('/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(metrics.body).not.toContain('gpu_actuary_fleet');
    expect((await app.inject('/gpus')).json()).toEqual({
      code: 'not_found',
      message: expect.stringMatching(/^nothing at GET \/gpus: this process has no serve role/) as string,
    });
  });

  it('counts requests by route, never by GPU', async () => {
    const { app } = serverOf(3);
    await app.inject(`/health/${uuidOf(0)}`);
    await app.inject(`/health/${uuidOf(1)}`);
    await app.inject('/nowhere/else');
    const { body } = await app.inject('/metrics');
    expect(body).toContain('gpu_actuary_http_requests_total{method="GET",route="/health/:gpu_uuid",status="200"} 2');
    expect(body).toContain('gpu_actuary_http_requests_total{method="GET",route="none",status="404"} 1');
    expect(body).not.toContain(uuidOf(0));
  });
});

describe('every answer', () => {
  const { app } = serverOf(1);

  it('of an unknown path is 404 not_found', async () => {
    for (const [method, url] of [
      ['GET', '/nothing'],
      ['POST', '/nothing'],
      ['GET', '/page/../../package.json'],
      ['GET', '/page/nothing.js'],
    ] as const) {
      const response = await app.inject({ method, url });
      expect(response.statusCode).toBe(404);
      expect(response.json()).toEqual({
        code: 'not_found',
        message: expect.stringMatching(/^nothing at .*: \/openapi\.json tells /) as string,
      });
    }
  });

  it('to a method that a path does not have is 405, with those that it has', async () => {
    const uuid = uuidOf(0);
    const payload = { text: 'x'.repeat(1 << 20) };
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const)
      for (const url of ['/gpus?x=1', `/health/${uuid}`, '/', '/healthz', '/openapi.json']) {
        const response = await app.inject({ method, url, payload });
        expect([method, url, response.statusCode, response.headers.allow]).toEqual([method, url, 405, 'GET, HEAD']);
        expect(response.json()).toEqual({
          code: 'method_not_allowed',
          message: `${method} is not done here, only GET and HEAD`,
        });
      }
    expect((await app.inject({ method: 'HEAD', url: '/gpus' })).statusCode).toBe(200);
    const events = await app.inject({ method: 'HEAD', url: '/events' });
    expect([events.statusCode, events.headers.allow]).toEqual([405, 'GET']);
  });

  it('to a parameter that does not exist is 400 and names it, except where probes look', async () => {
    const uuid = uuidOf(0);
    const strict = ['/gpus', '/fleet', '/catalogue', '/alerts', '/events', `/gpus/${uuid}/history`];
    for (const path of [...strict, `/gpus/${uuid}/neighbours`, `/health/${uuid}`]) {
      const response = await app.inject(`${path}?page=2`);
      expect([path, response.statusCode]).toEqual([path, 400]);
      expect(response.json()).toEqual({ code: 'bad_request', message: 'unknown parameter page' });
    }
    for (const path of ['/healthz', '/readyz', '/metrics', '/debug/state', '/openapi.json', '/'])
      expect([path, (await app.inject(`${path}?page=2`)).statusCode]).toEqual([path, 200]);
  });

  it('to a body that is too large is 413, to a head that is 431', async () => {
    const { app } = serverOf(1);
    const body = await app.inject({ method: 'POST', url: '/nothing', payload: { text: 'x'.repeat(1 << 20) } });
    expect([body.statusCode, body.json()]).toEqual([413, expect.objectContaining({ code: 'bad_request' })]);
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const head = await fetch(`${url}/gpus`, { headers: { 'x-long': 'x'.repeat(1 << 15) } });
    expect([head.status, await head.json()]).toEqual([431, expect.objectContaining({ code: 'bad_request' })]);
    await app.close();
  });

  it('of a fault is 500 internal, without its reason, which the log has', async () => {
    const { app, log } = serverOf(1, {
      debugState: () => {
        throw new Error('secret of the inside');
      },
    });
    const response = await app.inject('/debug/state');
    expect(response.statusCode).toBe(500);
    expect(response.json<{ code: string }>().code).toBe('internal');
    expect(response.body).not.toContain('secret');
    expect(JSON.stringify(log.lines.map(({ fields }) => String((fields as { err?: Error }).err)))).toContain(
      'secret of the inside',
    );
  });

  it('forbids inline scripts, sniffing and frames, and data is not stored', async () => {
    for (const url of ['/', '/gpus', '/nothing', '/metrics', '/page/app.js']) {
      const { headers } = await app.inject(url);
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['cache-control']).toBe(url === '/' || url.startsWith('/page') ? 'no-cache' : 'no-store');
    }
  });

  it('is described by /openapi.json, errors included', async () => {
    const description = (await app.inject('/openapi.json')).json<{
      openapi: string;
      info: { version: string };
      paths: Record<string, { get?: { responses: Record<string, unknown> } }>;
    }>();
    expect(description.openapi).toBe('3.1.0');
    expect(description.info.version).toBe('1.2.3');
    const { paths } = description;
    expect(Object.keys(paths).sort()).toEqual(
      [
        '/alerts',
        '/catalogue',
        '/debug/state',
        '/decisions/{gpu_uuid}',
        '/events',
        '/features/{gpu_uuid}',
        '/fleet',
        '/gpus',
        '/gpus/{gpu_uuid}',
        '/gpus/{gpu_uuid}/history',
        '/gpus/{gpu_uuid}/neighbours',
        '/health/{gpu_uuid}',
        '/healthz',
        '/metrics',
        '/predictions/{gpu_uuid}',
        '/readyz',
      ].sort(),
    );
    expect(Object.keys(paths['/features/{gpu_uuid}'].get!.responses)).toEqual(['200', '400', '404']);
  });
});

describe('the page', () => {
  const { app } = serverOf(1);

  it('is served from memory with types and tags of its contents', async () => {
    for (const [url, type] of [
      ['/', 'text/html'],
      ['/page/app.js', 'text/javascript'],
      ['/page/style.css', 'text/css'],
      ['/page/icon.svg', 'image/svg+xml'],
    ]) {
      const response = await app.inject(url);
      expect(response.statusCode).toBe(200);
      expect(response.headers['content-type']).toContain(type);
      const again = await app.inject({ url, headers: { 'if-none-match': String(response.headers.etag) } });
      expect(again.statusCode).toBe(304);
      expect(again.body).toBe('');
    }
  });

  it('holds no inline script, style or handler and nothing from elsewhere', async () => {
    const { body } = await app.inject('/');
    expect(body).not.toMatch(/<style|style=|\son[a-z]+=|<script(?![^>]* src="\/page\/)|https?:\/\//);
  });

  it('knows the newest prediction only', async () => {
    const { app, view } = serverOf(1);
    view.apply('predictions', prediction(uuidOf(0), { failure_prob_30d: 0.77 }, NOW_MS));
    view.apply('predictions', prediction(uuidOf(0), { failure_prob_30d: 0.11 }, NOW_MS - 5));
    const { items } = (await app.inject('/gpus')).json<{ items: { failure_prob_30d: number }[] }>();
    expect(items[0].failure_prob_30d).toBe(0.77);
  });
});

describe('alerts', () => {
  it('are listed newest first, those that fire or all, of the fleet or of a GPU', async () => {
    const { app, alerts } = serverOf(2);
    const say = (alert: string, subject: string, gpu: string | null, state: 'firing' | 'resolved', ms: number): void =>
      alerts.apply({ alert, subject, gpu_uuid: gpu, state, as_of: NOW_MS + ms, detail: 'why' });
    say('detached', 'a', 'a', 'firing', 1);
    say('host_silent', 'h1', null, 'firing', 2);
    say('risk_high', 'a', 'a', 'firing', 3);
    say('risk_high', 'a', 'a', 'resolved', 4);
    say('risk_high', 'a', 'a', 'firing', 2);
    const listed = async (query: string): Promise<string[]> => {
      const body = (await app.inject(`/alerts${query}`)).json<{ items: { alert: string; state: string }[] }>();
      expectShape(AlertsBody, body);
      return body.items.map(({ alert, state }) => `${alert} ${state}`);
    };
    expect(await listed('')).toEqual(['host_silent firing', 'detached firing']);
    expect(await listed('?state=all')).toEqual(['risk_high resolved', 'host_silent firing', 'detached firing']);
    expect(await listed('?state=firing&gpu_uuid=a')).toEqual(['detached firing']);
    expect(await listed('?state=all&limit=1')).toEqual(['risk_high resolved']);
    const refused = await app.inject('/alerts?state=burning');
    expect(refused.statusCode).toBe(400);
    expect(refused.json<{ message: string }>().message).toMatch(/one of the allowed values: firing, resolved, all$/);
  });

  it('have the temperature beside neighbours to look at', async () => {
    const { app, view } = serverOf(0);
    for (const [uuid, celsius] of Object.entries({ a: 80, b: 60, c: 62, d: 64 })) {
      view.observe(uuid, { host: 'h1' });
      view.apply('features', { ...features(uuid), features: { gpu_temp_mean: celsius, gpu_temp_mean_24h_delta: 1 } });
    }
    const body = (await app.inject('/gpus/a/neighbours')).json<object>();
    expect(body).toEqual({ gpu_uuid: 'a', host: 'h1', celsius: 81, above_celsius: 18, others: 3 });
    expectShape(NeighboursBody, body);
    view.observe('a', { host: 'h2' });
    expect((await app.inject('/gpus/a/neighbours')).json()).toMatchObject({ above_celsius: null, others: 0 });
    expect((await app.inject('/gpus/x/neighbours')).statusCode).toBe(404);
  });
});
