import { messageOf } from '../../schema/errors.js';
import { say } from '../support/say.js';
import { significant } from '../support/statistics.js';
import type { Outcome } from './compare.js';

const SIZES = ['4g', '2g', '1g', '768m', '512m', '384m', '256m'];
/** Share of the rate with the largest heap that a smaller one has to keep. */
const KEEPS = 0.95;

export interface HeapTried {
  readonly heap: string;
  /** null: it does not get to the end with so little. */
  readonly recordsPerSecond: number | null;
  readonly cpuMicrosPerRecord: number | null;
  readonly rssMb: number | null;
}

/** The smallest heap that keeps the rate, and the memory of the process with it: what a heap of plenty takes says little. */
export interface HeapFound {
  readonly heap: string;
  readonly rssMb: number;
  readonly tried: readonly HeapTried[];
}

/** @param sizes the largest first; tried until one no longer keeps the rate @throws Error where the first does not run */
export async function searchHeap(
  sizes: readonly string[] = SIZES,
  measure: (heap: string) => Promise<Outcome>,
): Promise<HeapFound> {
  const tried: HeapTried[] = [];
  let best: { heap: string; rssMb: number } | null = null;
  for (const heap of sizes) {
    let outcome: Outcome;
    try {
      outcome = await measure(heap);
    } catch (error) {
      if (best === null) throw error;
      say(`-Xmx${heap}: ${messageOf(error).slice(0, 200)}`);
      tried.push({ heap, recordsPerSecond: null, cpuMicrosPerRecord: null, rssMb: null });
      break;
    }
    const { steady } = outcome;
    tried.push({
      heap,
      recordsPerSecond: significant(steady.perSecond),
      cpuMicrosPerRecord: significant(steady.cpuMicros),
      rssMb: Math.round(outcome.rssMb),
    });
    if (steady.perSecond < KEEPS * tried[0].recordsPerSecond!) break;
    best = { heap, rssMb: Math.round(outcome.rssMb) };
  }
  return { ...best!, tried };
}
