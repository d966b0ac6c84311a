"""The optimiser on one vector against optax's AdamW on the tree."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from gyrax.model.forecaster import ENCODER, WORLD_MODEL
from gyrax.training.optimiser import WARMUP, make_optimiser
from gyrax.training.presets import load_preset

RATES = {ENCODER: 1e-2, WORLD_MODEL: 3e-2}
UPDATES = 40
LABELS = {"encoder": {"w": ENCODER}, "world": {"w": WORLD_MODEL, "b": WORLD_MODEL}}


def problem():
    """Parameters of both groups, matrices and vectors, and gradients that are clipped in some steps."""
    keys = iter(jr.split(jr.key(0), 9))
    shapes = {"encoder": {"w": (3, 2)}, "world": {"w": (2, 4), "b": (4,)}}
    draw = lambda: jax.tree.map(
        lambda shape: jr.normal(next(keys), shape), shapes, is_leaf=lambda x: isinstance(x, tuple)
    )
    params, first, second = draw(), draw(), draw()
    mix = lambda t: jax.tree.map(lambda a, b: (0.2 + t / 20) * (jnp.cos(t) * a + b), first, second)
    return params, [mix(t) for t in range(UPDATES)]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_is_adamw_with_a_rate_a_group_and_decay_of_the_world_models_matrices(schedule, decay, x64):
    settings = replace(
        load_preset("document").training, schedule=schedule, weight_decay=decay, grad_clip=2.0
    )
    params, gradients = problem()
    norms = [float(jnp.linalg.norm(ravel_pytree(g)[0])) for g in gradients]
    assert min(norms) < 2.0 < max(norms)
    rising = round(WARMUP * UPDATES)
    shape = optax.warmup_cosine_decay_schedule(0.0, 1.0, rising, UPDATES)

    def adamw(group):
        rate = RATES[group]
        decayed = decay if group == WORLD_MODEL else 0.0
        return optax.adamw(
            (lambda t: rate * shape(t)) if schedule == "cosine" else rate,
            weight_decay=decayed,
            mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
        )

    tree = optax.chain(
        optax.clip_by_global_norm(2.0),
        optax.multi_transform({group: adamw(group) for group in RATES}, LABELS),
    )
    own = make_optimiser(settings, RATES, LABELS, params, UPDATES)
    vector, unravel = ravel_pytree(params)
    state, own_state, expected = tree.init(params), own.init(vector), params
    step = jax.jit(lambda g, s, p: tree.update(g, s, p))
    own_step = jax.jit(lambda g, s, v: own.update(g, s, v))
    for gradient in gradients:
        change, state = step(gradient, state, expected)
        expected = optax.apply_updates(expected, change)
        change, own_state = own_step(ravel_pytree(gradient)[0], own_state, vector)
        vector = optax.apply_updates(vector, change)
    assert float(jnp.abs(ravel_pytree(params)[0] - vector).max()) > 0.1
    for a, b in zip(jax.tree.leaves(unravel(vector)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
