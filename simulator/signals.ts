/**
 * How defects show, at severity 1 and signal strength 1, and how healthy GPUs show the same. Rates are events a day.
 * Correctable errors go with uncorrectable ones only weakly (Calchas, ATC'24), which is why boards with a weak row
 * count many of them for nothing.
 */
export const SIGNALS = {
  memory: {
    correctable: 50,
    correctableRemaps: 0.5,
    uncorrectableRemaps: 0.18,
    uncorrectable: 0.035,
    /** XID 92 (high rate of correctable errors), 94 (contained), 95 (not contained). */
    highRate: 0.4,
    contained: 0.1,
    uncontained: 0.02,
    /** Share of uncorrectable remaps that find no spare row: XID 64 and the failure flag. */
    remapFails: 0.04,
  },
  /** Cooling gets so much worse, as a share. */
  thermal: { coolingLoss: 0.45 },
  power: {
    /** Added to the noise of the power draw, as a share of it. */
    noise: 0.06,
    /** Onsets of the power brake under full load, and XID 62. */
    brakes: 6,
    halts: 0.12,
  },
  interconnect: { replays: 250, nvlinkErrors: 60, linkErrors: 0.35, dropouts: 0.25 },
  /** GSP timeouts and errors (119, 120), context switches that hang (109), and times without an answer. */
  other: { gspErrors: 0.3, hangs: 0.15, dropouts: 0.25 },
} as const;

/** What healthy boards show. */
export const HEALTHY = {
  correctable: 0.03,
  correctableRemaps: 0.0006,
  uncorrectableRemaps: 0.0003,
  replays: 0.05,
  nvlinkErrors: 0.02,
  linkErrors: 0.0004,
  gspErrors: 0.0006,
  hangs: 0.0015,
  dropouts: 0.004,
} as const;

export type HealthyRates = Readonly<Record<keyof typeof HEALTHY, number>>;

/** The same in a world where they are so many times as frequent. */
export function healthyRates(noise: number): HealthyRates {
  return Object.fromEntries(Object.entries(HEALTHY).map(([what, rate]) => [what, rate * noise])) as HealthyRates;
}

/** Of boards that only look bad. */
export const LOOK_ALIKE = {
  weakRowCorrectable: 15,
  noisyRiserReplays: 40,
  /** Chance of a noisy sensor to jump at a scrape, and by how much. */
  sensorJump: 0.002,
  sensorJumpCelsius: 15,
} as const;
