import type { TopicKey } from '../../schema/topics.js';
import type { OutputRecord } from '../../sinks/kafka.js';

/** Records that a block of samples gave, in order, before they are encoded. */
export interface ScoreOutput {
  readonly topic: TopicKey;
  readonly gpuUuid: string;
  readonly record: object;
}

/** Outputs and dead letters of one unit of work: they and the source offsets are committed together. */
export class UnitOutputs {
  readonly records: ScoreOutput[] = [];
  readonly letters: OutputRecord[] = [];

  add(topic: TopicKey, gpuUuid: string, record: object): void {
    this.records.push({ topic, gpuUuid, record });
  }
}
