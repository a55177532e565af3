import type { Grade } from '../schema/records.js';
import { priceRow, REFERENCE_PRICES, type PriceRow } from './decide-prices.js';
import type { OptionValues, ValuationProfile } from './decide.js';

/** The `reference` profile: the superseded system's formulas, to the cent, so that its users can compare. */

const HOURS_PER_MONTH = 730;
const MONTHS = 12;
/** Discount factor a year: a month m counts 1.1^(−m/12). */
const YEARLY_DISCOUNT = 1.1;
const OPERATING_COST_USD_PER_MONTH = 50;
/** 350 W all month at $0.12 a kWh and a PUE of 1.3: $39.858, not rounded. */
const POWER_COST_USD_PER_MONTH = 0.35 * HOURS_PER_MONTH * 0.12 * 1.3;
/** What a buyer's channel leaves of the market value. */
const SALE_SHARE = 0.95;
/** Value of the parts of a GPU that is scrapped. */
const SALVAGE_SHARE = 0.1;
/** As it is, at the rate and utilisation of training work. */
const KEEP = { usdPerHour: 3, utilisation: 0.9 };
/** Moved to lighter work. */
const REPURPOSE = { usdPerHour: 2, utilisation: 0.7 };

const ANNUITY = Array.from({ length: MONTHS }, (_, month) => YEARLY_DISCOUNT ** (-month / 12)).reduce((a, b) => a + b);

/** Present value of twelve months' work. */
function workUsd({ usdPerHour, utilisation }: { usdPerHour: number; utilisation: number }): number {
  const month = HOURS_PER_MONTH * usdPerHour * utilisation - POWER_COST_USD_PER_MONTH - OPERATING_COST_USD_PER_MONTH;
  return month * ANNUITY;
}

/** Values of the four options at a market value and a 30-day probability of failure. */
export function referenceValues(marketValueUsd: number, prob30d: number): OptionValues {
  const expectedLoss = prob30d * marketValueUsd;
  return {
    keep: workUsd(KEEP) - expectedLoss,
    sell: SALE_SHARE * marketValueUsd,
    repurpose: workUsd(REPURPOSE) - expectedLoss,
    decommission: SALVAGE_SHARE * marketValueUsd,
  };
}

/** @param prices table to value by; that of the superseded system where none is given */
export function referenceProfile(prices: readonly PriceRow[] = REFERENCE_PRICES): ValuationProfile {
  return {
    name: 'reference',
    value(model, grade: Grade, prob30d) {
      const row = priceRow(prices, model);
      return row === undefined ? null : referenceValues(row.marketValueUsd[grade], prob30d);
    },
  };
}
