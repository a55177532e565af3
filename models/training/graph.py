"""The ONNX graph: one tree ensemble with eight targets, then calibration and survival in plain operators."""

import json

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper, numpy_helper

from calibration import MAX_LOG_RATE, MIN_LOG_RATE

HAZARDS = 3
TYPES = 5


def trees_of(booster: xgb.Booster) -> tuple[list[dict], list[int]]:
    """The trees of a booster's JSON, and the class that each adds to."""
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    return model["trees"], model["tree_info"]


def ensemble(boosters: list[tuple[xgb.Booster, int]]) -> dict[str, list]:
    """Attributes of a TreeEnsembleRegressor.

    :param boosters: each with the target of its first class
    XGBoost goes left where float32(value) < float32(threshold); an absent value goes where training sent it.
    """
    names = [
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids",
        "target_weights",
    ]  # fmt: skip
    out: dict[str, list] = {name: [] for name in names}
    number = 0
    for booster, first_target in boosters:
        for tree, group in zip(*trees_of(booster)):
            for node, left in enumerate(tree["left_children"]):
                leaf = left == -1
                # XGBoost keeps a leaf's value where an inner node has its threshold.
                out["nodes_treeids"].append(number)
                out["nodes_nodeids"].append(node)
                out["nodes_featureids"].append(0 if leaf else tree["split_indices"][node])
                out["nodes_values"].append(0.0 if leaf else float(np.float32(tree["split_conditions"][node])))
                out["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT")
                out["nodes_truenodeids"].append(0 if leaf else left)
                out["nodes_falsenodeids"].append(0 if leaf else tree["right_children"][node])
                out["nodes_missing_value_tracks_true"].append(0 if leaf else int(tree["default_left"][node]))
                if leaf:
                    out["target_treeids"].append(number)
                    out["target_nodeids"].append(node)
                    out["target_ids"].append(first_target + group)
                    out["target_weights"].append(float(np.float32(tree["split_conditions"][node])))
            number += 1
    return out


def build(hazards: list[xgb.Booster], types: xgb.Booster, coefficients: np.ndarray, width: int) -> onnx.ModelProto:
    """`features` float32 [N, width] to `failure_prob` [N, 3], never falling, and `failure_type_prob` [N, 5].

    1 - exp(-h) is written as 2t / (1 + t) with t = tanh(h / 2), which keeps its digits for small h; the maxima keep
    the horizons in order whatever the last bit of tanh does.
    """
    boosters = [(booster, index) for index, booster in enumerate(hazards)] + [(types, HAZARDS)]
    constants = {
        "slope": np.float32(coefficients[:, 0])[None, :],
        "intercept": np.float32(coefficients[:, 1])[None, :],
        "min_log_rate": np.float32(MIN_LOG_RATE),
        "max_log_rate": np.float32(MAX_LOG_RATE),
        "axis": np.int64(1),
        "half": np.float32(0.5),
        "one": np.float32(1),
        "two": np.float32(2),
        "split": np.array([HAZARDS, TYPES], dtype=np.int64),
    }
    node = helper.make_node
    nodes = [
        node(
            "TreeEnsembleRegressor", ["features"], ["margins"], domain="ai.onnx.ml", n_targets=HAZARDS + TYPES,
            aggregate_function="SUM", post_transform="NONE", base_values=[0.0] * (HAZARDS + TYPES),
            **ensemble(boosters),
        ),  # fmt: skip
        node("Split", ["margins", "split"], ["hazard_margins", "type_margins"], axis=1),
        node("Mul", ["hazard_margins", "slope"], ["scaled"]),
        node("Add", ["scaled", "intercept"], ["raw_log_rate"]),
        node("Clip", ["raw_log_rate", "min_log_rate", "max_log_rate"], ["log_rate"]),
        node("Exp", ["log_rate"], ["rate"]),
        node("CumSum", ["rate", "axis"], ["hazard"]),
        node("Mul", ["hazard", "half"], ["half_hazard"]),
        node("Tanh", ["half_hazard"], ["t"]),
        node("Mul", ["t", "two"], ["numerator"]),
        node("Add", ["t", "one"], ["denominator"]),
        node("Div", ["numerator", "denominator"], ["probability"]),
        node("Split", ["probability"], ["p7", "p30", "p90"], axis=1, num_outputs=3),
        node("Min", ["p7", "one"], ["q7"]),
        node("Max", ["q7", "p30"], ["m30"]),
        node("Min", ["m30", "one"], ["q30"]),
        node("Max", ["q30", "p90"], ["m90"]),
        node("Min", ["m90", "one"], ["q90"]),
        node("Concat", ["q7", "q30", "q90"], ["failure_prob"], axis=1),
        node("Softmax", ["type_margins"], ["failure_type_prob"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "gpu_failure",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width])],
        [
            helper.make_tensor_value_info("failure_prob", TensorProto.FLOAT, ["N", HAZARDS]),
            helper.make_tensor_value_info("failure_type_prob", TensorProto.FLOAT, ["N", TYPES]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="gpu-actuary",
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model
