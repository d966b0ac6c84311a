"""Forecasts as distributions: sampled rollouts, their energy score and their coverage."""

from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._errors import InputError
from gyrax.evaluation.encoded import Selection
from gyrax.evaluation.forecasts import in_blocks
from gyrax.evaluation.intervals import Bootstrap
from gyrax.geometry import distance, frechet_mean
from gyrax.losses.dynamics import energy_scores
from gyrax.model.system import System
from gyrax.model.window import Window
from gyrax.nn import Coefficient

FEWEST = 10
LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
NAMED = {"50": 0.5, "90": 0.9}
MEAN_STEPS = 8
ROWS = 4096


@dataclass(frozen=True)
class Sampled:
    """Scores of sampled forecasts of M windows: `energy`, the energy score `(M, H)`; `rank`, where
    the truth lies among the samples, `(M, H)`, see [`central_rank`][]; `cloud`, the samples
    `(rows, S, H, D)` of a few windows, for figures."""

    energy: np.ndarray
    rank: np.ndarray
    cloud: np.ndarray


def check_samples(samples: int) -> None:
    """Raise `InputError` where that many samples say nothing."""
    if samples < FEWEST:
        raise InputError(
            f"--samples is {samples}; give {FEWEST} or more, for fewer cannot span a 90 % ball."
        )


def central_rank(
    samples: Float[Array, "S D"], target: Float[Array, " D"], c: float
) -> Float[Array, ""]:
    """The share of samples nearer to their Fréchet mean than `target` is, as r/(S + 1).

    The count r is uniform on 0 … S where target and samples are drawn alike. The mean is made of the
    samples and therefore too near to each by a factor 1 − 1/S (exact in flat space): it is undone.
    """
    count = samples.shape[0]
    mean = frechet_mean(samples, jnp.full(count, 1.0 / count), steps=MEAN_STEPS, c=c)
    own = distance(mean, samples, c) * count / (count - 1)
    nearer = jnp.sum(own < distance(mean, target, c))
    return nearer / (count + 1)


def covered(rank: np.ndarray, level: float, samples: int) -> np.ndarray:
    """Whether the ball of nominal mass `level` holds the truth, from its [`central_rank`][].

    Its radius lies between two samples: a truth between the same two counts for the share that makes
    the mean coverage of calibrated samples exactly `level`, for any number of samples.
    """
    return np.clip((level - rank) * (samples + 1), 0.0, 1.0)


def at_temperature(system: System, temperature: Float[Array, ""]) -> System:
    """`system` with its noise at a temperature T > 0."""
    fixed = Coefficient.fixed(temperature)
    return replace(system, world_model=replace(system.world_model, temperature=fixed))


@eqx.filter_jit
def _sample(
    system: System, samples: int, window: Window, keys: Array, temperature: Array | None
) -> Array:
    def one(window: Window, key: Array, temperature: Any) -> Array:
        own = system if temperature is None else at_temperature(system, temperature)
        return jax.vmap(lambda key: own.rollout(window, key).points)(jr.split(key, samples))

    in_axes = (0, 0, None if temperature is None else 0)
    return jax.vmap(one, in_axes)(window, keys, temperature)


@eqx.filter_jit
def _score(samples: Array, target: Array, c: float) -> tuple[Array, Array]:
    rank = jax.vmap(jax.vmap(lambda s, y: central_rank(s, y, c), (1, 0)))(samples, target)
    return energy_scores(jnp.moveaxis(samples, 1, 0), target, c), rank


def sample_forecasts(
    system: System,
    chosen: Selection,
    samples: int,
    *,
    seed: int,
    shown: np.ndarray,
    temperature: np.ndarray | None = None,
) -> Sampled:
    """Roll out every window `samples` times and score the samples; keep those of windows `shown`.

    `temperature`, shape `(M,)`, one for each window, stands in for the model's own.
    """
    rows = max(1, ROWS // samples)
    keys = np.asarray(jr.key_data(jr.split(jr.key(seed), len(chosen))))
    wanted = np.zeros(len(chosen), bool)
    wanted[shown] = True
    clouds: list[np.ndarray] = []
    begin = 0
    if temperature is not None:
        temperature = np.asarray(temperature, chosen.window.target.dtype)

    def block(window: Window, raw: Any, temperature: Any) -> tuple:
        nonlocal begin
        drawn = _sample(system, samples, window, jr.wrap_key_data(raw), temperature)
        kept = np.flatnonzero(wanted[begin : begin + len(raw)])
        clouds.append(np.asarray(drawn)[kept])
        begin += len(raw)
        return _score(drawn, window.target, chosen.c)

    energy, rank = in_blocks(block, chosen.window, keys, temperature, size=rows)
    return Sampled(energy, rank, np.concatenate(clouds))


def uncertainty_report(
    sampled: list[Sampled], bootstrap: Bootstrap, samples: int, temperature: list[float]
) -> dict[str, Any]:
    """Energy score and coverage at every horizon step, means over seeds with intervals."""
    rank = np.stack([s.rank for s in sampled])
    energy = np.stack([s.energy for s in sampled])
    report: dict[str, Any] = {"samples": samples, "temperature": temperature}
    report |= bootstrap.mean(energy).entries("energy_score")
    report["coverage"] = {}
    for name, level in NAMED.items():
        report["coverage"] |= bootstrap.mean(covered(rank, level, samples)).entries(name)
    report["calibration"] = {
        "levels": list(LEVELS),
        "coverage": [covered(rank, level, samples).mean((0, 1)).tolist() for level in LEVELS],
    }
    return report
