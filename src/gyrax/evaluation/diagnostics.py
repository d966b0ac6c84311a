"""Scalars that say how charts, codes, energy and jumps behave."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from gyrax.evaluation.forecasts import decode
from gyrax.geometry import safe_norm
from gyrax.model.system import System
from gyrax.model.trajectory import Trajectory

BOUNDARY = 0.95


def rate_ratio(rates: np.ndarray, chart: np.ndarray) -> dict[str, float]:
    """The mean jump rate where the data's chart changes, over that elsewhere, from the second frame on;
    nothing where charts never, or always, change. Both arguments are of shape `(M, H)`."""
    changed = chart[:, 1:] != chart[:, :-1]
    if changed.all() or not changed.any():
        return {}
    later = rates[:, 1:]
    return {
        "jump_rate_at_chart_changes_ratio": float(later[changed].mean() / later[~changed].mean())
    }


def rollout_diagnostics(trajectories: list[Trajectory], chart: np.ndarray) -> dict[str, float]:
    """Scalars about charts, energy and jumps, each a mean over the rollouts of all seeds. `chart`, of
    shape `(M, H)`, are the data's."""
    found = []
    for trajectory in trajectories:
        energy = np.asarray(trajectory.energy)
        rates = np.asarray(trajectory.jump_rates)
        charts = np.asarray(trajectory.chart_logits).argmax(-1)
        found.append(
            {
                "chart_accuracy": float((charts == chart).mean()),
                "energy_drift": float(np.abs(energy - energy[:, :1]).max(axis=1).mean()),
                "jump_rate": float(rates.mean()),
                **rate_ratio(rates, chart),
                "jumps_per_frame": float(np.asarray(trajectory.jump_mask).mean()),
            }
        )
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def encoder_diagnostics(system: System, x: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """Scalars about charts and codes of the encoded frames."""
    c = system.world_model.c
    encoding = eqx.filter_jit(lambda s, x: s.encode(x))(system, jnp.asarray(x))
    used = np.take_along_axis(
        np.asarray(encoding.code), np.asarray(encoding.chart)[:, None], axis=1
    )
    pairs = set(zip(np.asarray(encoding.chart).tolist(), used[:, 0].tolist(), strict=True))
    charts, codes, _ = system.encoder.codebook.code.shape
    radius = c**0.5 * np.asarray(safe_norm(jnp.asarray(z)))
    return {
        "codebook_use": len(pairs) / (charts * codes),
        "charts_used": float(len({chart for chart, _ in pairs})) / charts,
        "near_boundary": float((radius > BOUNDARY).mean()),
        "encoded_feature_rmse": float(np.sqrt(np.mean((decode(system, z) - x) ** 2))),
    }
