import type { Decoder, RawMessage } from '../../operators/decode/decoder.js';
import { judgeTime, type TimeLimits } from '../../operators/judge-time.js';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import type { DeadLetterCode, RejectReading } from '../../schema/outcome.js';
import { SERIES } from '../../schema/metrics.js';
import { messageLetter, sampleLetter } from '../../sinks/dead-letter.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import { isoTime } from '../../schema/records.js';
import type { LogRecord } from '../kafka/log.js';
import { CadenceMonitor } from './cadence.js';

/** What one read of a partition came to. */
export interface Decoded {
  /** Samples in offset order, those refused by time left out. */
  readonly samples: SampleBatch;
  readonly letters: readonly OutputRecord[];
}

export interface IntakeOptions {
  readonly decoder: Decoder;
  readonly limits: TimeLimits;
  readonly deadLetterTopic: string;
  readonly reject: RejectReading;
  readonly onLetter: (code: DeadLetterCode) => void;
  /** Told what looks wrong with the source as a whole; each thing once. */
  readonly onWarning: (warning: string) => void;
  readonly gapMs: number;
}

/** Decodes the records of one source and judges their time against the record's timestamp. */
export class Intake {
  private readonly builder = new BatchBuilder();
  private readonly accepted = new BatchBuilder();
  private readonly cadence: CadenceMonitor;

  constructor(private readonly options: IntakeOptions) {
    this.cadence = new CadenceMonitor(options.gapMs);
  }

  /** @param records of one partition, in offset order */
  decode(records: Iterable<LogRecord>): Decoded {
    const { decoder, deadLetterTopic, reject, onLetter } = this.options;
    const letters: OutputRecord[] = [];
    const firstRow: number[] = [];
    const timestamps: number[] = [];
    for (const record of records) {
      const before = this.builder.length;
      this.builder.from(record.topic, record.partition, record.offset);
      const outcome = decoder.decode(record satisfies RawMessage, this.builder, reject);
      if (outcome.kind === 'dead-letter') {
        onLetter(outcome.code);
        letters.push(messageLetter(deadLetterTopic, record, record.key, record.value, outcome.code, outcome.detail));
      }
      firstRow.push(before);
      timestamps.push(record.timestampMs);
    }
    const batch = this.builder.build();
    const samples = this.judge(batch, firstRow, timestamps, letters);
    for (const warning of [this.cadence.observe(samples), decoder.warning?.() ?? null])
      if (warning !== null) this.options.onWarning(warning);
    return { samples, letters };
  }

  /** Leaves out what is too far from its record's timestamp; a batch without such samples is passed on as it is. */
  private judge(
    batch: SampleBatch,
    firstRow: readonly number[],
    timestamps: readonly number[],
    letters: OutputRecord[],
  ): SampleBatch {
    const refused = new Map<number, { code: 'future' | 'past'; timestampMs: number }>();
    let record = 0;
    for (let row = 0; row < batch.count; row++) {
      while (record + 1 < firstRow.length && firstRow[record + 1] <= row) record++;
      const code = judgeTime(batch.eventTimeMs[row], timestamps[record], this.options.limits);
      if (code !== null) refused.set(row, { code, timestampMs: timestamps[record] });
    }
    if (refused.size === 0) return batch;
    for (let row = 0; row < batch.count; row++) {
      const refusal = refused.get(row);
      if (refusal === undefined) this.accepted.copy(batch, row);
      else letters.push(this.refuse(batch, row, refusal.code, refusal.timestampMs));
    }
    return this.accepted.build();
  }

  private refuse(batch: SampleBatch, row: number, code: 'future' | 'past', timestampMs: number): OutputRecord {
    const detail = `event time ${isoTime(batch.eventTimeMs[row])}, record timestamp ${isoTime(timestampMs)}`;
    const uuid = batch.gpus[batch.gpuIndex[row]];
    for (let id = 0; id < batch.columns.length; id++) {
      const value = batch.columns[id]?.[row];
      if (value !== undefined && value === value) this.options.reject(code, uuid, SERIES[id].metric, detail);
    }
    this.options.onLetter(code);
    return sampleLetter(this.options.deadLetterTopic, batch, row, code, detail);
  }
}
