import type { GpuModel } from '../schema/gpu-models.js';
import type { Grade } from '../schema/records.js';

/** Market value of one GPU model by the grade of its health, USD. */
export interface PriceRow {
  readonly model: GpuModel;
  readonly marketValueUsd: Readonly<Record<Grade, number>>;
  /** ISO date on which the values were taken over. */
  readonly as_of: string;
  readonly source: string;
}

/**
 * Prices of the `reference` profile. The superseded system priced one model; no others are made up here, and a GPU
 * of another model gets no decision (`no_price`).
 */
export const REFERENCE_PRICES: readonly PriceRow[] = [
  {
    model: 'H100',
    marketValueUsd: { excellent: 32_000, good: 28_000, fair: 22_000, degraded: 15_000, poor: 8_000, critical: 2_000 },
    as_of: '2026-11-24',
    source: 'H100 80GB table of the GPU Health Monitor, the system this one supersedes; the table itself bears no date',
  },
];

/** Price row of a model; undefined where the table has none. */
export function priceRow(prices: readonly PriceRow[], model: GpuModel | null): PriceRow | undefined {
  return model === null ? undefined : prices.find((row) => row.model === model);
}
