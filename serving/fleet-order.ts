import type { GpuState } from './gpu-state.js';

export const SORTS = ['risk', 'value'] as const;
export type Sort = (typeof SORTS)[number];
export const ORDERS = ['asc', 'desc'] as const;
export type Order = (typeof ORDERS)[number];

/** A place in an order: behind this key and GPU. */
export interface Position {
  /** Sort key of the GPU; null where it has none. */
  readonly key: number | null;
  readonly gpuUuid: string;
}

const KEYS: Record<Sort, (state: GpuState) => number | null> = {
  risk: (state) => state.predictions?.failure_prob_30d ?? null,
  value: (state) => state.decisions?.expected_value ?? null,
};

/**
 * The fleet in one order, as it stood when it was built: by key, GPUs without a key last in either direction, equal
 * keys by UUID. A page starts behind a position, not at a count, so GPUs that come, go or move meanwhile shift no
 * other GPU over a page's edge: whoever keeps its key is met exactly once.
 */
export class FleetOrder {
  private readonly states: GpuState[];
  private readonly keys: (number | null)[];

  constructor(
    states: Iterable<GpuState>,
    sort: Sort,
    private readonly order: Order,
  ) {
    const keyOf = KEYS[sort];
    const places = [...states].map((state) => ({ state, key: keyOf(state) }));
    places.sort((a, b) => this.compare(a.key, a.state.gpuUuid, b.key, b.state.gpuUuid));
    this.states = places.map(({ state }) => state);
    this.keys = places.map(({ key }) => key);
  }

  /**
   * @param after null for the first page
   * @returns at most `limit` GPUs, and where the next page starts; null when nothing is left
   */
  page(after: Position | null, limit: number): { states: GpuState[]; next: Position | null } {
    const from = after === null ? 0 : this.firstBehind(after);
    const to = Math.min(from + limit, this.states.length);
    const next = to > from && to < this.states.length ? this.position(to - 1) : null;
    return { states: this.states.slice(from, to), next };
  }

  private position(index: number): Position {
    return { key: this.keys[index], gpuUuid: this.states[index].gpuUuid };
  }

  private firstBehind(position: Position): number {
    let low = 0;
    let high = this.states.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const behind = this.compare(this.keys[middle], this.states[middle].gpuUuid, position.key, position.gpuUuid) > 0;
      if (behind) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private compare(keyA: number | null, uuidA: string, keyB: number | null, uuidB: string): number {
    if (keyA !== keyB) {
      if (keyA === null) return 1;
      if (keyB === null) return -1;
      return this.order === 'asc' ? keyA - keyB : keyB - keyA;
    }
    return uuidA < uuidB ? -1 : uuidA > uuidB ? 1 : 0;
  }
}

/** The opaque text of a position; only {@link parseCursor} with the same order reads it. */
export function formatCursor(position: Position, sort: Sort, order: Order): string {
  return Buffer.from(JSON.stringify([sort, order, position.key, position.gpuUuid])).toString('base64url');
}

/** @returns the position, or null if the text is no cursor of this order */
export function parseCursor(text: string, sort: Sort, order: Order): Position | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(value) || value.length !== 4) return null;
  const [ofSort, ofOrder, key, gpuUuid] = value as unknown[];
  if (ofSort !== sort || ofOrder !== order || typeof gpuUuid !== 'string') return null;
  if (key !== null && typeof key !== 'number') return null;
  return { key, gpuUuid };
}
