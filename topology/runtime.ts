import type { FastifyInstance } from 'fastify';
import { SurvivalBaseline } from '../models/survival-baseline.js';
import { PROFILES } from '../operators/decide.js';
import { createDecoder } from '../operators/decode/decoders.js';
import { AvroCodec } from '../schema/avro.js';
import { systemClock } from '../schema/clock.js';
import type { Config } from '../schema/config.js';
import { ActuaryError } from '../schema/errors.js';
import { gpuModelFamily } from '../schema/gpu-models.js';
import { buildApp, buildOperationsApp } from '../serving/app.js';
import { AlertView } from '../serving/alert-view.js';
import { FleetView } from '../serving/fleet-view.js';
import { listen } from '../serving/listen.js';
import { EngineMetrics, type BuildInfo } from '../serving/metrics.js';
import { maskSecrets } from './configuration.js';
import { AlertStage } from './alerts/stage.js';
import { refuseEmbedded } from './embedded/kafka.js';
import { shareOf, type BufferingRole } from './kafka/buffers.js';
import { connectionOf, type KafkaConnection } from './kafka/connection.js';
import { describeGap, lostOffsets } from './kafka/offset-gap.js';
import { clientBuild, probeCluster, warnOfMissing } from './kafka/probe.js';
import { prepareTopics } from './kafka/startup.js';
import { TopicWatch } from './kafka/topic-watch.js';
import { IngestRole } from './roles/ingest.js';
import { openLoad, type LoadParts } from './roles/load.js';
import type { Log, Role } from './roles/role.js';
import { ScoreRole } from './roles/score.js';
import { ServeRole } from './roles/serve.js';
import type { DrainProgress } from './score/draining.js';
import { openModels } from './score/model-supply.js';

export const ROLES = ['ingest', 'score', 'load', 'serve'] as const;
export type RoleName = (typeof ROLES)[number];

export interface EngineOptions {
  readonly config: Config;
  readonly roles: readonly RoleName[];
  /** True for the in-process cluster, which cannot create topics by request. */
  readonly embedded: boolean;
  readonly build: BuildInfo;
  readonly log: Log;
}

export interface Engine {
  /** Where its HTTP server answers. */
  readonly url: string;
  /** Rejects when a role cannot go on; never resolves. */
  readonly failed: Promise<never>;
  readiness(): { readonly role: string; readonly ready: boolean; readonly detail: string }[];
  /** Of its score role: reads to the end, closes the open panes (roles/score.ts). Stopping is still to be asked for. */
  drain(): Promise<void>;
  drainProgress(): DrainProgress | null;
  /** Finishes what is in hand, commits it, leaves its groups, stops listening. */
  stop(): Promise<void>;
}

/**
 * Wires the roles of one process to each other's surroundings: Kafka, the model, the database, HTTP. Roles know
 * nothing of each other; topics are all they share.
 * @throws ActuaryError whatever makes it impossible to start
 */
