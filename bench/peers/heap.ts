import { messageOf } from '../../schema/errors.js';
import { say } from '../support/say.js';
import type { Summary } from './compare.js';

const SIZES = ['4g', '2g', '1g', '768m', '512m', '384m', '256m'];
/** Share of the rate with the largest heap that a smaller one has to keep. */
const KEEPS = 0.95;

export interface HeapTried {
  readonly heap: string;
  /** null: it does not get to the end with so little. */
  readonly recordsPerSecond: number | null;
  readonly cpuMicrosPerRecord: number | null;
  readonly rssMb: number | null;
  readonly pssMb: number | null;
}

/** The smallest heap that keeps the rate, and the memory of the process with it: what a heap of plenty takes says little. */
export interface HeapFound {
  readonly heap: string;
  readonly rssMb: number;
  readonly pssMb: number;
  readonly tried: readonly HeapTried[];
}

/** @param sizes the largest first; tried until one no longer keeps the rate @throws Error where the first does not run */
export async function searchHeap(
  sizes: readonly string[] = SIZES,
  measure: (heap: string) => Promise<Summary>,
): Promise<HeapFound> {
  const tried: HeapTried[] = [];
  let best: { heap: string; rssMb: number; pssMb: number } | null = null;
  for (const heap of sizes) {
    let measured: Summary;
    try {
      measured = await measure(heap);
    } catch (error) {
      if (best === null) throw error;
      say(`-Xmx${heap}: ${messageOf(error).slice(0, 200)}`);
      tried.push({ heap, recordsPerSecond: null, cpuMicrosPerRecord: null, rssMb: null, pssMb: null });
      break;
    }
    const { recordsPerSecond, cpuMicrosPerRecord, rssMb, pssMb } = measured;
    tried.push({ heap, recordsPerSecond, cpuMicrosPerRecord, rssMb, pssMb });
    if (recordsPerSecond < KEEPS * tried[0].recordsPerSecond!) break;
    best = { heap, rssMb, pssMb };
  }
  return { ...best!, tried };
}
