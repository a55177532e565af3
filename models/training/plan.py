"""Which fleets the champion learns from, is calibrated on, and is judged by."""

from fleets import Fleet

PLAN: list[Fleet] = [
    *(Fleet("train", seed, gpus=600, cadence="15m", hazard_scale=10) for seed in range(101, 109)),
    *(Fleet("calibrate", seed, gpus=600, cadence="15m", hazard_scale=10) for seed in range(201, 205)),
    *(Fleet("test", seed, gpus=600, cadence="15m", hazard_scale=10) for seed in range(301, 305)),
]
