"""How the cost of a rollout grows with its sizes, and which term of the mathematics that growth is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from gyrax.atlas.centers import spread_centers
from gyrax.bench.growth_figure import draw_growth
from gyrax.bench.setup import Note
from gyrax.bench.timing import time_together
from gyrax.runtime.device import compiled
from gyrax.training.build import build_world_model
from gyrax.training.presets import DOCUMENT, load_preset, make_settings

AXES: dict[str, tuple[int, ...]] = {
    "batch": (64, 256, 1024, 4096),
    "dimension": (2, 4, 8, 16, 32, 64),
    "charts": (4, 16, 64, 256),
    "d_model": (32, 128, 512, 1024),
    "horizon": (2, 7, 14, 28),
    "substeps": (1, 2, 4, 8),
}
HEADS = 4  # critic, risk, control and curl, evaluated together


DOCUMENT_SETTINGS = load_preset(DOCUMENT)


class Sizes(NamedTuple):
    """What the cost of a rollout depends on; the document's sizes unless said otherwise."""

    batch: int = DOCUMENT_SETTINGS.training.batch_size
    dimension: int = DOCUMENT_SETTINGS.encoder.latent_dim
    charts: int = DOCUMENT_SETTINGS.encoder.num_charts
    d_model: int = DOCUMENT_SETTINGS.world_model.d_model
    horizon: int = DOCUMENT_SETTINGS.training.horizon
    substeps: int = DOCUMENT_SETTINGS.integration.substeps
    actions: int = DOCUMENT_SETTINGS.data.action_dim


def predicted_operations(s: Sizes) -> dict[str, float]:
    """Floating-point operations of a rollout by BAOAB, term by term.

    A force is evaluated twice a step, at F = D + D(D + 1)/2 features of z; what is folded is made once
    a batch.
    """
    d, k, w = s.dimension, s.charts, s.d_model
    features, slots = d + d * (d + 1) // 2, s.actions + k
    out = max(d + 1, d * (d - 1) // 2)
    frames = s.batch * s.horizon
    forces = 2 * s.substeps * frames
    scores = forces * HEADS * slots + 4 * k * frames
    return {
        "scores: heads x slots x features": 2.0 * features * scores,
        "values: heads x slots x outputs": 2.0 * forces * HEADS * slots * out,
        "rotation: D³ solve": 2 / 3 * d**3 * forces if d > 3 else 12.0 * forces,
        "flows: some 300 operations a coordinate": 300.0 * s.substeps * frames * d,
        "folding: d_model² x (features + outputs)": 10.0 * w * (w + slots) * (features + 2 * out),
        "jump rotations: K² D³": 2.0 * k * k * d**3,
    }


def bench_growth(rounds: int, out: Path, note: Note) -> dict[str, Any]:
    """Time rollouts along every axis, draw them, and name the term that dominates each axis' end."""
    axes = {}
    for axis, values in AXES.items():
        rows = []
        for value in values:
            note(f"{axis} {value}")
            sizes = Sizes()._replace(**{axis: value})
            timing = time_together({"rollout": _rollout(sizes)}, rounds)["rollout"]
            rows.append(timing.report() | {"value": value, "terms": predicted_operations(sizes)})
        axes[axis] = {"rows": rows} | dominant_term(rows)
    return {"axes": axes, "figure": str(draw_growth(axes, out / "growth.png"))}


def _rollout(sizes: Sizes) -> Callable[[], Any]:
    given = {
        "latent_dim": sizes.dimension,
        "num_charts": sizes.charts,
        "wm_d_model": sizes.d_model,
        "wm_substeps": sizes.substeps,
    }
    settings = make_settings(DOCUMENT, given)
    c = settings.encoder.curvature
    centers = spread_centers(sizes.charts, sizes.dimension, c=c, key=jr.key(0))
    model = build_world_model(settings, centers, key=jr.key(1))
    z0 = 0.3 * jr.normal(jr.key(2), (sizes.batch, sizes.dimension)) / sizes.dimension**0.5
    actions = jr.normal(jr.key(3), (sizes.batch, sizes.horizon, sizes.actions))
    w0 = jnp.full((sizes.batch, sizes.charts), 1.0 / sizes.charts)
    keys = jr.split(jr.key(4), sizes.batch)

    @eqx.filter_jit
    def roll(model: Any, *batch: Any) -> Any:
        return jax.vmap(lambda z, a, w, key: model.rollout(z, a, w, key=key))(*batch)

    program = compiled(roll, model, z0, actions, w0, keys)
    return lambda: program(model, z0, actions, w0, keys)


def dominant_term(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The largest term at the end of an axis, and the slopes there, in logarithms, of time and terms."""
    before, last = rows[-2], rows[-1]
    term = max(last["terms"], key=last["terms"].get)
    total = [sum(row["terms"].values()) for row in (before, last)]
    step = np.log(last["value"] / before["value"])
    slope = float(np.log(last["ms"] / before["ms"]) / step)
    expected = float(np.log(total[1] / total[0]) / step)
    share = last["terms"][term] / total[1]
    text = (
        f"{rows[0]['value']} to {last['value']}: {rows[0]['ms']:.1f} to {last['ms']:.1f} ms, last slope "
        f"{slope:.2f} ({expected:.2f} by count); {term}, {share:.0%} of the operations"
    )
    return {"term": term, "share": share, "slope": slope, "expected_slope": expected, "text": text}
