import { describe, expect, it } from 'vitest';
import { AvroWriter } from './avro-bytes.js';
import { RecycledMemory } from './recycled-memory.js';

const SIZE = 300_000;

/** The memory that a view lies in. */
const under = (view: Buffer): ArrayBufferLike => view.buffer;

describe('RecycledMemory', () => {
  it('uses memory again when all who hold a part of it have released theirs', () => {
    const memory = new RecycledMemory(10_000_000);
    const first = memory.take(SIZE);
    const parts = [first.subarray(10, 20), first.subarray(20, 30)];
    for (const part of parts) RecycledMemory.hold(part);
    RecycledMemory.release(parts[0]);
    expect(under(memory.take(SIZE))).not.toBe(under(first));
    RecycledMemory.release(parts[1]);
    const again = memory.take(SIZE - 1_000);
    expect(under(again)).toBe(under(first));
    expect(again).toHaveLength(SIZE - 1_000);
    expect(under(memory.take(SIZE))).not.toBe(under(first));
  });

  it('takes the smallest that is large enough', () => {
    const memory = new RecycledMemory(10_000_000);
    const sizes = [1_000_000, 250_000, 700_000];
    const all = sizes.map((size) => memory.take(size));
    for (const one of all) RecycledMemory.hold(one);
    for (const one of all) RecycledMemory.release(one);
    expect(under(memory.take(500_000))).toBe(under(all[2]));
    expect(under(memory.take(500_000))).toBe(under(all[0]));
    expect(under(memory.take(200_000))).toBe(under(all[1]));
  });

  it('keeps no more than it may', () => {
    const memory = new RecycledMemory(1_400_000);
    const [small, large] = [memory.take(SIZE), memory.take(1_000_000)];
    for (const one of [large, small]) RecycledMemory.hold(one);
    for (const one of [large, small]) RecycledMemory.release(one);
    expect(under(memory.take(SIZE))).toBe(under(large));
    expect(under(memory.take(SIZE))).not.toBe(under(small));
  });

  it('leaves small answers, and memory that is not its own, alone', () => {
    const memory = new RecycledMemory(10_000_000);
    for (const bytes of [memory.take(100), Buffer.allocUnsafeSlow(SIZE)]) {
      RecycledMemory.hold(bytes);
      RecycledMemory.release(bytes);
      expect(under(memory.take(bytes.length))).not.toBe(under(Buffer.allocUnsafeSlow(1)));
    }
    const never = memory.take(SIZE);
    expect(under(memory.take(SIZE))).not.toBe(under(never));
  });
});

describe('AvroWriter', () => {
  /** Messages of so many bytes each, and more than one piece of memory holds. */
  function written(writer: AvroWriter, bytes: number, fill: number): Buffer[] {
    return Array.from({ length: 1_000 }, (_, index) => {
      writer.begin(Buffer.of(fill));
      writer.raw(Buffer.alloc(bytes + index, fill));
      return writer.take();
    });
  }

  it('takes the memory of messages again when they were released, and not before', () => {
    const memory = new RecycledMemory(10_000_000);
    const [first, second] = [new AvroWriter(memory), new AvroWriter(memory)];
    const ones = written(first, 700, 1);
    const twos = written(second, 700, 2);
    const used = new Set([...ones, ...twos].map(under));
    expect(used.size).toBeGreaterThan(4);
    first.release();
    for (const three of written(first, 700, 3)) expect(ones.map(under)).toContain(under(three));
    expect(twos.every((two) => two.every((byte) => byte === 2))).toBe(true);
  });

  it('goes on after a release as a new one does', () => {
    const writer = new AvroWriter();
    // As text: comparing half a million bytes one by one takes seconds.
    const before = written(writer, 10, 1).map((message) => message.toString('hex'));
    writer.release();
    expect(written(writer, 10, 1).map((message) => message.toString('hex'))).toEqual(before);
  });
});
