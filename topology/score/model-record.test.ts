import { describe, expect, it } from 'vitest';
import type { Scorer } from '../../models/scorer.js';
import { ModelMarks, decodeMark, newestMark, type ModelMark } from './model-record.js';

const model = (digest: string): Scorer => ({ modelVersion: `v-${digest}`, runId: 'run', digest }) as Scorer;

describe('which model answered', () => {
  it('is written down with the first unit of work of each model, from the offset where that unit began', () => {
    const marks = new ModelMarks('checkpoints', 3, null, 100);
    const written = [
      marks.answered(model('a'), 120),
      marks.answered(model('a'), 150),
      marks.answered(model('b'), 170),
      marks.answered(model('b'), 180),
    ];
    expect(written.map((record) => record && [record.key, record.partition])).toEqual([
      ['model/1', 3],
      null,
      ['model/2', 3],
      null,
    ]);
    expect(decodeMark(written[2]!.value!)).toEqual({
      ...{ sequence: 2, fromOffset: 150, modelVersion: 'v-b', runId: 'run', digest: 'b' },
    });
  });

  it('goes on after a restart: the same model is no other one', () => {
    const last = decodeMark(new ModelMarks('checkpoints', 0, null, 0).answered(model('a'), 50)!.value!);
    const marks = new ModelMarks('checkpoints', 0, last, 80);
    expect(marks.answered(model('a'), 90)).toBeNull();
    expect(decodeMark(marks.answered(model('b'), 95)!.value!)).toMatchObject({ sequence: 2, fromOffset: 90 });
  });

  it('is not taken from a mark beyond what is committed, nor from one that is damaged', () => {
    const mark = (sequence: number, fromOffset: number): ModelMark => ({
      ...{ sequence, fromOffset, modelVersion: 'v', runId: null, digest: String(sequence) },
    });
    expect(newestMark([mark(1, 0), mark(3, 90), mark(2, 50)], 60)?.sequence).toBe(2);
    expect(newestMark([mark(3, 90)], 60)).toBeNull();
    const bytes = new ModelMarks('checkpoints', 0, null, 0).answered(model('a'), 1)!.value!;
    bytes[bytes.length - 1] ^= 1;
    expect(decodeMark(bytes)).toBeNull();
  });
});
