import { Type, type Static, type TSchema } from '@sinclair/typebox';
import { Broker, Host, HttpUrl, PostgresUrl } from './addresses.js';
import { GPU_MODELS } from './gpu-models.js';
import { DEFAULT_PARTITIONS } from './topics.js';

/**
 * Configuration: every key with its type, default and description, in this one file. Unknown keys are refused.
 * Where values come from (file, environment, flags) stands in topology/configuration.ts.
 */

/** An object of which every key is known and may be left out. */
const section = <T extends Record<string, TSchema>>(description: string, properties: T) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description });

const nullable = <T extends TSchema>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { default: null, description });

const positiveMs = (value: number, description: string) =>
  Type.Integer({ minimum: 1, default: value, description: `${description} (ms)` });

export const SOURCE_FORMATS = ['wide-json', 'wide-json-flat', 'prometheus-text'] as const;

const Source = Type.Object(
  {
    topics: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: 'Kafka topics to read' }),
    format: Type.Union(
      SOURCE_FORMATS.map((format) => Type.Literal(format)),
      { description: 'Shape of the messages: ' + SOURCE_FORMATS.join(', ') },
    ),
    profUnit: Type.Union([Type.Literal('percent'), Type.Literal('ratio')], {
      default: 'percent',
      description: 'Unit of profiling values in wide JSON: some producers put ratios 0-1 into their _pct fields',
    }),
    keyed: Type.Union([Type.Boolean(), Type.Literal('auto')], {
      default: 'auto',
      description:
        'Whether the messages are keyed by GPU or host, so that a partition holds its GPUs in order; auto: by looking at the newest messages at start',
    }),
  },
  { additionalProperties: false },
);

const Limits = Type.Object(
  {
    slowdownCelsius: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'Core temperature at which clocks are slowed' }),
    ),
    memoryCelsius: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'Highest memory temperature of regular operation' }),
    ),
    boardPowerWatts: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'Highest power of the board' })),
  },
  { additionalProperties: false },
);

const RuleChange = Type.Object(
  {
    from: Type.Optional(Type.Number({ description: 'Value beyond which points are taken' })),
    to: Type.Optional(Type.Number({ description: 'Value at which the most are taken; not equal to from' })),
    pointsAtFrom: Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: 'Points just beyond from' })),
    pointsAtTo: Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: 'Points at to and beyond' })),
  },
  { additionalProperties: false },
);

