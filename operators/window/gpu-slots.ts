/** A UUID as a string, and its entry in the map: as V8 lays them out, about. */
const UUID_BYTES = 16 + 40 + 40;

/** Which GPU has which slot, a number from 0 on; slots of GPUs that have gone are given to others. */
export class GpuSlots {
  private readonly uuids: (string | undefined)[] = [];
  private readonly byUuid = new Map<string, number>();
  private readonly freed: number[] = [];
  /** By slot: the one that was asked for after it, and the one asked for last. */
  private readonly next: number[] = [0];
  private last = 0;

  /** GPUs that have one. */
  get size(): number {
    return this.byUuid.size;
  }

  /** Slots there have been; those without a GPU among them. */
  get length(): number {
    return this.uuids.length;
  }

  /** Slots by GPU, in the order in which they were given. */
  get all(): ReadonlyMap<string, number> {
    return this.byUuid;
  }

  get bytes(): number {
    return this.size * UUID_BYTES + 8 * (2 * this.uuids.length + this.freed.length);
  }

  /** @returns −1 where it has none */
  find(gpuUuid: string): number {
    // Collectors send GPUs in the same order again and again: comparing with the one expected spares looking it up.
    const expected = this.next[this.last];
    if (this.uuids[expected] === gpuUuid) return (this.last = expected);
    const slot = this.byUuid.get(gpuUuid);
    return slot === undefined ? -1 : this.follow(slot);
  }

  /** What came after the slot that was asked for last. */
  follow(slot: number): number {
    this.next[this.last] = slot;
    return (this.last = slot);
  }

  /** Of a GPU that has none. */
  add(gpuUuid: string): number {
    const slot = this.freed.pop() ?? this.uuids.length;
    this.uuids[slot] = gpuUuid;
    this.next[slot] = 0;
    this.byUuid.set(gpuUuid, slot);
    return slot;
  }

  /** Of a slot that a GPU has. */
  uuidOf(slot: number): string {
    return this.uuids[slot]!;
  }

  free(slot: number): void {
    this.byUuid.delete(this.uuids[slot]!);
    this.uuids[slot] = undefined;
    this.freed.push(slot);
  }
}
