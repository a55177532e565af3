import type { Scorer } from '../../models/scorer.js';
import { BEGINNING, keyOf, type TopicPartition, type TopicPartitionOffset } from '../kafka/log.js';
import type { Readiness } from '../roles/role.js';
import { describe, shareRestored, type Owned, type PartitionStates } from './owned.js';
import type { PartitionState } from './partition-state.js';
import { ROW_BYTES } from './rows.js';
import type { Kept, StateKeeper } from './state-keeper.js';

/** The partitions of gpu.samples that this instance owns, each with its state. */
export class OwnedPartitions {
  private readonly owned = new Map<string, Owned>();
  private assignedOnce = false;
  private keeper: StateKeeper | null = null;

  constructor(
    private readonly makeState: () => PartitionState,
    private readonly stopping: () => boolean,
  ) {}

  /** States are brought back, and written down, by this; without one they begin empty. */
  keepBy(keeper: StateKeeper): void {
    this.keeper = keeper;
  }

  get size(): number {
    return this.owned.size;
  }

  /** Whether states are being brought back: nothing is read until that is done. */
  get isRestoring(): boolean {
    return !Number.isNaN(this.keeper?.share ?? NaN);
  }

  values(): Iterable<Owned> {
    return this.owned.values();
  }

  of(partition: TopicPartition): Owned | undefined {
    return this.owned.get(keyOf(partition));
  }

  /** @returns where to begin reading */
  async assign(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]> {
    this.release(partitions);
    const done = new Map(committed.map((position) => [keyOf(position), position.offset]));
    const kept = await this.keeper?.restore(partitions, committed);
    // Told to stop meanwhile: of what is not owned, nothing is worked on.
    if (this.stopping()) return [];
    for (const partition of partitions) {
      const key = keyOf(partition);
      const one = kept?.get(key) ?? null;
      const start = one?.offset ?? 0;
      this.owned.set(key, {
        partition,
        state: one?.state ?? this.makeState(),
        kept: one,
        mutedUntil: done.get(key) ?? 0,
        start,
        next: start,
      });
      one?.cameTo(start);
    }
    this.assignedOnce = true;
    // Without a checkpoint, windows are rebuilt from as much of the log as there is.
    return partitions.map((partition) => ({
      ...partition,
      offset: kept?.get(keyOf(partition))?.offset ?? BEGINNING,
    }));
  }

  release(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.owned.delete(keyOf(partition));
  }

  /** As {@link StateKeeper.records}, of a partition's state as of an offset; null where nothing keeps it. */
  async records(position: TopicPartitionOffset, scorer: Scorer, isLast: boolean): Promise<Kept | null> {
    const kept = this.of(position)?.kept;
    return kept ? this.keeper!.records(kept, position, scorer, isLast) : null;
  }

  readiness(): Readiness {
    const restoring = (share: number): Readiness => ({
      ready: false,
      detail: `restoring windows: ${Math.floor(100 * share)} %`,
    });
    if (this.isRestoring) return restoring(this.keeper!.share);
    if (!this.assignedOnce) return { ready: false, detail: 'waiting for partitions' };
    const restored = shareRestored(this.owned.values());
    if (restored < 1) return restoring(restored);
    return { ready: true, detail: `${this.owned.size} partitions` };
  }

  /** As {@link describe}. */
  describe(withDigest: boolean): Promise<PartitionStates> {
    return describe(this.owned.values(), withDigest);
  }

  /** The next offset to read of each. */
  positions(): TopicPartitionOffset[] {
    return [...this.owned.values()].map(({ partition, next }) => ({ ...partition, offset: next }));
  }

  /** Rows on their way to the model. */
  get rows(): number {
    let rows = 0;
    for (const { state } of this.owned.values()) rows += state.rows.count;
    return rows;
  }

  /** What they take. */
  get rowBytes(): number {
    return this.rows * ROW_BYTES;
  }

  /** GPUs with a window. */
  get gpus(): number {
    let gpus = 0;
    for (const { state } of this.owned.values()) gpus += state.windows.size;
    return gpus;
  }

  /** The same, and what the windows take, bytes. */
  windows(): { readonly gpus: number; readonly bytes: number } {
    let bytes = 0;
    for (const { state } of this.owned.values()) bytes += state.windows.bytes;
    return { gpus: this.gpus, bytes };
  }
}
