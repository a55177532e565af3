import type { Scorer } from '../../models/scorer.js';
import { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import { frame, unframe } from './state-chunk.js';

/** So many switches of a partition are kept in gpu.checkpoints. */
const SWITCHES = 64;
export const MODEL_KEY = 'model/';

/** From which offset of the source a model has answered for a partition. */
export interface ModelMark {
  /** Counts the switches of a partition. */
  readonly sequence: number;
  readonly fromOffset: number;
  readonly modelVersion: string;
  readonly runId: string | null;
  readonly digest: string;
}

/**
 * Writes down from which offset on which model answers, into the transaction of the first unit of work that it
 * answered: the mark is there if and only if the outputs are.
 */
export class ModelMarks {
  /** @param answeredTo offset of the source up to which others have answered */
  constructor(
    private readonly topic: string,
    private readonly partition: number,
    private last: ModelMark | null,
    private answeredTo: number,
  ) {}

  /** The model that answered last; null before the first. */
  get newest(): ModelMark | null {
    return this.last;
  }

  /**
   * A unit of work was answered. @param offset next of the source after it
   * @returns the mark, where another model answered than before
   */
  answered({ modelVersion, runId, digest }: Scorer, offset: number): OutputRecord | null {
    const fromOffset = this.answeredTo;
    this.answeredTo = offset;
    if (this.last?.digest === digest && this.last.runId === runId) return null;
    const sequence = (this.last?.sequence ?? 0) + 1;
    this.last = { sequence, fromOffset, modelVersion, runId, digest };
    const key = `${MODEL_KEY}${sequence % SWITCHES}`;
    return { topic: this.topic, partition: this.partition, key, value: encodeMark(this.last) };
  }
}

export function encodeMark({ sequence, fromOffset, modelVersion, runId, digest }: ModelMark): Buffer {
  const writer = new ByteWriter();
  writer.float64(sequence);
  writer.float64(fromOffset);
  for (const text of [modelVersion, runId ?? '', digest]) writer.text(text);
  return frame('model', writer.take());
}

/** @returns null if the bytes are damaged. @throws ActuaryError state_newer */
export function decodeMark(record: Buffer): ModelMark | null {
  const payload = unframe('model', record);
  if (payload === null) return null;
  const reader = new ByteReader(payload);
  const [sequence, fromOffset] = [reader.float64(), reader.float64()];
  const [modelVersion, runId, digest] = [reader.text(), reader.text(), reader.text()];
  return { sequence, fromOffset, modelVersion, runId: runId === '' ? null : runId, digest };
}

/** The newest of marks that is not beyond an offset. */
export function newestMark(marks: readonly ModelMark[], offset: number): ModelMark | null {
  return marks.reduce<ModelMark | null>(
    (newest, mark) => (mark.fromOffset <= offset && mark.sequence > (newest?.sequence ?? 0) ? mark : newest),
    null,
  );
}