export const ConfigSchema = Type.Object(
  {
    instance: Type.String({
      default: '',
      description:
        'Name of this process in outputs, group membership and transactional ids; host name if empty. Each process needs its own: two score processes of one name fence each other',
    }),
    kafka: section('Kafka cluster', {
      brokers: Type.Array(Broker(), {
        minItems: 1,
        default: ['127.0.0.1:9092'],
        description: 'Bootstrap servers, host:port',
      }),
      properties: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        default: {},
        description: 'Any librdkafka property (security.protocol, sasl.*, ssl.*, compression.codec, ...)',
      }),
      registry: nullable(
        HttpUrl(),
        'URL of a schema registry with the Confluent API, user:password@ before the host where it asks for them; null: the fixed schema ids of schema/ids.json',
      ),
      topicPrefix: Type.String({
        default: '',
        pattern: '^[A-Za-z0-9._-]*$',
        // A topic's name has 249 characters at most.
        maxLength: 200,
        description: "Goes before the engine's own topics, groups and transactional ids, never before sources",
      }),
      partitions: Type.Integer({
        minimum: 1,
        maximum: 10_000,
        default: DEFAULT_PARTITIONS,
        description: "Partitions of the engine's topics when they are created",
      }),
      replicationFactor: Type.Integer({
        minimum: -1,
        maximum: 32_767,
        default: -1,
        description: "Replicas of the engine's topics when they are created; -1: the broker's default",
      }),
      sessionTimeoutMs: positiveMs(10_000, 'Consumer group session timeout'),
      staticMembership: Type.Boolean({
        default: false,
        description:
          'score and load keep their partitions over a restart under the same `instance` name that is shorter than the session timeout; a stop for good is noticed only after it',
      }),
      guarantee: Type.Union([Type.Literal('exactly-once'), Type.Literal('at-least-once')], {
        default: 'exactly-once',
        description:
          'exactly-once: outputs and source offsets in one Kafka transaction; at-least-once: without, so that a crash repeats records',
      }),
      commitIntervalMs: positiveMs(
        100,
        'ingest and score gather what comes within this much time into one transaction',
      ),
      catchUpCommitIntervalMs: positiveMs(
        500,
        'The same while they are behind, where throughput counts and not latency; no effect below `commitIntervalMs`',
      ),
    }),
    sources: Type.Array(Source, {
      default: [
        { topics: ['gpu-metrics-raw'], format: 'wide-json' },
        { topics: ['dcgm-scrapes'], format: 'prometheus-text' },
      ],
      description: 'Topics of telemetry and their shapes',
    }),
    assets: section('Asset register', {
      file: nullable(Type.String({ minLength: 1 }), 'JSON Lines file of assets; its differences go to gpu.assets'),
    }),
    model: section('Failure model', {
      directory: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
        default: 'models/champion',
        description:
          'Directory with model.onnx and card.json; null: the heuristic. A relative path is looked up here, then in the package',
      }),
      watchMs: positiveMs(
        5_000,
        'The directory is looked at once in so much time: a changed model that passes its checks takes over',
      ),
      mlflow: section('Model registry, in place of the directory', {
        url: nullable(
          HttpUrl(),
          'MLflow tracking server, user:password@ before the host where it asks for them; null: the directory alone',
        ),
        token: nullable(Type.String({ minLength: 1 }), 'Bearer token for it; never shown or logged'),
        name: Type.String({ minLength: 1, default: 'gpu-actuary-failure', description: 'Registered model' }),
        alias: Type.String({ minLength: 1, default: 'champion', description: 'Alias of it that is followed' }),
        everyMs: positiveMs(30_000, 'The alias is looked up once in so much time; less often while MLflow is away'),
        timeoutMs: positiveMs(10_000, 'Longest that an answer of MLflow is waited for'),
        cacheDirectory: Type.String({
          minLength: 1,
          default: 'models/mlflow',
          description: 'Where models are kept that were fetched: while MLflow is away, a start takes the last one',
        }),
      }),
    }),
    survival: section('Failure odds of GPUs without telemetry', {
      yearlyRate: Type.Number({
        exclusiveMinimum: 0,
        default: 0.051,
        description: 'Failures a GPU-year of models that survival.yearlyRates does not name; source in docs/model.md',
      }),
      yearlyRates: Type.Object(
        Object.fromEntries(GPU_MODELS.map((model) => [model, Type.Optional(Type.Number({ exclusiveMinimum: 0 }))])),
        {
          additionalProperties: false,
          default: { A100: 0.031, H100: 0.061 },
          description: 'Failures a GPU-year by model family; sources in docs/model.md',
        },
      ),
    }),
    windows: section('Sliding windows', {
      gapMs: positiveMs(
        300_000,
        'Longest step between readings over which state is known; at least 2.5 scrape intervals',
      ),
      featureSet: Type.Union([Type.Literal('v1'), Type.Literal('v2')], {
        default: 'v2',
        description: 'Features that gpu.features carries',
      }),
    }),
    score: section('Scoring', {
      everyMs: positiveMs(10_000, 'A GPU is due when its event time passes a multiple of this'),
      adaptive: Type.Boolean({
        default: true,
        description:
          'While behind or short of CPU, skip stale due points of predictions; features at pane close are never skipped',
      }),
      maxStalenessMs: positiveMs(
        10_000,
        'While due points are skipped, a GPU that is due is scored at the latest after this much wall-clock time',
      ),
      maxBatches: Type.Integer({
        minimum: 1,
        default: 1_024,
        description: 'Batches of gpu.samples worked on at once: while behind, fewer make a transaction for little',
      }),
    }),
    checkpoint: section('Checkpoints of the score role', {
      intervalMs: Type.Integer({
        minimum: 1_000,
        default: 60_000,
        description: 'Everything but closed panes is written to gpu.checkpoints once in so much time (ms)',
      }),
      ringEveryMs: positiveMs(
        14_400_000,
        'The closed panes of each GPU are written to gpu.checkpoints once in so much time',
      ),
    }),
    features: section('Feature records', {
      everyMs: positiveMs(900_000, 'A features record each so much event time, beside those at pane close'),
    }),
    predictions: section('Prediction records', {
      emit: Type.Union([Type.Literal('changes'), Type.Literal('always')], {
        default: 'changes',
        description: 'changes: at once on a meaningful change, else each heartbeat; always: at every due point too',
      }),
      minLogOddsDelta: Type.Number({
        exclusiveMinimum: 0,
        default: 0.1,
        description: 'Change of the log-odds of any horizon that is emitted at once',
      }),
      heartbeatMs: positiveMs(3_600_000, 'A prediction record at least each so much event time'),
    }),
    health: section('Health', {
      everyMs: positiveMs(900_000, 'A health record each so much event time, beside those on a change of grade'),
      limits: Type.Object(Object.fromEntries(GPU_MODELS.map((model) => [model, Type.Optional(Limits)])), {
        additionalProperties: false,
        default: {},
        description: 'Limits by model family that replace those of docs/health.md',
      }),
      rules: Type.Record(Type.String(), RuleChange, {
        default: {},
        description: 'Thresholds and points by factor that replace those of docs/health.md',
      }),
    }),
    decisions: section('Economic decisions', {
      profile: Type.Union([Type.Literal('reference')], { default: 'reference', description: 'Valuation profile' }),
    }),
    alerts: section('Alerts', {
      role: Type.Union(
        ['ingest', 'score', 'load', 'serve'].map((role) => Type.Literal(role)),
        {
          default: 'serve',
          description:
            'One of the processes with this role watches the fleet and writes gpu.alerts; the same for all processes',
        },
      ),
      actionHours: Type.Number({
        exclusiveMinimum: 0,
        default: 12,
        description: 'Hours of a GPU that are lost when it is drained and tested in time: what risk_high weighs',
      }),
      failureHours: Type.Number({
        exclusiveMinimum: 0,
        default: 168,
        description:
          'Hours of a GPU that an unplanned failure costs. risk_high fires where failure_prob_30d reaches actionHours / failureHours',
      }),
      throttleHours: Type.Number({
        exclusiveMinimum: 0,
        default: 8,
        description: 'Hours of the seven days with clocks held down from which sustained_throttling fires',
      }),
      neighbourCelsius: Type.Number({
        exclusiveMinimum: 0,
        default: 10,
        description: "°C above the median of its host's other GPUs from which hot_beside_neighbours fires",
      }),
      maintenanceFile: nullable(
        Type.String({ minLength: 1 }),
        'JSON Lines file of times in which silence is expected; read again when it changes',
      ),
    }),
    ingest: section('Reading sources', {
      maxAgeDays: Type.Number({
        minimum: 0,
        default: 8,
        description: 'Samples further behind their record timestamp are refused as past; 0: never',
      }),
      futureMs: positiveMs(300_000, 'Samples further ahead of their record timestamp are refused as future'),
      maxMessageBytes: Type.Integer({
        minimum: 1,
        default: 4_194_304,
        description: 'Larger messages are dead-lettered',
      }),
      batchSamples: Type.Integer({ minimum: 1, default: 4_000, description: 'Most samples in one batch message' }),
      lingerMs: Type.Integer({ minimum: 0, default: 100, description: 'Longest wait for a fuller batch message (ms)' }),
    }),
    deadLetter: section('Dead letters', {
      maxRatio: Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.9,
        description:
          'Share of undecodable messages among the last 10,000 of a source beyond which ingest stops: the format is wrong',
      }),
    }),
    memory: section('Memory', {
      bufferMb: Type.Integer({
        minimum: 16,
        default: 192,
        description:
          'What this process may hold of what it has read and not yet written, its roles and their Kafka clients together (MB); windows, checkpoints being written and the view of the fleet come on top',
      }),
    }),
    database: section('TimescaleDB or PostgreSQL', {
      url: nullable(PostgresUrl(), 'postgres://user:password@host:port/database; null: no load role'),
      timeoutMs: positiveMs(
        30_000,
        'Longest that an answer of the database is waited for, that to a whole transaction too, before its connection is given up',
      ),
    }),
    load: section('Loading the database', {
      metrics: Type.Union([Type.Literal('minute'), Type.Literal('raw'), Type.Literal('off')], {
        default: 'minute',
        description: 'gpu_metrics: a row a GPU and minute, every sample, or none',
      }),
    }),
    shutdown: section('Ending', {
      deadlineMs: positiveMs(
        25_000,
        'Longest that a stop may take after SIGTERM or SIGINT before the process ends itself',
      ),
    }),
    http: section('HTTP server', {
      host: Host({ default: '127.0.0.1', description: 'Address to listen on' }),
      port: Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'Port; 0: any free one' }),
    }),
    log: section('Logging', {
      level: Type.Union(
        ['trace', 'debug', 'info', 'warn', 'error', 'silent'].map((level) => Type.Literal(level)),
        { default: 'info', description: 'Least severe level that is logged' },
      ),
    }),
  },
  { additionalProperties: false },
);

export type Config = Static<typeof ConfigSchema>;
export type SourceConfig = Static<typeof Source>;
