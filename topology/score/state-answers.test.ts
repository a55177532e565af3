import { describe, expect, it } from 'vitest';
import { StateAnswers } from './state-answers.js';

const answersOf = (withinMs?: number) => {
  const asked: boolean[] = [];
  const answers = new StateAnswers((withDigest) => {
    asked.push(withDigest);
    return Promise.resolve({ 0: { offset: 7, gpus: 1, ...(withDigest ? { digest: 'a' } : {}) } });
  }, withinMs);
  return { answers, asked };
};

describe('who asks for the state', () => {
  it('is answered between two units of work, all at once, each once', async () => {
    const { answers, asked } = answersOf();
    const both = Promise.all([answers.ask(), answers.ask()]);
    await answers.answer();
    await answers.answer();
    expect(await both).toEqual([
      { 0: { offset: 7, gpus: 1, digest: 'a' } },
      { 0: { offset: 7, gpus: 1, digest: 'a' } },
    ]);
    expect(asked).toEqual([true]);
  });

  it('gets no digest where no unit comes to its end for long', async () => {
    const { answers, asked } = answersOf(0);
    expect(await answers.ask()).toEqual({ 0: { offset: 7, gpus: 1 } });
    await answers.answer();
    expect(asked).toEqual([false]);
  });
});
