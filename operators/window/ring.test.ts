import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { P, PANE_FIELDS, V2_WIDTH } from './pane-layout.js';
import { Ring, WINDOW_HOURS } from './ring.js';
import { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const positionOf = (hour: number): number => new Ring(1, 'v1').positionOf(hour);

/** A pane that may hold anything: none, few or far too many of what is counted. */
const pane = fc
  .tuple(
    fc.integer({ min: 1, max: 70_000 }),
    fc.array(fc.oneof(fc.nat(20), fc.integer({ min: 200, max: 70_000 }), fc.constant(0)), {
      minLength: V2_WIDTH,
      maxLength: V2_WIDTH,
    }),
  )
  .map(([samples, numbers]) => {
    const vector = Float64Array.from(numbers);
    PANE_FIELDS.forEach((field, index) => {
      if (field.storage === 'readings') vector[index] = Math.max(0, samples - numbers[index]);
    });
    vector[P.samples] = samples;
    return vector;
  });

const SLOTS = 2;
const cellOf = (slot: number, hour: number): number => slot * WINDOW_HOURS + positionOf(hour);
const hours = { min: 490_000, max: 490_000 + 2 * WINDOW_HOURS };

describe('the ring of closed panes', () => {
  it('gives back every whole number exactly, whatever its size, and sums and copies of it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(SLOTS - 1), fc.integer(hours), pane), { maxLength: 40 }), (writes) => {
        const ring = new Ring(SLOTS, 'v2');
        for (let slot = 0; slot < SLOTS; slot++) ring.clearAll(slot);
        const model = new Map<number, Float64Array>();
        for (const [slot, hour, vector] of writes) {
          ring.write(slot, hour, vector);
          model.set(cellOf(slot, hour), vector);
        }
        const scratch = new Float64Array(WINDOW_HOURS);
        for (let slot = 0; slot < SLOTS; slot++) {
          const first = slot * WINDOW_HOURS;
          const expected = (field: number): number[] =>
            Array.from(
              { length: WINDOW_HOURS },
              (_, index) => model.get(first + index)?.[field] ?? PANE_FIELDS[field].empty,
            );
          for (let field = 0; field < V2_WIDTH; field++) {
            const values = expected(field);
            ring.read(field, slot, ring.runs(0, WINDOW_HOURS), scratch);
            expect([...scratch]).toEqual(values);
            expect(values.map((_, index) => ring.get(field, slot, index))).toEqual(values);
            const sum = values.reduce((total, value) => total + value, 0);
            if (Number.isFinite(sum)) expect(ring.sum(field, slot, ring.runs(0, WINDOW_HOURS), scratch)).toBe(sum);
          }
        }
      }),
      { numRuns: propertyRuns(50) },
    );
  });

  it('empties the hours that are cleared and no others', () => {
    fc.assert(
      fc.property(fc.integer(hours), fc.integer({ min: 0, max: 200 }), pane, (from, count, vector) => {
        const ring = new Ring(SLOTS, 'v2');
        for (let slot = 0; slot < SLOTS; slot++)
          for (let hour = 0; hour < WINDOW_HOURS; hour++) ring.write(slot, hour, vector);
        ring.clear(1, from, from + count);
        const cleared = new Set(Array.from({ length: count }, (_, index) => cellOf(1, from + index)));
        for (let cell = 0; cell < SLOTS * WINDOW_HOURS; cell++)
          expect(
            PANE_FIELDS.map((_, field) => ring.get(field, Math.floor(cell / WINDOW_HOURS), cell % WINDOW_HOURS)),
          ).toEqual(cleared.has(cell) ? PANE_FIELDS.map(({ empty }) => empty) : [...vector]);
      }),
      { numRuns: propertyRuns(20) },
    );
  });

  it('runs through the hours of a window in their order', () => {
    for (const from of [0, 100, 167, -30]) {
      const seen: [number, number][] = [];
      for (const { position, count, hour } of new Ring(1, 'v1').runs(from, from + WINDOW_HOURS))
        for (let index = 0; index < count; index++) seen.push([position + index, hour + index]);
      expect(seen).toEqual(
        Array.from({ length: WINDOW_HOURS }, (_, index) => [positionOf(from + index), from + index]),
      );
    }
  });

  it('takes memory for the days that have panes, and no more once it is put back', () => {
    const written = (days: number): Ring => {
      const ring = new Ring(SLOTS, 'v2');
      const vector = Float64Array.from(PANE_FIELDS, ({ empty }, field) => (field === P.samples ? 360 : empty));
      for (let hour = 0; hour < 24 * days; hour++) ring.write(0, 24 * 20_000 + hour, vector);
      return ring;
    };
    const none = written(0).bytes;
    const day = written(1).bytes - none;
    expect(day).toBeGreaterThan(0);
    for (let days = 2; days <= 7; days++) expect(written(days).bytes).toBe(none + days * day);
    // The window goes on: what comes takes the place of what leaves.
    expect(written(9).bytes).toBe(none + 7 * day);

    const writer = new ByteWriter();
    const ring = written(2);
    ring.encode(0, writer);
    const copy = new Ring(SLOTS, 'v2');
    copy.decode(1, new ByteReader(writer.take()));
    expect(copy.bytes).toBe(none + 2 * day);
    for (let field = 0; field < V2_WIDTH; field++)
      for (let position = 0; position < WINDOW_HOURS; position++)
        expect(copy.get(field, 1, position)).toBe(ring.get(field, 0, position));
  });
});
