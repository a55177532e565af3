import type { Decoder } from '../../operators/decode/decoder.js';
import { judgeTime, type TimeLimits } from '../../operators/judge-time.js';
import {
  BatchBuilder,
  emptyReadings,
  metadataKey,
  type Readings,
  type SampleMetadata,
  type SampleSink,
  type SinkGpu,
} from '../../schema/batch.js';
import type { DeadLetterCode, RejectReading } from '../../schema/outcome.js';
import { SERIES } from '../../schema/metrics.js';
import { messageLetter, sampleLetter } from '../../sinks/dead-letter.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import { isoTime } from '../../schema/records.js';
import type { RecordBlock } from '../kafka/log.js';
import { CadenceMonitor } from './cadence.js';

/** What a block came to, beside the samples. */
export interface Decoded {
  readonly records: number;
  /** Accepted, and handed to the target. */
  readonly samples: number;
  readonly letters: readonly SourceLetter[];
  /** Records that gave no sample because they could not be read. */
  readonly undecodable: number;
  /** Record timestamp of the last one, epoch ms; NaN where there was none. */
  readonly newestMs: number;
}

/** A dead letter, and the offset of the raw message it was made of. */
export interface SourceLetter {
  readonly offset: number;
  readonly record: OutputRecord;
}

/** A fleet has one a host or so. */
const MAX_METADATA = 1 << 17;

/** Where accepted samples go. */
export type IntakeTarget = Pick<SampleSink, 'gpu' | 'add'> & {
  from(topic: string, partition: number, offset: number): void;
};

export interface IntakeOptions {
  readonly decoder: Decoder;
  readonly target: IntakeTarget;
  readonly limits: TimeLimits;
  readonly deadLetterTopic: string;
  readonly reject: RejectReading;
  readonly onLetter: (code: DeadLetterCode) => void;
  /** Told what looks wrong with the source as a whole; each thing once. */
  readonly onWarning: (warning: string) => void;
  readonly gapMs: number;
}

/**
 * Decodes the records of one source and judges the time of their samples against the record's timestamp. It stands
 * between decoder and target: what is accepted goes through without a copy, what is refused becomes a dead letter.
 */
export class Intake implements SampleSink {
  private readonly cadence: CadenceMonitor;
  private letters: SourceLetter[] = [];
  private samples = 0;
  private topic = '';
  private partition = 0;
  private offset = 0;
  private referenceMs = NaN;
  // The sample that is put in piece by piece.
  private openUuid: string | null = null;
  private openTimeMs = NaN;
  private openMetadata: SampleMetadata | undefined;
  /** One object for equal metadata. */
  private readonly metadata = new Map<string, SampleMetadata>();
  private readonly openReadings = emptyReadings(SERIES.length);
  /** By series: place in the open readings, −1 where it has none. */
  private readonly place = new Int8Array(SERIES.length).fill(-1);

  constructor(private readonly options: IntakeOptions) {
    this.cadence = new CadenceMonitor(options.gapMs);
  }

  /** @param fromOffset where to begin in the block */
  decode(block: RecordBlock, fromOffset: number): Decoded {
    const { decoder, target, deadLetterTopic, reject, onLetter, onWarning } = this.options;
    const cursor = block.cursor(fromOffset);
    this.topic = block.topic;
    this.partition = block.partition;
    this.samples = 0;
    let records = 0;
    let undecodable = 0;
    this.referenceMs = NaN;
    while (cursor.next()) {
      records++;
      this.offset = cursor.offset;
      this.referenceMs = cursor.timestampMs;
      target.from(block.topic, block.partition, cursor.offset);
      const { valueStart } = cursor;
      if (valueStart >= 0 && decoder.decodeAt?.(cursor.bytes, valueStart, cursor.valueEnd, this, reject)) continue;
      const record = cursor.record();
      const outcome = decoder.decode(record, this, reject);
      if (outcome.kind === 'samples') continue;
      undecodable++;
      onLetter(outcome.code);
      this.letters.push({
        offset: this.offset,
        record: messageLetter(deadLetterTopic, record, record.key, record.value, outcome.code, outcome.detail),
      });
    }
    const warning = decoder.warning?.() ?? null;
    if (warning !== null) onWarning(warning);
    const { samples, letters } = this;
    this.letters = [];
    return { records, samples, letters, undecodable, newestMs: this.referenceMs };
  }

  gpu(uuid: string): SinkGpu {
    return this.options.target.gpu(uuid);
  }

  add(gpu: SinkGpu, eventTimeMs: number, readings: Readings, metadata: SampleMetadata | undefined): void {
    const code = judgeTime(eventTimeMs, this.referenceMs, this.options.limits);
    if (code !== null) {
      this.refuse(gpu.uuid, eventTimeMs, readings, metadata, code);
      return;
    }
    this.options.target.add(gpu, eventTimeMs, readings, metadata);
    this.samples++;
    if (this.cadence.done) return;
    const warning = this.cadence.observe(gpu.uuid, eventTimeMs);
    if (warning !== null) this.options.onWarning(warning);
  }

  begin(gpuUuid: string, eventTimeMs: number): void {
    this.abandon();
    this.openUuid = gpuUuid;
    this.openTimeMs = Math.floor(eventTimeMs);
  }

  set(seriesId: number, value: number): void {
    if (value !== value) return;
    const { openReadings, place } = this;
    if (place[seriesId] < 0) {
      place[seriesId] = openReadings.count;
      openReadings.series[openReadings.count] = seriesId;
      openReadings.values[openReadings.count++] = value;
    } else if (value > openReadings.values[place[seriesId]]) openReadings.values[place[seriesId]] = value;
  }

  describe(metadata: SampleMetadata): void {
    const key = metadataKey(metadata);
    if (key === null) return;
    this.openMetadata = this.metadata.get(key);
    if (this.openMetadata !== undefined) return;
    if (this.metadata.size >= MAX_METADATA) this.metadata.clear();
    this.metadata.set(key, metadata);
    this.openMetadata = metadata;
  }

  end(): boolean {
    const { openUuid, openReadings } = this;
    const kept = openUuid !== null && openReadings.count > 0;
    if (kept) this.add(this.gpu(openUuid), this.openTimeMs, openReadings, this.openMetadata);
    this.abandon();
    return kept;
  }

  abandon(): void {
    const { openReadings, place } = this;
    for (let i = 0; i < openReadings.count; i++) place[openReadings.series[i]] = -1;
    openReadings.count = 0;
    this.openUuid = null;
    this.openMetadata = undefined;
  }

  private refuse(
    uuid: string,
    eventTimeMs: number,
    readings: Readings,
    metadata: SampleMetadata | undefined,
    code: 'future' | 'past',
  ): void {
    const { reject, onLetter, deadLetterTopic } = this.options;
    const detail = `event time ${isoTime(eventTimeMs)}, record timestamp ${isoTime(this.referenceMs)}`;
    const alone = new BatchBuilder(1);
    alone.from(this.topic, this.partition, this.offset);
    alone.add(alone.gpu(uuid), eventTimeMs, readings, metadata);
    const batch = alone.build();
    for (let id = 0; id < batch.columns.length; id++)
      if (batch.columns[id] !== undefined) reject(code, uuid, SERIES[id].metric, detail);
    onLetter(code);
    this.letters.push({ offset: this.offset, record: sampleLetter(deadLetterTopic, batch, 0, code, detail) });
  }
}
