"""What each group of v2's features earns, and each way of learning: docs/models/ablation.md.

    python ablation.py --data DIR --out docs/models/ablation.md

One model each is learned without it; nothing else is changed.
"""

import numpy as np

import page
from champion import read_model
from evaluate import compare
from main import SPLITS, columns_of
from model import Model
from oracle import full_windows
from report import SHOWN, TITLES, cell
from teacher import taught
from training_set import TrainingSet, read_training_set

CHAMPION = "as the champion"
GROUPS: dict[str, list[str]] = {
    "last day against the week": [
        "gpu_temp_mean_24h_delta", "power_usage_mean_24h_delta", "memory_util_mean_24h_delta", "ecc_sbe_24h_count",
        "thermal_resistance_24h_delta", "sm_clock_under_load_24h_delta",
    ],
    "memory temperature": ["memory_temp_mean", "memory_temp_max"],
    "cooling": ["thermal_resistance", "thermal_resistance_24h_delta"],
    "XIDs": ["xid_hardware_count", "xid_precursor_count", "xid_application_count", "hours_since_hardware_xid"],
    "row remaps": [
        "remap_correctable_count", "remap_uncorrectable_count", "remap_correctable_total", "remap_uncorrectable_total",
        "remap_failure",
    ],
    "links": ["pcie_replay_count", "nvlink_error_count"],
    "clocks": ["sm_clock_mean", "sm_clock_std", "sm_clock_under_load_24h_delta"],
    "absence": ["reporting_ratio", "longest_gap_hours"],
}  # fmt: skip
TABLED = ("auc", "average_precision", "recall_at_5_percent", "precision_at_1_percent", "brier_skill")
COLUMN_30_DAYS = 1


def without(data: TrainingSet, names: list[str]) -> TrainingSet:
    x = data.x.copy()
    x[:, [data.features.index(name) for name in names]] = np.nan
    return data.with_features(x)


def probabilities(truth: TrainingSet, watch: TrainingSet, parts: dict[str, TrainingSet]) -> dict[str, dict[str, np.ndarray]]:
    """By split, then by what is left out, [rows, horizons]."""
    train = taught(truth, watch)
    found: dict[str, dict[str, np.ndarray]] = {split: {} for split in parts}

    def add(name: str, learned: Model, width: int | None = None) -> None:
        print(f"  {name}", flush=True)
        for split, data in parts.items():
            found[split][name] = learned.probabilities(data.x[:, :width])

    champion = Model.learn(train, watch)
    add(CHAMPION, champion)
    away = max(np.abs(champion.probabilities(data.x) - read_model(page.CHAMPION).probabilities(data.x)).max() for data in parts.values())
    print(f"  which is {away:.1e} away from {page.CHAMPION} at most", flush=True)
    v1 = [columns_of(data, "v1") for data in (train, watch)]
    add("v1 only", Model.learn(*v1), len(v1[0].features))
    for group, names in GROUPS.items():
        add(f"without {group}", Model.learn(without(train, names), without(watch, names)))
    add("taught by the true risk itself", Model.learn(truth, watch))
    add("taught by outcomes", Model.learn(train, watch, truth=False))
    return found


TEXT = """# What features and ways of learning earn

Probabilities for 30 days on the fleets of [the champion's report](champion.md), full windows, by models of which each was learned without something and is else the champion. Figures are shares of what the champion, `{champion}`, reaches on the same GPUs, with 90 % intervals from resampling GPUs: an interval below 1 says that it earns something. Made by `models/training/ablation.py`.

{tables}
"""


def main() -> None:
    options = page.parser(__doc__).parse_args()
    champion = page.champion_of(options.data)
    train, watch = page.learned_from(options.data)
    parts = {split: full_windows(read_training_set(options.data, split)) for split in SPLITS}
    tables = []
    for split, scores in probabilities(train, watch, parts).items():
        found = compare(parts[split], scores, COLUMN_30_DAYS, of=CHAMPION)
        tables.append(f"## {TITLES[split]}")
        lines = ["| model | " + " | ".join(SHOWN[key] for key in TABLED) + " |", "|---" * (1 + len(TABLED)) + "|"]
        own = found.metrics[CHAMPION]
        lines.append("| the champion itself | " + " | ".join(cell(own[key]) for key in TABLED) + " |")
        for name, row in found.shares.items():
            if name != CHAMPION:
                lines.append(f"| {name} | " + " | ".join(cell(row[key]) for key in TABLED) + " |")
        tables.append("\n".join(lines))
    options.out.write_text(TEXT.format(champion=champion, tables="\n\n".join(tables)))


if __name__ == "__main__":
    main()
