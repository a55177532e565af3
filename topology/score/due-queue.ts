/**
 * GPUs that wait for the model while the role is behind, first come, first served, each once: what was due meanwhile
 * is due still, and the newest features answer for all of it.
 */
export class DueQueue {
  /** A ring of slots in the order they began to wait, and since when (wall clock, epoch ms). */
  private slots = new Int32Array(64);
  private sinceMs = new Float64Array(64);
  /** Numbers of the ring's first entry and of the one after its last; an entry's place is its number modulo the size. */
  private first = 0;
  private end = 0;
  /** By slot: bits of operators/due.ts that it waits for, 0 for none. */
  private due = new Uint8Array(0);
  /** By slot: number of the entry it waits with; other entries of the slot are left over from before it was pulled. */
  private entry = new Float64Array(0);
  /** By slot: its place among all that ever began to wait. */
  private order = new Float64Array(0);
  /** By slot: when it last had its turn (wall clock, epoch ms). */
  private turnMs = new Float64Array(0);
  private nextOrder = 0;
  private waiting = 0;

  /** GPUs that wait. */
  get length(): number {
    return this.waiting;
  }

  /**
   * @param order its place, where it began to wait in another process; {@link sort} is to be called then
   * @returns whether it waited already: then this due point takes the place of an older one
   */
  add(slot: number, due: number, nowMs: number, order = this.nextOrder): boolean {
    this.reserve(slot);
    const waited = this.due[slot] !== 0;
    this.due[slot] |= due;
    if (waited) return true;
    if (this.end - this.first === this.slots.length) this.makeRoom();
    const at = this.end & (this.slots.length - 1);
    this.slots[at] = slot;
    this.sinceMs[at] = nowMs;
    this.entry[slot] = this.end++;
    this.order[slot] = order;
    this.nextOrder = Math.max(this.nextOrder, order + 1);
    this.waiting++;
    return false;
  }

  /** Gives a GPU its turn, whether it waited or not. @returns what it waited for, 0 if it did not */
  turn(slot: number, nowMs: number): number {
    this.reserve(slot);
    this.turnMs[slot] = nowMs;
    return this.pull(slot);
  }

  /** When a GPU last had its turn, epoch ms; 0 for never. */
  turnOf(slot: number): number {
    return slot < this.turnMs.length ? this.turnMs[slot] : 0;
  }

  /** The slot becomes another GPU's. */
  forget(slot: number): void {
    this.pull(slot);
    if (slot < this.turnMs.length) this.turnMs[slot] = 0;
  }

  /** Ends a GPU's wait, its turn or not. @returns what it waited for, 0 if it did not wait */
  pull(slot: number): number {
    if (this.waiting === 0 || slot >= this.due.length) return 0;
    const due = this.due[slot];
    if (due === 0) return 0;
    this.due[slot] = 0;
    this.waiting--;
    return due;
  }

  /** What a GPU waits for, 0 if it does not wait. */
  dueOf(slot: number): number {
    return slot < this.due.length ? this.due[slot] : 0;
  }

  /** Since when a GPU waits that does, epoch ms. */
  sinceOf(slot: number): number {
    return this.sinceMs[this.placeOf(this.entry[slot])];
  }

  /** Place of a GPU that waits among all that ever began to. */
  orderOf(slot: number): number {
    return this.order[slot];
  }

  /** Puts those that wait in the order in which they began to, after they were added in another one. */
  sort(): void {
    const waiting: { slot: number; due: number; sinceMs: number }[] = [];
    for (let slot = this.head(); slot >= 0; slot = this.head()) {
      const sinceMs = this.oldestMs();
      waiting.push({ slot, due: this.pull(slot), sinceMs });
    }
    waiting.sort((a, b) => this.order[a.slot] - this.order[b.slot]);
    for (const { slot, due, sinceMs } of waiting) this.add(slot, due, sinceMs, this.order[slot]);
  }

  /** The GPU that has waited longest; −1 if none waits. */
  head(): number {
    for (; this.first < this.end; this.first++)
      if (this.isValid(this.first)) return this.slots[this.placeOf(this.first)];
    return -1;
  }

  /** Since when the longest wait lasts, epoch ms; NaN if nothing waits. */
  oldestMs(): number {
    return this.head() < 0 ? NaN : this.sinceMs[this.placeOf(this.first)];
  }

  private placeOf(entry: number): number {
    return entry & (this.slots.length - 1);
  }

  private isValid(entry: number): boolean {
    const slot = this.slots[this.placeOf(entry)];
    return this.due[slot] !== 0 && this.entry[slot] === entry;
  }

  private reserve(slot: number): void {
    if (slot < this.due.length) return;
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(slot + 1)));
    const [due, entry, order] = [new Uint8Array(capacity), new Float64Array(capacity), new Float64Array(capacity)];
    const turnMs = new Float64Array(capacity);
    turnMs.set(this.turnMs);
    this.turnMs = turnMs;
    due.set(this.due);
    entry.set(this.entry);
    order.set(this.order);
    this.order = order;
    this.due = due;
    this.entry = entry;
  }

  /** Leaves out entries that no one waits with any more, and makes the ring twice as large as what is left. */
  private makeRoom(): void {
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(2 * (this.waiting + 1))));
    const [slots, sinceMs] = [new Int32Array(capacity), new Float64Array(capacity)];
    let kept = 0;
    for (let old = this.first; old < this.end; old++) {
      if (!this.isValid(old)) continue;
      const slot = this.slots[this.placeOf(old)];
      slots[kept] = slot;
      sinceMs[kept] = this.sinceMs[this.placeOf(old)];
      this.entry[slot] = kept++;
    }
    this.slots = slots;
    this.sinceMs = sinceMs;
    this.first = 0;
    this.end = kept;
  }
}

/** Of the time allowed, that in which all waiting GPUs have had their turn, and the next unit of work too. */
const SHARE_OF_STALENESS = 0.8;

/**
 * How many of the waiting GPUs a unit of work scores. The waiting ones take turns at a rate at which each has its turn a
 * little before the time allowed is over, so that freshness falls evenly and by no more than that, and the rest of the
 * time goes to catching up. A unit takes a while itself: who begins to wait while it is under way is looked at when it
 * is done, so where units are long turns come faster, up to all of them with each unit.
 *
 * @param waiting GPUs that wait
 * @param elapsedMs wall-clock time since the last unit began
 * @param maxStalenessMs score.maxStalenessMs
 */
export function turnsOf(waiting: number, elapsedMs: number, maxStalenessMs: number): number {
  const roundMs = SHARE_OF_STALENESS * maxStalenessMs - elapsedMs;
  return elapsedMs < roundMs ? Math.ceil((waiting * Math.max(0, elapsedMs)) / roundMs) : waiting;
}
