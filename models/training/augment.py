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

#: What exporters that send little never send, and what they may lack besides: a script around nvidia-smi (no XIDs, no
#: remaps, no link errors, no profiling), and a collector of the few gauges that its author thought of, XIDs among them.
EXPORTERS: list[tuple[list[str], list[str]]] = [
    (
        ["XID", "row remaps", "links", "profiling"],
        ["ECC", "throttle reasons", "memory temperature", "clocks", "framebuffer", "dates", "warranty", "model"],
    ),
    (
        ["profiling", "throttle reasons", "memory temperature", "links"],
        ["ECC", "framebuffer", "clocks", "row remaps", "dates", "warranty", "model"],
    ),
]
#: Chance of each group that such an exporter may lack.
MAY_LACK_SHARE = 0.5

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


def of_sparse_exporters(x: np.ndarray, names: list[str], seed: int) -> np.ndarray:
    """A copy in which each row is as of one exporter or another that sends little.

    Groups that are left out one by one hardly ever leave a row without all that such an exporter does not send.
    """
    rng = np.random.default_rng(seed)
    out = x.copy()
    exporter = rng.integers(len(EXPORTERS), size=len(x))
    for number, (lacks, may_lack) in enumerate(EXPORTERS):
        for group in [*lacks, *may_lack]:
            rows = exporter == number
            if group in may_lack:
                rows &= rng.random(len(x)) < MAY_LACK_SHARE
            columns = [names.index(name) for name in GROUPS[group] if name in names]
            if columns:
                out[np.ix_(np.flatnonzero(rows), columns)] = np.nan
    return out


def with_fields_dropped(data: TrainingSet, seed: int = 11) -> TrainingSet:
    """Each row as it is, and with fields left out."""
    return concatenate_fleets([data, data.with_features(drop_fields(data.x, data.features, seed))])


def with_exporters(data: TrainingSet, seed: int = 11) -> TrainingSet:
    """Each row as it is, with fields left out, and as an exporter that sends little would have it."""
    sparse = data.with_features(of_sparse_exporters(data.x, data.features, seed + 2))
    return concatenate_fleets([with_fields_dropped(data, seed), sparse])


def without_cadence(x: np.ndarray, names: list[str]) -> np.ndarray:
    """A copy in which the features that depend on the cadence are absent, so that no tree can split on them."""
    out = x.copy()
    out[:, [names.index(name) for name in BOUND_TO_CADENCE if name in names]] = np.nan
    return out
