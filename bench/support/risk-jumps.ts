import { setTimeout as delay } from 'node:timers/promises';
import { logOdds } from '../../operators/emission.js';

/** A GPU whose risk jumped, as somebody saw it who asked for its prediction over HTTP. */
export interface Jump {
  /** From the sending of the reading to the answer that knew of it, ms. */
  readonly latencyMs: number;
  /** Rise of the log-odds of failure within 30 days. */
  readonly rise: number;
}

const ASK_EVERY_MS = 10;
const TIMEOUT_MS = 20_000;

interface Prediction {
  readonly as_of: string;
  readonly failure_prob_30d: number;
}

export async function predictionOf(url: string, gpuUuid: string): Promise<Prediction | null> {
  const response = await fetch(`${url}/predictions/${gpuUuid}`);
  return response.ok ? ((await response.json()) as Prediction) : null;
}

/**
 * Asks for a GPU's prediction again and again until one knows of a reading.
 * @param sentMs when the reading was sent; asked for only then
 * @returns null where none came
 */
export async function awaitJump(
  url: string,
  gpuUuid: string,
  eventTimeMs: number,
  before: Prediction,
  sentMs: () => number,
): Promise<Jump | null> {
  const until = Date.now() + TIMEOUT_MS;
  while (Date.now() < until) {
    const now = await predictionOf(url, gpuUuid);
    if (now !== null && Date.parse(now.as_of) >= eventTimeMs)
      return {
        latencyMs: performance.timeOrigin + performance.now() - sentMs(),
        rise: logOdds(now.failure_prob_30d) - logOdds(before.failure_prob_30d),
      };
    await delay(ASK_EVERY_MS);
  }
  return null;
}
