"""Poisson regression with an intercept and one column: how predicted hazards compare with what happened."""

import numpy as np


def poisson_fit(x: np.ndarray, offset: np.ndarray, failed: np.ndarray) -> tuple[float, float, float]:
    """Fits E[failed] = exp(intercept + slope x + offset), by Newton's method.

    @returns slope, its standard error, intercept
    """
    centre = float(x.mean())
    columns = np.column_stack([np.ones(len(x)), x - centre])
    beta = np.array([np.log(max(failed.sum(), 0.5) / np.exp(offset + x - centre).sum()), 1.0])
    for _ in range(100):
        mean = np.exp(columns @ beta + offset)
        information = columns.T @ (columns * mean[:, None])
        step = np.linalg.solve(information, columns.T @ (failed - mean))
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    error = float(np.sqrt(np.linalg.inv(information)[1, 1]))
    return float(beta[1]), error, float(beta[0] - beta[1] * centre)
