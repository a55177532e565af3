/**
 * The fleet that the demo shows unless told otherwise. It is a chosen one: of 4,000 seeds, that whose 64 GPUs have most
 * defects that show by the end of the history and have not killed yet. Most fleets of that size have none.
 */
export const DEMO_FLEET = { gpus: 64, seed: 2460, historyDays: 8 } as const;
