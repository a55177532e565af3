"""What the days before tell of the defects of a GPU, to one who knows the laws of its world.

A Bayesian filter over made-up defects: each kind's prior is a cloud of defects that may have begun within the memory of
the simulation, drawn from the world's law, and the absence of any. The likelihood of what happened each day, noise-free
(docs/training-set.md), weighs them; what they will do is the risk. Kinds are judged one by one: two defects at a time
are rare, and the boosting that follows sees all of them.
"""

from dataclasses import dataclass

import numpy as np

from horizons import FAILURE_TYPES, HORIZONS
from training_set import TrainingSet

#: How long ago a defect may have begun, days: those that are older have killed or healed, or are mild for good.
MEMORY_DAYS = 400.0
PARTICLES = 1_500
DAYS = 8
#: Errors that are left in a day's mean of the thermal resistance, and in the measured spread of power, as shares.
RESISTANCE_ERROR = 0.004
SPREAD_ERROR = 0.06
#: Spread of boards' thermal resistance, and more for the dust that some hosts have (simulator: gpu-state.ts).
RESISTANCE_SIGMA = 0.08
#: Spread of power within a job that load alone explains, and the noise of the draw beside it.
LOAD_SPREAD = 0.07
LOAD_NOISE = 0.06


@dataclass
class Cloud:
    """Defects of one kind, as they may be: at the time of a row each began some days ago."""

    #: Severity at the middle of each of the eight days, [particles, days].
    severity: np.ndarray
    #: Probability that each has killed within each horizon, [particles, horizons].
    kills: np.ndarray
    #: Prior probability of each; what is missing to 1 is that there is no defect.
    prior: np.ndarray


def cloud(law: dict, peaks: list[float], rng: np.random.Generator, frailty: float = 1.5) -> Cloud:
    """Draws the prior of a kind. @param frailty mean of the fleet, age included"""
    began = rng.uniform(0, MEMORY_DAYS, PARTICLES)
    # Young defects change fastest and are told apart best: half of the cloud is younger than 40 days.
    young = PARTICLES // 2
    began[:young] = rng.uniform(0, 40, young)
    density = np.where(began < 40, young / 40 + (PARTICLES - young) / MEMORY_DAYS, (PARTICLES - young) / MEMORY_DAYS)
    growth = law["growthDays"] * np.exp(law["growthSigma"] * rng.standard_normal(PARTICLES))
    peak = rng.uniform(peaks[0], peaks[1], PARTICLES)
    heals = np.where(rng.random(PARTICLES) < law["heals"], rng.exponential(law["healingDays"], PARTICLES), np.inf)

    def square_integral(age: np.ndarray) -> np.ndarray:
        g = np.clip(np.minimum(age, heals), 0, None) / growth
        return peak**2 * growth * np.where(g < 0.02, g**5 / 5, g + g / (2 * (1 + g * g)) - 1.5 * np.arctan(g))

    middles = began[:, None] - (DAYS - 0.5 - np.arange(DAYS))
    g = np.clip(middles, 0, None) / growth[:, None]
    severity = np.where(middles < heals[:, None], peak[:, None] * g**2 / (1 + g**2), 0.0)
    lived = law["killsPerDay"] * square_integral(began)
    to_come = [law["killsPerDay"] * square_integral(began + horizon) - lived for horizon in HORIZONS]
    prior = law["beginPerYear"] / 365.25 * frailty / density * np.exp(-lived)
    return Cloud(severity, -np.expm1(-np.column_stack(to_come)), prior)


