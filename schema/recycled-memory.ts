/** Less than this is left to Node's own pool: it costs next to nothing. */
const LEAST_BYTES = 64 * 1024;
/** Capacities are multiples of this, so that what is of about one size fits what one of them left. */
const STEP_BYTES = 256 * 1024;

/** Who a piece of memory goes back to, and how many still look at it. */
interface Lease {
  readonly owner: RecycledMemory;
  holders: number;
}

/** By the memory itself: whoever looks at it has a view, and may have it through a library. */
const leases = new WeakMap<ArrayBufferLike, Lease>();

/**
 * Large pieces of memory outside V8's heap, used again when nobody looks at them any more. At full speed brokers'
 * answers and what is written of them are, by reckoning, two hundred megabytes a second: as new memory, the kernel
 * clears it page by page, and V8, which sees memory outside its heap grow so fast, marks the whole heap again and again.
 *
 * Whoever forgets to {@link release} loses nothing: what is not released is garbage like any other buffer.
 */
export class RecycledMemory {
  private readonly free: Buffer[] = [];
  private freeBytes = 0;

  /** @param maxFreeBytes most that is kept while nobody needs it */
  constructor(private readonly maxFreeBytes: number) {}

  /** A buffer of so many bytes, whose contents are whatever lay there. */
  take(size: number): Buffer {
    if (size < LEAST_BYTES) return Buffer.allocUnsafe(size);
    let best = -1;
    for (let index = 0; index < this.free.length; index++) {
      const { length } = this.free[index];
      if (length >= size && (best < 0 || length < this.free[best].length)) best = index;
    }
    if (best >= 0) {
      const [memory] = this.free.splice(best, 1);
      this.freeBytes -= memory.length;
      return memory.subarray(0, size);
    }
    const memory = Buffer.allocUnsafeSlow(Math.ceil(size / STEP_BYTES) * STEP_BYTES);
    leases.set(memory.buffer, { owner: this, holders: 0 });
    return memory.subarray(0, size);
  }

  /** All of it is free again; where that is too much, the smallest go first. */
  private giveBack(memory: ArrayBufferLike): void {
    this.free.push(Buffer.from(memory as ArrayBuffer));
    this.freeBytes += memory.byteLength;
    while (this.freeBytes > this.maxFreeBytes) {
      const smallest = this.free.reduce(
        (least, { length }, index) => (length < this.free[least].length ? index : least),
        0,
      );
      this.freeBytes -= this.free.splice(smallest, 1)[0].length;
    }
  }

  /** @param bytes a view of it, looked at until as many releases have followed */
  static hold(bytes: Buffer): void {
    const lease = leases.get(bytes.buffer);
    if (lease !== undefined) lease.holders++;
  }

  /** Ends one {@link hold}: after the last one something else may be written there. */
  static release(bytes: Buffer): void {
    const lease = leases.get(bytes.buffer);
    if (lease !== undefined && --lease.holders === 0) lease.owner.giveBack(bytes.buffer);
  }
}
