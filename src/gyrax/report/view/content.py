"""What the page shows, computed: forecasts from several starts of some episodes, beside the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gyrax._errors import InputError
from gyrax.evaluation.encoded import Encoded, Selection
from gyrax.evaluation.evaluate import window_temperatures
from gyrax.evaluation.forecasts import decode, rollouts
from gyrax.evaluation.sampling import sample_forecasts
from gyrax.planning.robot import short
from gyrax.report.view.packing import packed
from gyrax.report.view.robot import Robot, robot_of
from gyrax.runtime.drawing import principal_plane

STARTS = 12
"""Most starts of an episode."""
CLOUD = 800
"""Most frames that show where the charts are."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of M windows, beside the truth.

    **Fields:** `chosen`, the windows; `start`, the last frame that each knows, in its episode; `points`, and
    the `features` that they are decoded to, standardised; `charts`, and where it `jumped`; `fan`, sampled
    forecasts, of which there may be none.
    """

    chosen: Selection
    start: np.ndarray
    points: Float[np.ndarray, "M H D"]
    features: Float[np.ndarray, "M H kept"]
    charts: np.ndarray
    jumped: np.ndarray
    fan: Float[np.ndarray, "M samples H D"]

    @property
    def horizon(self) -> int:
        """Frames of a forecast."""
        return self.points.shape[1]


def make_forecasts(
    encoded: Encoded, split: str, *, horizon: int, episodes: int, samples: int
) -> tuple[Forecasts, list[str]]:
    """Forecasts from starts at even intervals in so many episodes of a split, and remarks for the reader.

    The horizon is shorter where no episode is so long. Raises `InputError` where none has any to forecast.
    """
    context, offsets = encoded.settings.integration.context, encoded.dataset.frames.offsets
    longest = int(np.diff(offsets)[encoded.dataset.split[split]].max()) - context
    every = encoded.windows(split, min(horizon, longest)) if longest > 0 else None
    if every is None:
        raise InputError(
            f"{encoded.dataset.frames.source}: no {split} episode has the {context + 1} frames of the "
            "shortest window; use longer episodes."
        )
    whole = np.unique(every.episode)
    rows = [
        _spread(np.flatnonzero(every.episode == episode), STARTS)
        for episode in _spread(whole, episodes)
    ]
    first = {episode: int(np.argmax(every.episode == episode)) for episode in whole}
    chosen = every.take(np.concatenate(rows))
    begins = np.array([first[episode] for episode in chosen.episode])
    remarks = []
    if every.short:
        left = ", ".join(map(str, every.short))
        remarks.append(f"Too short for {every.window.horizon} frames: episodes {left}.")
    system = encoded.trained.system
    rolled = rollouts(system, chosen.window)
    assert rolled.trajectory is not None
    fan = np.zeros((len(chosen), 0, *rolled.points.shape[1:]), np.float32)
    if samples:
        try:
            fan = _fan(encoded, chosen, samples)
        except InputError as error:
            remarks.append(f"There is no fan of samples: {error}")
    return Forecasts(
        chosen,
        np.concatenate(rows) - begins + context - 1,
        np.asarray(rolled.points),
        decode(system, rolled.points),
        np.asarray(rolled.trajectory.chart_logits).argmax(-1),
        np.asarray(rolled.trajectory.jump_mask),
        fan,
    ), remarks


def _spread(values: np.ndarray, most: int) -> np.ndarray:
    return values[np.unique(np.linspace(0, len(values) - 1, most).astype(int))]


def _fan(encoded: Encoded, chosen: Selection, samples: int) -> np.ndarray:
    system, seed = encoded.trained.system, encoded.settings.training.run.seed
    (temperature,) = window_temperatures([system], [seed], encoded, chosen, samples)
    rows = np.arange(len(chosen))
    drawn = sample_forecasts(
        system, chosen, samples, seed=seed, shown=rows, temperature=temperature
    )
    return drawn.cloud


def page_content(encoded: Encoded, split: str, found: Forecasts, fps: float) -> dict[str, Any]:
    """What the page is told, as JSON has it; the pictures of a camera are not among it."""
    dataset, chosen = encoded.dataset, found.chosen
    z = encoded.latents.z[dataset.frames.rows(dataset.split[split])]
    plane, share = _directions(z)
    normaliser, frames = dataset.normaliser, dataset.frames
    error = np.zeros(len(normaliser.kept))
    error[normaliser.kept] = np.sqrt(np.mean((found.features - chosen.truth) ** 2, axis=(0, 1)))
    robot = robot_of(frames.columns, error, normaliser.kept)
    scores = _scores(encoded, found)
    return {
        "split": split,
        "fps": fps,
        "c": chosen.c,
        "horizon": found.horizon,
        "context": encoded.settings.integration.context,
        "dimension": z.shape[1],
        "share": share,
        "samples": found.fan.shape[1],
        "cloud": _cloud(encoded, split, plane),
        "charts": encoded.settings.encoder.num_charts,
        "actions": [short(name) for name in frames.action_columns],
        "robot": robot.scene,
        "mean": {name: np.round(values.mean(0), 6).tolist() for name, values in scores.items()},
        "forecasts": len(chosen),
        "episodes": [
            _episode(encoded, found, scores, np.flatnonzero(chosen.episode == e), plane, robot)
            for e in np.unique(chosen.episode)
        ],
    }


def _directions(z: np.ndarray) -> tuple[np.ndarray, float]:
    """The first three principal directions (D, 3), zeros where D is 2, and their share of the variance."""
    plane = principal_plane(z, 3)
    plane = np.pad(plane, ((0, 0), (0, 3 - plane.shape[1])))
    return plane, float((z @ plane).var(0).sum() / z.var(0).sum())


def _cloud(encoded: Encoded, split: str, plane: np.ndarray) -> dict[str, Any]:
    rows = _spread(encoded.dataset.frames.rows(encoded.dataset.split[split]), CLOUD)
    latents = encoded.latents
    return {"points": packed(latents.z[rows] @ plane), "chart": latents.chart[rows].tolist()}


def _scores(encoded: Encoded, found: Forecasts) -> dict[str, np.ndarray]:
    """Errors (M, H): geodesic ones and of standardised features, of the forecasts and of standing still."""
    chosen, frames = found.chosen, encoded.dataset.frames
    known = frames.offsets[chosen.episode] + found.start
    root = lambda x: np.sqrt(np.mean((x - chosen.truth) ** 2, axis=-1))
    still = np.broadcast_to(chosen.window.context[:, -1:], found.points.shape)
    return {
        "geodesic": chosen.errors(found.points),
        "geodesic_still": chosen.errors(still),
        "feature": root(found.features),
        "feature_still": root(encoded.dataset.x[known][:, None]),
    }


def _episode(
    encoded: Encoded,
    found: Forecasts,
    scores: dict[str, np.ndarray],
    rows: np.ndarray,
    plane: np.ndarray,
    robot: Robot,
) -> dict[str, Any]:
    dataset, latents, c = encoded.dataset, encoded.latents, found.chosen.c
    number = int(found.chosen.episode[rows[0]])
    span = slice(*dataset.frames.offsets[number : number + 2])
    z, points, fan = latents.z[span], found.points[rows], found.fan[rows]
    known = z[found.start[rows], None]
    target = np.asarray(found.chosen.window.target)[rows]
    off = np.linalg.norm(points - target, axis=-1, keepdims=True)
    sampled_from = np.broadcast_to(known[:, None], (*fan.shape[:2], 1, z.shape[1]))
    restored = dataset.normaliser.restored(found.features[rows])[..., robot.columns]
    columns = np.stack([values[rows] for values in scores.values()], axis=-1)
    return {
        "number": number,
        "length": len(z),
        "starts": found.start[rows].tolist(),
        "truth": packed(_path(z, z[:1], plane, c)),
        "chart": latents.chart[span].tolist(),
        "forecast": packed(np.concatenate([_path(points, known, plane, c), off], axis=-1)),
        "chart_forecast": found.charts[rows].tolist(),
        "jumps": [np.flatnonzero(row).tolist() for row in found.jumped[rows]],
        "fan": packed(_path(fan, sampled_from, plane, c)) if fan.size else None,
        "seen": packed(dataset.loaded.features[span][:, robot.columns]),
        "foreseen": packed(restored),
        "actions": packed(dataset.loaded.actions[span]),
        "errors": packed(columns),
    }


def _path(
    points: Float[np.ndarray, "*batch n D"], before: Float[np.ndarray, "*batch 1 D"],
    plane: Float[np.ndarray, "D 3"], c: float,
) -> Float[np.ndarray, "*batch n 5"]:  # fmt: skip
    """Each point in three directions, log(1 − c‖z‖²), and its Euclidean distance from the one before: all
    that the picture of the geodesic between two points of D coordinates depends on."""
    z = np.asarray(points, np.float64)
    gap = np.log(1.0 - c * np.sum(z**2, axis=-1, keepdims=True))
    earlier = np.concatenate([np.asarray(before, np.float64), z[..., :-1, :]], axis=-2)
    step = np.linalg.norm(z - earlier, axis=-1, keepdims=True)
    return np.concatenate([z @ plane, gap, step], axis=-1)
