"""Whether distance tells time: how distances of two frames of an episode rank with the frames between."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int
from rich.console import Console
from scipy.stats import rankdata

from gyrax._errors import InputError
from gyrax.evaluation.baselines.flat_twin import FLAT, flat_settings
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.intervals import BANDS, interval, thirds
from gyrax.geometry import distance
from gyrax.model.system import System
from gyrax.training.build import build_system
from gyrax.training.fit import Fit
from gyrax.training.phases import make_phases
from gyrax.training.step import encode_all

PAIRS = 4000
RESAMPLES = 200
LEAST = 2
"""Frames between two that are compared, at least."""
BALL, TWIN, FEATURES = "latent", "flat_twin", "features"


def flat_encoder(cache: Cache) -> System:
    """The system whose phase 1 ran in Euclidean space, trained as the checkpoint's own was, or taken from the
    cache. It has seen no phase 3."""
    encoded = cache.encoded
    settings = flat_settings(encoded.settings)
    phase, seed = make_phases(settings)[1], settings.training.run.seed
    key = jr.fold_in(jr.key(seed), 0)
    fresh = build_system(settings, encoded.dataset.features, key=key)
    stored = cache.load("flat_encoder", seed, phase.epochs, fresh)
    if stored is not None:
        return stored
    cache.console.print("training the encoder of the flat twin ...")
    blocks = encoded.dataset.blocks(phase, fresh, settings)
    data = blocks.start()
    system = fresh.started(np.asarray(data.x), np.asarray(data.left))
    fit = Fit.of(settings, phase, system, blocks)
    begun = fit.start(system, seed)
    for _, state, _ in fit.compiled(begun)(begun):
        system = state.system
    cache.save("flat_encoder", seed, phase.epochs, system)
    return system


def distance_report(cache: Cache, split: str, *, twin: bool, console: Console) -> dict[str, Any]:
    """How distances rank with time in the split, and by how much they distort it: of our latents, of those
    of the flat twin where `twin`, and of standardised features.

    The time between two frames of an episode is how long it took to get from one to the other, so at least
    as long as it must take. Raises `InputError` where no episode has so many frames.
    """
    encoded = cache.encoded
    dataset, c = encoded.dataset, encoded.settings.encoder.curvature
    first, last, episode = _pairs(dataset.frames.offsets, dataset.split[split])
    if not len(first):
        raise InputError(
            f"{dataset.frames.source}: no {split} episode has more than {LEAST} frames, so that --distances "
            "has nothing to compare; use longer episodes."
        )
    z, x = encoded.latents.z, dataset.x
    found = {
        BALL: np.asarray(distance(jnp.asarray(z[first]), jnp.asarray(z[last]), c)),
        FEATURES: np.linalg.norm(x[first] - x[last], axis=1),
    }
    if twin:
        flat = encode_all(flat_encoder(cache), jnp.asarray(x)).z
        found[TWIN] = np.asarray(distance(flat[first], flat[last], FLAT))
    frames = (last - first).astype(float)
    console.print("ranking distances ...")
    bands = {"all": np.ones(len(frames), bool)}
    bands |= {name: thirds(frames) == i for i, name in enumerate(BANDS)}
    report: dict[str, Any] = {"pairs": len(first), "frames": {}, "rows": {}}
    for name, chosen in bands.items():
        report["frames"][name] = [int(frames[chosen].min()), int(frames[chosen].max())]
    for row, distances in found.items():
        report["rows"][row] = {
            "spearman": {
                name: _with_interval(spearman, distances[b], frames[b], episode[b])
                for name, b in bands.items()
            },
            "distortion": _with_interval(distortion, distances, frames, episode),
        }
    return report


def _pairs(
    offsets: Int[np.ndarray, " borders"], episodes: Int[np.ndarray, " E"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last frame of each pair, and its episode: as many pairs of each, all frames alike likely."""
    rng, parts = np.random.default_rng(0), []
    each = -(-PAIRS // len(episodes))
    for e in episodes:
        begin, end = int(offsets[e]), int(offsets[e + 1])
        if end - begin > LEAST:
            first = rng.integers(begin, end - LEAST, each)
            last = first + LEAST + (rng.random(each) * (end - LEAST - first)).astype(int)
            parts.append((first, last, np.full(each, e)))
    none = (np.zeros(0, int),) * 3
    return tuple(np.concatenate(p) for p in zip(*(parts or [none]), strict=True))  # pyright: ignore


def spearman(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " N"]) -> float:
    """The correlation of ranks; 0 where one of both is constant."""
    ranks = [rankdata(v) - (len(v) + 1) / 2 for v in (a, b)]
    size = np.sqrt(np.prod([np.sum(r**2) for r in ranks]))
    return float(np.sum(ranks[0] * ranks[1]) / size) if size > 0 else 0.0


def distortion(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " N"]) -> float:
    """The standard deviation of the logarithm of a / b: 0 where they are the same but for a factor."""
    return float(np.std(np.log(np.maximum(a, 1e-6) / b)))


def _with_interval(
    measure: Callable[[np.ndarray, np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    episode: np.ndarray,
) -> list[float]:
    """What is measured, and the 95 % interval over episodes."""
    rng, names = np.random.default_rng(0), np.unique(episode)
    rows = [np.flatnonzero(episode == e) for e in names]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        drawn.append(measure(a[chosen], b[chosen]))
    found = interval(np.array([measure(a, b)]), np.array(drawn)[:, None]).scalar()
    return [float(value) for value in (found.mean, found.low, found.high)]
