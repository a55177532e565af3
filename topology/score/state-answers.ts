import { setTimeout as delay } from 'node:timers/promises';
import type { PartitionStates } from './owned.js';

/** Whoever asks for the state waits no longer than this for the end of a unit of work. */
const ANSWER_WITHIN_MS = 5_000;

/** Who asked for the state, and waits for a moment at which nothing is being folded. */
export class StateAnswers {
  private readonly asked: ((states: PartitionStates) => void)[] = [];

  /** @param describe with digests only where nothing is being folded */
  constructor(
    private readonly describe: (withDigest: boolean) => Promise<PartitionStates>,
    private readonly withinMs = ANSWER_WITHIN_MS,
  ) {}

  /** Resolves with the next {@link answer}; without digests if that does not come for long. */
  ask(): Promise<PartitionStates> {
    return new Promise((resolve, reject) => {
      this.asked.push(resolve);
      const answerLate = async (): Promise<void> => {
        await delay(this.withinMs, undefined, { ref: false });
        const index = this.asked.indexOf(resolve);
        if (index < 0) return;
        this.asked.splice(index, 1);
        resolve(await this.describe(false));
      };
      answerLate().catch(reject);
    });
  }

  /** Tells the state to those who asked for it. Nothing is being folded until it resolves. */
  async answer(): Promise<void> {
    const asked = this.asked.splice(0);
    if (asked.length === 0) return;
    const states = await this.describe(true);
    for (const resolve of asked) resolve(states);
  }
}
