import { DAY_MS } from '../schema/clock.js';
import { Random } from './random.js';
import type { AirLaw } from './world.js';

const YEAR_MS = 365.25 * DAY_MS;
/** Hours of the UTC day after which the hall is warmest, and days of the year likewise. */
const WARMEST_HOUR = 15;
const WARMEST_DAY = 200;
/** Lengths of spells in which the cooling of the hall falls short, days; one a block of time at most. */
const SPELL_DAYS = [1, 4] as const;
const BLOCK_DAYS = 10;

/** The air of a hall: its daily and yearly course, and hot spells. A function of the time alone. */
export class Air {
  private block = NaN;
  private spellBeginMs = 0;
  private spellEndMs = 0;
  private excess = 0;

  constructor(
    private readonly law: AirLaw,
    private readonly seed: number,
  ) {}

  celsiusAt(ms: number): number {
    const { law } = this;
    const block = Math.floor(ms / (BLOCK_DAYS * DAY_MS));
    if (block !== this.block) this.enter(block);
    return (
      law.inletCelsius +
      law.dailySwingCelsius * Math.cos((2 * Math.PI * ((ms % DAY_MS) / DAY_MS - WARMEST_HOUR / 24)) / 1) +
      law.yearlySwingCelsius * Math.cos(2 * Math.PI * ((ms % YEAR_MS) / YEAR_MS - WARMEST_DAY / 365)) +
      (ms >= this.spellBeginMs && ms < this.spellEndMs ? this.excess : 0)
    );
  }

  private enter(block: number): void {
    this.block = block;
    const { law } = this;
    const random = new Random(this.seed, `air/${block}`);
    const happens = random.chance(1 - Math.exp((-law.hotSpellsPerYear * BLOCK_DAYS) / 365.25));
    const days = random.between(...SPELL_DAYS);
    this.spellBeginMs = (block * BLOCK_DAYS + random.between(0, BLOCK_DAYS - days)) * DAY_MS;
    this.spellEndMs = happens ? this.spellBeginMs + days * DAY_MS : this.spellBeginMs;
    this.excess = law.hotSpellCelsius * random.between(0.5, 1.5);
  }
}
