/**
 * Hours of GPUs whose panes were put back as gpu.panes has them, while readings of these hours may be folded once more:
 * what was recorded stays, for the source may not have all of an hour's readings any longer.
 */
export class FinalHours {
  private readonly bySlot = new Map<number, { first: number; last: number }>();

  get size(): number {
    return this.bySlot.size;
  }

  slots(): IterableIterator<number> {
    return this.bySlot.keys();
  }

  /** Newest recorded hour of a GPU, −Infinity where there is none. */
  last(slot: number): number {
    return this.bySlot.get(slot)?.last ?? -Infinity;
  }

  /** Whether an hour lies among those recorded: it was counted, and its pane is in the ring. */
  has(slot: number, hour: number): boolean {
    const hours = this.bySlot.get(slot);
    return hours !== undefined && hour >= hours.first && hour <= hours.last;
  }

  /** Takes an hour later than those before. */
  add(slot: number, hour: number): void {
    const hours = this.bySlot.get(slot);
    if (hours === undefined) this.bySlot.set(slot, { first: hour, last: hour });
    else hours.last = hour;
  }

  forget(slot: number): void {
    this.bySlot.delete(slot);
  }

  clear(): void {
    this.bySlot.clear();
  }
}
