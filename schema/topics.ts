/**
 * The engine's own topics: names, policies, keys. Sources are other people's topics and do not stand here.
 */
const DAY = 86_400_000;

export interface Topic {
  /** Name without the configured prefix. */
  readonly name: string;
  readonly description: string;
  /** Kafka topic configuration. */
  readonly config: Readonly<Record<string, string>>;
  /** Fixed number of partitions; otherwise kafka.partitions. */
  readonly partitions?: number;
  /** File name in schema/ without .avsc, where the value is Avro. */
  readonly schema?: string;
}

const compactedFor30Days = {
  'cleanup.policy': 'compact,delete',
  'min.compaction.lag.ms': String(7 * DAY),
  'retention.ms': String(30 * DAY),
};
/** Dead letters keep the original bytes, so the topic takes larger messages than any source is read with. */
export const DEAD_LETTER_MAX_BYTES = 16 * 1024 * 1024;
/** A batch of 2,000 samples with every NVLink counter of every link is beyond a broker's default of 1 MiB. */
const SAMPLES_MAX_BYTES = 16 * 1024 * 1024;

export const TOPICS = {
  samples: {
    name: 'gpu.samples',
    description: 'Batches of normalised samples, by GPU',
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(2 * DAY),
      'max.message.bytes': String(SAMPLES_MAX_BYTES),
    },
    schema: 'gpu.samples',
  },
  features: {
    name: 'gpu.features',
    description: 'Features of a GPU, at pane close and each features.everyMs',
    config: compactedFor30Days,
    schema: 'gpu.features',
  },
  predictions: {
    name: 'gpu.predictions',
    description: 'Failure probabilities of a GPU, on change, else each hour',
    config: compactedFor30Days,
    schema: 'gpu.predictions',
  },
  health: {
    name: 'gpu.health',
    description: 'Health of a GPU, each health.everyMs or on a change of grade',
    config: compactedFor30Days,
    schema: 'gpu.health',
  },
  decisions: {
    name: 'gpu.decisions',
    description: 'Economic decision on a GPU, daily or on a change of grade',
    config: compactedFor30Days,
    schema: 'gpu.decisions',
  },
  alerts: {
    name: 'gpu.alerts',
    description: 'Alerts, firing and resolved',
    config: compactedFor30Days,
    schema: 'gpu.alerts',
  },
  presence: {
    name: 'gpu.presence',
    description: 'Internal: a GPU that has just fallen silent, for the score role to say so of it',
    config: { 'cleanup.policy': 'delete', 'retention.ms': String(DAY) },
  },
  ingestLock: {
    name: 'gpu.ingest-lock',
    description: 'Internal, never written: whoever holds its partition reads the sources without keys',
    config: { 'cleanup.policy': 'delete', 'retention.ms': String(DAY) },
    partitions: 1,
  },
  panes: {
    name: 'gpu.panes',
    description: 'Closed hours of a GPU',
    // Never compacted: the key is the GPU, and every hour of it is wanted.
    config: { 'cleanup.policy': 'delete', 'retention.ms': String(8 * DAY) },
    schema: 'gpu.panes',
  },
  checkpoints: {
    name: 'gpu.checkpoints',
    description: 'State of the score role by partition: windows, and what was last said; see docs/recovery.md',
    // Written over each minute: small segments and eager compaction keep what a restart reads short.
    config: {
      'cleanup.policy': 'compact',
      'segment.bytes': String(64 * 1024 * 1024),
      'min.cleanable.dirty.ratio': '0.2',
    },
  },
  assets: {
    name: 'gpu.assets',
    description: 'Asset record of a GPU',
    config: { 'cleanup.policy': 'compact' },
    schema: 'gpu.assets',
  },
  labels: {
    name: 'gpu.labels',
    description: 'Observed failures',
    config: { 'cleanup.policy': 'compact' },
    schema: 'gpu.labels',
  },
  maintenance: {
    name: 'gpu.maintenance',
    description: 'Times in which silence is expected, by a name of yours: JSON, see docs/alerts.md',
    config: { 'cleanup.policy': 'compact' },
    partitions: 1,
  },
  deadLetter: {
    name: 'gpu.dead-letter',
    description: 'Messages that gave no sample and samples refused by time, with their original bytes and a code',
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(14 * DAY),
      'max.message.bytes': String(DEAD_LETTER_MAX_BYTES),
    },
  },
} as const satisfies Record<string, Topic>;

export type TopicKey = keyof typeof TOPICS;
/** The topics that bear the engine's results, one record type each. */
export const OUTPUT_TOPICS = ['features', 'predictions', 'health', 'decisions', 'alerts', 'panes'] as const;

/** Default number of partitions of the engine's topics. */
export const DEFAULT_PARTITIONS = 12;

/** Full name of an engine topic. */
export function topicName(prefix: string, key: TopicKey): string {
  return prefix + TOPICS[key].name;
}
