import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../schema/clock.js';
import { decision, health, NOW_MS, prediction } from '../test/fixtures/fleet-records.js';
import { formatCursor, ORDERS, parseCursor, SORTS, type Order, type Position, type Sort } from './fleet-order.js';
import { FleetView } from './fleet-view.js';

const sorts = fc.constantFrom(...SORTS);
const orders = fc.constantFrom(...ORDERS);
/** Few distinct figures, so that ties are common; null: a GPU without the record. */
const figures = fc.array(fc.option(fc.integer({ min: 0, max: 5 })), { minLength: 0, maxLength: 40 });
const name = (index: number): string => `GPU-${index}`;

function set(view: FleetView, index: number, figure: number | null, asOfMs = NOW_MS): void {
  // Known by its health alone where there is no figure to sort by.
  view.apply('health', health(name(index)));
  if (figure === null) return;
  view.apply('predictions', prediction(name(index), { failure_prob_30d: figure / 10 }, asOfMs));
  view.apply('decisions', decision(name(index), { expected_value: figure * 1000 - 2000 }, asOfMs));
}

function walk(
  view: FleetView,
  sort: Sort,
  order: Order,
  limit: number,
  between: () => void = () => undefined,
): string[] {
  const met: string[] = [];
  let after: Position | null = null;
  do {
    const { states, next } = view.page(sort, order, after, limit);
    met.push(...states.map(({ gpuUuid }) => gpuUuid));
    after = next === null ? null : parseCursor(formatCursor(next, sort, order), sort, order);
    expect(after === null).toBe(next === null);
    between();
  } while (after !== null);
  return met;
}

describe('pages of the fleet', () => {
  it('show every GPU once, sorted, those without the figure last', () => {
    fc.assert(
      fc.property(figures, sorts, orders, fc.integer({ min: 1, max: 7 }), (drawn, sort, order, limit) => {
        const view = new FleetView(new ManualClock(NOW_MS));
        drawn.forEach((figure, index) => set(view, index, figure));
        const direction = order === 'asc' ? 1 : -1;
        const expected = drawn
          .map((figure, index) => ({ figure, uuid: name(index) }))
          .sort((a, b) => {
            if (a.figure === b.figure) return a.uuid < b.uuid ? -1 : 1;
            if (a.figure === null) return 1;
            return b.figure === null ? -1 : direction * (a.figure - b.figure);
          });
        expect(walk(view, sort, order, limit)).toEqual(expected.map(({ uuid }) => uuid));
      }),
    );
  });

  it('show a GPU that keeps its figure once, whatever comes and moves between pages', () => {
    const change = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(
        figures,
        sorts,
        orders,
        fc.integer({ min: 1, max: 5 }),
        fc.array(change),
        (drawn, sort, order, limit, changes) => {
          const view = new FleetView(new ManualClock(NOW_MS));
          drawn.forEach((figure, index) => set(view, index, figure));
          const moved = new Set<string>();
          let asOfMs = NOW_MS;
          const met = walk(view, sort, order, limit, () => {
            const next = changes.pop();
            if (next === undefined) return;
            set(view, next[0], next[1], ++asOfMs);
            moved.add(name(next[0]));
          });
          const kept = drawn.map((_, index) => name(index)).filter((uuid) => !moved.has(uuid));
          for (const uuid of kept) expect(met.filter((each) => each === uuid)).toHaveLength(1);
        },
      ),
    );
  });
});

describe('parseCursor', () => {
  it('refuses the cursor of another order', () => {
    const cursor = formatCursor({ key: 0.5, gpuUuid: 'GPU-1' }, 'risk', 'desc');
    expect(parseCursor(cursor, 'risk', 'desc')).toEqual({ key: 0.5, gpuUuid: 'GPU-1' });
    expect(parseCursor(cursor, 'risk', 'asc')).toBeNull();
    expect(parseCursor(cursor, 'value', 'desc')).toBeNull();
  });

  it('refuses any other text without throwing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseCursor(text, 'risk', 'desc')).toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(parseCursor(Buffer.from(json).toString('base64url'), 'risk', 'desc')).toBeNull();
      }),
    );
  });
});