def poisson(counts: np.ndarray, exposure: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Log-likelihood, [rows, particles], of daily counts [rows, days]; days that tell nothing (NaN) say nothing.

    @param rates a day, [particles, days]; what does not depend on the particle is left out
    """
    known = ~np.isnan(counts)
    return np.where(known, counts, 0) @ np.log(rates).T - np.where(known, exposure, 0) @ rates.T


def mixed(parts: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Log-likelihood under a mixture: boards that only look bad and the others."""
    return np.logaddexp.reduce([np.log(share) + part for share, part in parts])


class DefectFilter:
    """The filter of one world."""

    def __init__(self, card: dict, seed: int = 1):
        self.world = card["world"]
        self.laws = card["laws"]
        rng = np.random.default_rng(seed)
        peaks = self.laws["peaks"]
        self.clouds = {kind: cloud(self.world["failures"]["defects"][kind], peaks, rng) for kind in FAILURE_TYPES}

    def features(self, data: TrainingSet) -> np.ndarray:
        """[rows, 5 kinds × (chance of a defect to be seen, risk of it by horizon)], in the order of FAILURE_TYPES."""
        days = {name: data.daily[:, :, place].astype(np.float64) for place, name in enumerate(data.tallies)}
        return np.column_stack([self.posterior(kind, days, data) for kind in FAILURE_TYPES])

    def posterior(self, kind: str, days: dict[str, np.ndarray], data: TrainingSet) -> np.ndarray:
        sick = self.clouds[kind]
        shown = self.world["signals"][kind] * sick.severity
        # The last place is a board without a defect.
        severity = np.vstack([shown, np.zeros((1, DAYS))])
        prior = np.append(sick.prior, max(1e-6, 1 - sick.prior.sum()))
        log = np.log(prior)[None, :] + getattr(self, kind)(severity, days, data)
        log -= log.max(axis=1, keepdims=True)
        weights = np.exp(log)
        weights /= weights.sum(axis=1, keepdims=True)
        seen = weights[:, :-1] @ (sick.severity[:, -1] >= 0.05)
        return np.column_stack([seen, weights[:, :-1] @ sick.kills])

    def memory(self, severity: np.ndarray, days: dict, data: TrainingSet) -> np.ndarray:
        law, healthy, alike = self.laws["signals"]["memory"], self.laws["healthy"], self.laws["look_alike"]
        total = 0.0
        xids = law["uncorrectable"] + law["uncorrectableRemaps"] + law["highRate"] + law["contained"] + law["uncontained"]
        for tally, rate, base in [
            ("remap_correctable", law["correctableRemaps"], healthy["correctableRemaps"]),
            # Remaps raise an XID each: the XIDs say the same and more.
            ("xid_memory", xids, healthy["uncorrectableRemaps"]),
        ]:
            total = total + poisson(days[tally], days["days"], base + rate * severity)
        weak = self.world["lookAlikes"]["weakRows"]
        single = [
            poisson(days["sbe"], days["days"], healthy["correctable"] + extra + law["correctable"] * severity)
            for extra in (0, alike["weakRowCorrectable"])
        ]
        return total + mixed([(1 - weak, single[0]), (weak, single[1])])

    def interconnect(self, severity: np.ndarray, days: dict, data: TrainingSet) -> np.ndarray:
        law, healthy, alike = self.laws["signals"]["interconnect"], self.laws["healthy"], self.laws["look_alike"]
        total = 0.0
        for tally, rate, base in [
            ("nvlink_errors", law["nvlinkErrors"], healthy["nvlinkErrors"]),
            ("xid_link", law["linkErrors"], healthy["linkErrors"]),
            ("dropouts", law["dropouts"], healthy["dropouts"]),
        ]:
            total = total + poisson(days[tally], days["days"], base + rate * severity)
        noisy = self.world["lookAlikes"]["noisyRisers"]
        replays = [
            poisson(days["pcie_replays"], days["days"], base + law["replays"] * severity)
            for base in (healthy["replays"], alike["noisyRiserReplays"])
        ]
        return total + mixed([(1 - noisy, replays[0]), (noisy, replays[1])])

    def other(self, severity: np.ndarray, days: dict, data: TrainingSet) -> np.ndarray:
        law, healthy = self.laws["signals"]["other"], self.laws["healthy"]
        xids = poisson(
            days["xid_firmware"], days["days"],
            healthy["gspErrors"] + healthy["hangs"] + (law["gspErrors"] + law["hangs"]) * severity,
        )  # fmt: skip
        return xids + poisson(days["dropouts"], days["days"], healthy["dropouts"] + law["dropouts"] * severity)

    def power(self, severity: np.ndarray, days: dict, data: TrainingSet) -> np.ndarray:
        law = self.laws["signals"]["power"]
        total = poisson(days["xid_power"], days["days"], 1e-5 + law["halts"] * severity)
        total = total + poisson(days["power_brakes"], days["loaded_days"], 1e-5 + law["brakes"] * severity)
        # How much the draw spreads within a job, over what load alone explains.
        measured = np.log(np.hypot(days["power_noise_days"] / days["days"], LOAD_SPREAD))
        expected = np.log(np.hypot(LOAD_NOISE + law["noise"] * severity, LOAD_SPREAD))
        return total + gauss(measured, expected, SPREAD_ERROR, known=days["loaded_days"] > 0.1)

    def thermal(self, severity: np.ndarray, days: dict, data: TrainingSet) -> np.ndarray:
        loss = np.log1p(self.laws["signals"]["thermal"]["coolingLoss"] * severity)
        a100 = data.x[:, data.features.index("model_a100")] == 1
        nominal = np.log(self.world["air"]["cooling"] * np.where(a100, 0.085, 0.052))
        measured = np.log(days["resistance_days"] / days["days"]) - nominal[:, None]
        known = ~np.isnan(measured)
        # The board's own resistance is unknown: it takes up the mean, at a price, and leaves the course.
        count = np.maximum(known.sum(axis=1), 1)
        m = np.where(known, measured, 0)
        course = np.where(known, m - (m.sum(axis=1) / count)[:, None], 0)
        means = (m.sum(axis=1) / count)[:, None] - (known @ loss.T) / count[:, None]
        spread = (known @ (loss**2).T) - (known @ loss.T) ** 2 / count[:, None]
        squares = (course**2).sum(axis=1)[:, None] - 2 * course @ loss.T + spread
        return -squares / (2 * RESISTANCE_ERROR**2) - means**2 / (2 * RESISTANCE_SIGMA**2)


def gauss(measured: np.ndarray, expected: np.ndarray, error: float, known: np.ndarray) -> np.ndarray:
    """Log-likelihood [rows, particles] of daily means [rows, days] that are known but for an error."""
    usable = known & ~np.isnan(measured)
    m = np.where(usable, measured, 0)
    squares = (m**2).sum(axis=1)[:, None] - 2 * m @ expected.T + usable @ (expected**2).T
    return -squares / (2 * error**2)
