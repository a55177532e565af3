"""Exporters differ in what they send; training rows lose fields the same way, so that absence is no surprise."""

import numpy as np

from training_set import TrainingSet, concatenate_fleets

#: Features that come and go together, by what an exporter or an asset register leaves out.
GROUPS: dict[str, list[str]] = {
    "profiling": ["sm_active_mean", "sm_active_std", "sm_occupancy_mean", "power_efficiency", "sm_clock_under_load_24h_delta"],
    "throttle reasons": ["thermal_throttle_count", "power_brake_count", "sw_power_cap_count", "throttle_duration_hours"],
    "ECC": ["ecc_sbe_event_count", "ecc_dbe_event_count", "ecc_sbe_24h_count"],
    "framebuffer": ["memory_util_mean", "memory_util_std", "memory_util_mean_24h_delta"],
    "memory temperature": ["memory_temp_mean", "memory_temp_max"],
    "row remaps": [
        "remap_correctable_count", "remap_uncorrectable_count", "remap_correctable_total", "remap_uncorrectable_total",
        "remap_failure",
    ],
    "XID": ["xid_hardware_count", "xid_precursor_count", "xid_application_count", "hours_since_hardware_xid"],
    "clocks": ["sm_clock_mean", "sm_clock_std", "sm_clock_under_load_24h_delta"],
    "links": ["pcie_replay_count", "nvlink_error_count"],
    "dates": ["gpu_age_days", "total_operating_hours"],
    "warranty": ["warranty_remaining_days"],
    "model": ["model_a100", "model_h100"],
    "power": [
        "power_usage_mean", "power_usage_std", "power_usage_cv", "power_efficiency", "power_anomaly_count",
        "power_usage_mean_24h_delta", "thermal_resistance", "thermal_resistance_24h_delta", "thermal_residual_spike_count",
    ],
}  # fmt: skip
#: Features that say more about how often the exporter is scraped than about the GPU: a fleet at 30 s counts ten to a
#: hundred times the onsets of the same fleet at 15 min. Nothing is learned from them.
BOUND_TO_CADENCE = [
    "sw_power_cap_count", "temp_spike_count", "power_anomaly_count", "thermal_residual_spike_count", "gap_count",
]  # fmt: skip

#: Chance of a row to lose anything, and of each group then.
ROW_SHARE = 0.5
GROUP_SHARES = {"power": 0.05, "model": 0.1}
GROUP_SHARE = 0.3


def drop_fields(x: np.ndarray, names: list[str], seed: int) -> np.ndarray:
    """A copy in which random groups of random rows are absent."""
    rng = np.random.default_rng(seed)
    out = x.copy()
    affected = rng.random(len(x)) < ROW_SHARE
    for group, members in GROUPS.items():
        columns = [names.index(name) for name in members if name in names]
        rows = np.flatnonzero(affected & (rng.random(len(x)) < GROUP_SHARES.get(group, GROUP_SHARE)))
        if columns:
            out[np.ix_(rows, columns)] = np.nan
    return out


def with_fields_dropped(data: TrainingSet, seed: int = 11) -> TrainingSet:
    """Each row once as it is and once with fields left out."""
    return concatenate_fleets([data, data.with_features(drop_fields(data.x, data.features, seed))])


def without_cadence(x: np.ndarray, names: list[str]) -> np.ndarray:
    """A copy in which the features that depend on the cadence are absent, so that no tree can split on them."""
    out = x.copy()
    out[:, [names.index(name) for name in BOUND_TO_CADENCE if name in names]] = np.nan
    return out
