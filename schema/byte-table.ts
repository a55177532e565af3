/** Room at first; grows by doubling, kept at most half full. */
const INITIAL_SLOTS = 1024;
const INITIAL_BYTES = 32 * 1024;

/**
 * Numbers byte strings in the order in which they are first met: what comes again and again (UUIDs, host names, label
 * sets) is found by its bytes, without a string.
 */
export class ByteTable {
  /** Id + 1 by hash, open addressing; 0 where there is none. */
  private slots = new Int32Array(INITIAL_SLOTS);
  private hashes = new Int32Array(INITIAL_SLOTS / 2);
  /** Where an id's bytes end in `bytes`; they begin where those of the id before end. */
  private ends = new Uint32Array(INITIAL_SLOTS / 2);
  private bytes = new Uint8Array(INITIAL_BYTES);
  private view = new DataView(this.bytes.buffer);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** @returns the id of `text[start, end)`, −1 where it was not put in yet */
  find(text: Uint8Array, start: number, end: number): number {
    return this.slots[this.slotOf(text, start, end, hashOf(text, start, end))] - 1;
  }

  /** Puts in what {@link find} did not find. @returns its id */
  insert(text: Uint8Array, start: number, end: number): number {
    if (this.count === this.hashes.length) this.grow();
    const id = this.count++;
    const at = id === 0 ? 0 : this.ends[id - 1];
    const length = end - start;
    if (at + length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, at + length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    for (let i = 0; i < length; i++) this.bytes[at + i] = text[start + i];
    this.ends[id] = at + length;
    this.hashes[id] = hashOf(text, start, end);
    this.slots[this.slotOf(text, start, end, this.hashes[id])] = id + 1;
    return id;
  }

  /**
   * Whether an id's bytes stand in a text: quicker than to find them, where one knows what is likely to come.
   * @returns where they end, −1 where they do not stand there
   */
  endIn(id: number, text: DataView, start: number): number {
    const { view, ends } = this;
    let at = id === 0 ? 0 : ends[id - 1];
    const last = start + ends[id] - at;
    if (last > text.byteLength) return -1;
    let i = start;
    for (; i + 4 <= last; i += 4, at += 4) if (text.getInt32(i, true) !== view.getInt32(at, true)) return -1;
    for (; i < last; i++, at++) if (text.getUint8(i) !== view.getUint8(at)) return -1;
    return last;
  }

  clear(): void {
    this.slots = new Int32Array(INITIAL_SLOTS);
    this.hashes = new Int32Array(INITIAL_SLOTS / 2);
    this.ends = new Uint32Array(INITIAL_SLOTS / 2);
    this.bytes = new Uint8Array(INITIAL_BYTES);
    this.view = new DataView(this.bytes.buffer);
    this.count = 0;
  }

  /** Slot that holds a text, or the free one where it belongs. */
  private slotOf(text: Uint8Array, start: number, end: number, hash: number): number {
    const { slots, hashes, ends, bytes } = this;
    const mask = slots.length - 1;
    const length = end - start;
    search: for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] - 1;
      if (id < 0) return slot;
      if (hashes[id] !== hash) continue;
      const at = id === 0 ? 0 : ends[id - 1];
      if (ends[id] - at !== length) continue;
      for (let i = 0; i < length; i++) if (bytes[at + i] !== text[start + i]) continue search;
      return slot;
    }
  }

  private grow(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.count; id++) {
      let slot = this.hashes[id] & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.slots = slots;
    const hashes = new Int32Array(slots.length / 2);
    hashes.set(this.hashes);
    this.hashes = hashes;
    const ends = new Uint32Array(slots.length / 2);
    ends.set(this.ends);
    this.ends = ends;
  }
}

/** FNV-1a, its upper bits folded into the lower ones that address a slot. */
function hashOf(text: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

/**
 * What comes again and again, mostly in the same order, found by its bytes: the same value each time, made once. What came
 * after the one before it last is looked at first, which spares a hash of all its bytes.
 */
export class Interned<T> {
  private readonly table = new ByteTable();
  private values: T[] = [];
  /** By id: what came after it last. */
  private next: number[] = [];
  private last = 0;
  private viewed: Buffer | undefined;
  private view: DataView = new DataView(new ArrayBuffer(0));

  /**
   * @param most values that are remembered; beyond it all are forgotten and learned anew
   * @param make makes the value of `bytes[start, end)`
   */
  constructor(
    private readonly most: number,
    private readonly make: (bytes: Buffer, start: number, end: number) => T,
  ) {}

  get size(): number {
    return this.values.length;
  }

  /** Forgets all values: they are learned anew. */
  clear(): void {
    this.table.clear();
    this.values = [];
    this.next = [];
    this.last = 0;
  }

  /** The value of `bytes[start, end)`. */
  of(bytes: Buffer, start: number, end: number): T {
    if (bytes !== this.viewed) {
      this.viewed = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    if (this.values.length > 0) {
      const likely = this.next[this.last];
      if (this.table.endIn(likely, this.view, start) === end) {
        this.last = likely;
        return this.values[likely];
      }
    }
    let id = this.table.find(bytes, start, end);
    if (id < 0) {
      const value = this.make(bytes, start, end);
      if (this.values.length >= this.most) this.clear();
      id = this.table.insert(bytes, start, end);
      this.values.push(value);
      this.next.push(0);
    }
    this.next[this.last] = id;
    this.last = id;
    return this.values[id];
  }
}

/** Texts by their UTF-8 bytes. @param most as {@link Interned} has it */
export function internedTexts(most: number): Interned<string> {
  return new Interned(most, (bytes, start, end) => bytes.toString('utf8', start, end));
}
