import type { TopicPartition } from '../kafka/log.js';
import type { PartitionState } from './partition-state.js';
import { digestOf } from './state-digest.js';
import type { KeptState } from './state-keeper.js';

/** A partition of gpu.samples while this instance owns it. */
export interface Owned {
  readonly partition: TopicPartition;
  readonly state: PartitionState;
  /** Records before this offset were answered for already: they rebuild the state, silently. */
  readonly mutedUntil: number;
  /** Where its reading began. */
  readonly start: number;
  /** How it is written down; null where nothing would keep it. */
  readonly kept: KeptState | null;
  next: number;
}

/** What is said of partitions, by number: the next offset, GPUs with a window, and the digest as of that offset. */
export type PartitionStates = Record<number, { offset: number; gpus: number; digest?: string }>;

/** Nothing may be folded until it resolves where digests are asked for. */
export async function describe(owned: Iterable<Owned>, withDigest: boolean): Promise<PartitionStates> {
  const states: PartitionStates = {};
  for (const { partition, state, next } of [...owned])
    states[partition.partition] = {
      ...{ offset: next, gpus: state.windows.size },
      ...(withDigest ? { digest: await digestOf(state) } : {}),
    };
  return states;
}

/** Share of the records to be read muted that has been, 0 to 1. */
export function shareRestored(owned: Iterable<Owned>): number {
  let toRestore = 0;
  let restored = 0;
  for (const { mutedUntil, start, next } of owned) {
    // A partition that has come to speak counts on: the share would fall where it did not.
    const muted = Math.max(0, mutedUntil - start);
    toRestore += muted;
    restored += next < mutedUntil ? next - start : muted;
  }
  return restored < toRestore ? restored / toRestore : 1;
}