export async function startEngine({ config, roles, embedded, build, log }: EngineOptions): Promise<Engine> {
  const metrics = new EngineMetrics(build, systemClock);
  const connection: KafkaConnection = {
    ...connectionOf(config, embedded),
    // The in-process cluster forgets all when it stops: there is no position to come back to.
    onGap: embedded
      ? undefined
      : (role, gap) => {
          metrics.offsetsLost(role, gap.cause, lostOffsets(gap));
          log.error({ code: 'offsets_lost', role, ...gap }, describeGap(gap));
        },
  };
  let reportFailure: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    reportFailure = reject;
  });
  // Whoever stops the engine may not be looking at it.
  failed.catch(() => undefined);
  const context = { log, fail: (error: Error): void => reportFailure(error) };

  // The model first: a mistake there is better met before anything is joined.
  const supply = roles.includes('score') ? await openModels(config, metrics, systemClock, log) : null;
  const models = supply?.models ?? null;
  let present: ReadonlyMap<string, number> = new Map();
  if (!embedded) {
    const warn = (warning: string): void => log.warn({}, warning);
    warnOfMissing(warn);
    present = await probeCluster(connection, warn);
    refuseEmbedded(present, connection.brokers);
  }
  const codec = await AvroCodec.open(config.kafka.registry, config.kafka.topicPrefix);
  if (codec.fixedIds)
    log.info({}, 'no schema registry is configured: schema ids are the fixed ones of schema/ids.json');
  if (codec.unguarded.length > 0)
    log.warn({ subjects: codec.unguarded }, 'the registry does not let these subjects be kept backward compatible');
  const topics = await prepareTopics(config, connection, present, log);
  const watch = embedded ? null : new TopicWatch(connection, topics, context.fail);

  // Any process with the role may be the one that watches for alerts.
  const mayWatch = roles.some((role) => role === config.alerts.role);
  if (roles.includes('score') && !mayWatch)
    log.info({}, `no alerts from here: a process with the role ${config.alerts.role} writes them (alerts.role)`);
  const buffering: BufferingRole[] = [...roles, ...(mayWatch ? (['alerts'] as const) : [])];
  const share = (role: BufferingRole): KafkaConnection => shareOf(connection, buffering, role);
  const view = new FleetView(systemClock);
  const alerts = new AlertView();
  const load: LoadParts | null =
    roles.includes('load') || roles.includes('serve') ? openLoad(config, share('load'), codec, metrics, context) : null;
  const running: Role[] = [];
  if (roles.includes('serve'))
    running.push(new ServeRole({ connection: share('serve'), codec, view, alerts, instruments: metrics }, context));
  if (mayWatch)
    running.push(
      new AlertStage({ config, connection: share('alerts'), codec, instruments: metrics, clock: systemClock }, context),
    );
  if (roles.includes('load')) {
    if (load === null) log.info({}, 'no database is configured: the load role has nothing to do');
    else running.push(load.role);
  }
  const score =
    models === null
      ? null
      : new ScoreRole(
          { config, connection: share('score'), codec, models, instruments: metrics, clock: systemClock },
          context,
        );
  if (score !== null) running.push(score);
  if (roles.includes('ingest')) {
    running.push(
      new IngestRole(
        {
          config,
          connection: share('ingest'),
          codec,
          instruments: metrics,
          decoderOf: ({ format, profUnit }) =>
            createDecoder(format, { profUnit, maxMessageBytes: config.ingest.maxMessageBytes }),
        },
        context,
      ),
    );
  }
  if (running.length === 0) throw new ActuaryError('usage', 'none of the roles has anything to do');

  const profile = PROFILES[config.decisions.profile];
  const baseline = SurvivalBaseline.load(config.survival);
  const operations = {
    readiness: () => running.map((role) => ({ role: role.name, ...role.readiness() })),
    metrics,
    build,
    debugState: async () => ({
      process: {
        pid: process.pid,
        node: process.version,
        librdkafka: clientBuild(),
        uptimeSeconds: Math.round(process.uptime()),
        memory: process.memoryUsage(),
      },
      model: models?.current.modelVersion ?? null,
      configuration: maskSecrets(config),
      roles: Object.fromEntries(
        await Promise.all(
          running.map(async (role): Promise<[string, object]> => [
            role.name,
            { ...role.readiness(), state: (await role.state?.()) ?? null },
          ]),
        ),
      ),
    }),
    clock: systemClock,
    log,
  };
  const app: FastifyInstance = roles.includes('serve')
    ? buildApp({
        ...operations,
        view,
        alerts,
        history: load?.history ?? null,
        baseline: (asset, asOfMs) => ({
          ...baseline.predict(asset, asOfMs, 'absence'),
          emitted_at: asOfMs,
          instance: config.instance,
        }),
        isPriced: (model) => profile.value(gpuModelFamily(model), 'good', 0) !== null,
      })
    : buildOperationsApp(operations);

  const stop = once(async () => {
    await supply?.close();
    watch?.close();
    // In the order of the stream: what comes later still takes what earlier roles have finished.
    for (const role of [...running].reverse()) await role.stop();
    await load?.close();
    await models?.closeAll();
    await app.close();
  });
  try {
    const url = await listen(app, config.http.host, config.http.port);
    for (const role of running) {
      await role.start();
      log.info({ role: role.name }, 'role started');
    }
    watch?.start();
    supply?.follow({ connection, codec, instruments: metrics });
    return {
      url,
      failed,
      readiness: operations.readiness,
      drain: () => score?.drain() ?? Promise.resolve(),
      drainProgress: () => score?.drainProgress() ?? null,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}
