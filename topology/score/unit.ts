import type { ClosedPane, Windows } from '../../operators/window/window.js';
import type { AvroCodec } from '../../schema/avro.js';
import { AvroWriter } from '../../schema/avro-bytes.js';
import type { SampleBatch } from '../../schema/batch.js';
import type { Config } from '../../schema/config.js';
import type { RecycledMemory } from '../../schema/recycled-memory.js';
import { FEATURES } from '../../schema/features.js';
import { FeaturesEncoder } from '../../schema/features-record.js';
import type { Trigger } from '../../schema/records.js';
import { TOPICS, topicName, type TopicKey } from '../../schema/topics.js';
import { sampleLetter } from '../../sinks/dead-letter.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import type { FoldSink } from './partition-state.js';
import type { Kept } from './state-keeper.js';

/** What a record takes in memory beside its value: the object, and the buffer's own. */
const RECORD_BYTES = 256;

/** How the score role's records become messages: codecs and topic names, one a process. */
export class OutputFormat {
  readonly features: FeaturesEncoder;
  readonly instance: string;
  private readonly topics: Readonly<Record<string, string>>;

  constructor(
    private readonly codec: AvroCodec,
    topicPrefix: string,
    config: Config,
    /** Of the records that are written straight from windows. */
    readonly memory: RecycledMemory,
  ) {
    this.instance = config.instance;
    this.features = new FeaturesEncoder(codec, config.windows.featureSet, config.instance);
    this.topics = Object.fromEntries(
      (Object.keys(TOPICS) as TopicKey[]).map((key) => [key, topicName(topicPrefix, key)]),
    );
  }

  topic(key: TopicKey): string {
    return this.topics[key];
  }

  encode(key: TopicKey, record: object): Buffer {
    return this.codec.encode(key, record);
  }
}

/** What every output record says of its making. */
export interface Provenance {
  readonly emitted_at: number;
  readonly instance: string;
}

/**
 * Collects what one unit of work of the score role puts out, encoded: everything in it is committed with the source
 * offsets it was made from, or not at all.
 */
export class UnitOfWork implements FoldSink {
  readonly records: OutputRecord[] = [];
  readonly letters: OutputRecord[] = [];
  /** Records of whole checkpoints. */
  readonly cuts: OutputRecord[] = [];
  /** Records by topic. */
  readonly counts = new Map<TopicKey, number>();
  readonly provenance: Provenance;
  private readonly writer: AvroWriter;
  lateSamples = 0;
  /** What the records take in memory, without the cuts: these are as large as what they are of. */
  bytes = 0;

  /** @param emittedAtMs wall clock, epoch ms */
  constructor(
    private readonly format: OutputFormat,
    private readonly emittedAtMs: number,
  ) {
    this.provenance = { emitted_at: emittedAtMs, instance: format.instance };
    this.writer = new AvroWriter(format.memory);
  }

  /** The records have been written, and nobody looks at them any more. */
  release(): void {
    this.writer.release();
  }

  /** What is to be known of a partition's state after this unit. */
  keep({ delta, cut, model }: Kept): void {
    if (model !== null) this.records.push(model);
    if (delta !== null) this.records.push(delta);
    for (const record of cut) this.cuts.push(record);
  }

  add(topic: TopicKey, gpuUuid: string, record: object): void {
    this.addEncoded(topic, gpuUuid, this.format.encode(topic, record));
  }

  pane(windows: Windows, pane: ClosedPane): void {
    const gpuUuid = windows.uuidOf(pane.slot);
    this.add('panes', gpuUuid, {
      gpu_uuid: gpuUuid,
      hour_start: pane.hourStartMs,
      samples: pane.samples,
      ...pane.aggregates,
    });
  }

  features(
    windows: Windows,
    slot: number,
    asOfMs: number,
    newestMs: number,
    paneClosed: boolean,
    values: Float64Array,
  ): void {
    this.addFeatures(windows.uuidOf(slot), asOfMs, newestMs, paneClosed ? 'pane' : 'interval', values, 0);
  }

  /** Features of a GPU that fell silent. */
  absent(gpuUuid: string, asOfMs: number, newestMs: number, values: Float64Array, offset: number): void {
    this.addFeatures(gpuUuid, asOfMs, newestMs, 'absence', values, offset);
  }

  late(windows: Windows, batch: SampleBatch, row: number): void {
    this.lateSamples++;
    const detail = 'older than the last accepted reading of its metric, or of an hour that is closed';
    const letter = sampleLetter(this.format.topic('deadLetter'), batch, row, 'late', detail, {
      ...windows.lateReadings,
    });
    this.letters.push(letter);
    this.bytes += (letter.value?.length ?? 0) + RECORD_BYTES;
  }

  private addFeatures(
    gpuUuid: string,
    asOfMs: number,
    newestMs: number,
    trigger: Trigger,
    values: Float64Array,
    offset: number,
  ): void {
    const { features } = this.format;
    const value = features.encode(this.writer, gpuUuid, asOfMs, newestMs, trigger, values, offset, this.emittedAtMs);
    this.addEncoded('features', gpuUuid, value);
  }

  private addEncoded(topic: TopicKey, gpuUuid: string, value: Buffer): void {
    this.records.push({ topic: this.format.topic(topic), partition: null, key: gpuUuid, value });
    this.bytes += value.length + RECORD_BYTES;
    this.counts.set(topic, (this.counts.get(topic) ?? 0) + 1);
  }
}

/** Names and columns of a published feature set: v2 is v1 and more. */
export function publishedFeatures(featureSet: 'v1' | 'v2'): { name: string; column: number }[] {
  return FEATURES.flatMap(({ name, set }, column) =>
    set === 'v1' || (set === 'v2' && featureSet === 'v2') ? [{ name, column }] : [],
  );
}

/** Features by name, absent ones null. */
export function namedFeatures(
  names: readonly { readonly name: string; readonly column: number }[],
  values: Float64Array,
  offset: number,
): Record<string, number | null> {
  const features: Record<string, number | null> = {};
  for (const { name, column } of names) {
    const value = values[offset + column];
    features[name] = value === value ? value : null;
  }
  return features;
}
