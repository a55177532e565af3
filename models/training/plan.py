"""Which fleets the champion learns from, is calibrated on, and is judged by.

Cadences differ because counts of onsets depend on them; most are coarse, for a fleet costs as much as it has samples.
Training fleets fail four times as often as real ones, those of calibration twice, those of the test as often.
"""

from fleets import Fleet

CADENCES = ["15m", "10m", "15m", "5m", "15m", "10m", "15m", "15m"]

PLAN: list[Fleet] = [
    *(Fleet("train", seed, gpus=800, cadence=CADENCES[seed % 8], hazard_scale=8) for seed in range(1001, 1025)),
    Fleet("train", 1101, gpus=200, cadence="2m", hazard_scale=8),
    Fleet("train", 1102, gpus=80, cadence="30s", hazard_scale=8),
    *(Fleet("calibrate", seed, gpus=1000, cadence="15m", hazard_scale=5) for seed in range(2001, 2009)),
    *(Fleet("test", seed, gpus=1200, cadence="15m" if seed % 2 else "10m", hazard_scale=1) for seed in range(3001, 3009)),
]  # fmt: skip

#: A few tiny fleets that fail fast: to see within seconds that every step works. Its model is good for nothing.
QUICK: list[Fleet] = [
    *(Fleet("train", seed, gpus=80, cadence="30m", hazard_scale=40, days=2) for seed in (1, 2)),
    Fleet("calibrate", 3, gpus=80, cadence="30m", hazard_scale=40, days=2),
    Fleet("test", 4, gpus=80, cadence="30m", hazard_scale=40, days=2),
]

PLANS = {"full": PLAN, "quick": QUICK}
