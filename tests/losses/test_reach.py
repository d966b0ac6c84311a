"""The loss that makes distance tell time: closed forms, its multiplier, and what it converges to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy.stats import spearmanr

from gyrax.geometry import exp_map
from gyrax.losses.reach import LONGEST_GAP, PUSH, TOLERANCE, Later, draw_gaps, excess, reach
from gyrax.model import TimeToGo


def on_a_line(distances):
    """Points of the ball at these distances from the origin, all in one direction."""
    return jnp.stack([jnp.tanh(jnp.asarray(distances) / 2), jnp.zeros(len(distances))], axis=1)


def test_the_excess_is_that_of_the_definition(x64):
    """Ways of 2, 6 and 1 frames that took 4, 2 and 0: one is too long, and the last does not count."""
    time = TimeToGo(jnp.log(jnp.asarray(2.0)), jnp.zeros(()))
    later = Later(on_a_line([1.0, 3.0, 0.5]), jnp.array([4, 2, 0]))
    have = excess(time, on_a_line([0.0, 0.0, 0.0]), later, 1.0)
    np.testing.assert_allclose(have, (3.0 - 1.0) ** 2 / 2 - TOLERANCE**2, rtol=1e-9)


def test_pairs_are_pushed_apart_and_the_multiplier_ascends(x64):
    key = jr.key(0)
    z, following = (0.3 * jr.normal(k, (8, 3)) for k in jr.split(key))
    later = Later(following, jnp.ones(8, int))
    time = TimeToGo(jnp.asarray(1.0), jnp.asarray(0.3))
    over, multiplier = excess(time, z, later, 1.0), jnp.exp(time.log_multiplier)
    others = np.stack([np.roll(z, i + 1, axis=0) for i in range(7)])
    frames = np.e * np.vectorize(poincare, signature="(d),(d)->()")(others, following[None])
    want = multiplier * over - PUSH * np.log1p(frames).mean()
    np.testing.assert_allclose(reach(time, z, later, 1.0), want, rtol=1e-9)
    slope = jax.grad(lambda t: reach(t, z, later, 1.0))(time).dual
    ascent = jax.grad(lambda dual: TimeToGo(time.log_frames, dual).log_multiplier)(time.dual)
    np.testing.assert_allclose(slope, -over * ascent, rtol=1e-9)


def poincare(a, b):
    """The distance by its textbook form."""
    gap = np.sum((a - b) ** 2) / ((1 - np.sum(a**2)) * (1 - np.sum(b**2)))
    return np.arccosh(1 + 2 * gap)


def test_gaps_are_even_in_the_logarithm_and_end_with_the_episode():
    gaps = np.asarray(draw_gaps(jr.key(0), jnp.full(100_000, 1000)))
    assert gaps.min() == 1 and gaps.max() == LONGEST_GAP
    for gap in (1, 4, LONGEST_GAP):
        share = np.log((gap + 1) / gap) / np.log(LONGEST_GAP + 1)
        np.testing.assert_allclose(np.mean(gaps == gap), share, rtol=0.05)
    assert np.asarray(draw_gaps(jr.key(0), jnp.arange(4))).tolist()[0] == 0
    assert (np.asarray(draw_gaps(jr.key(1), jnp.arange(4))) <= np.arange(4)).all()


@pytest.mark.parametrize("c", [1.0, 1e-8])
def test_a_folded_path_unfolds(c):
    """States along a path that starts folded up: the farthest that neighbours allow is a straight line, so
    that distance becomes time, in the ball and in flat space."""
    count = 24
    angle = jnp.linspace(0.0, 1.7 * jnp.pi, count)
    tangents = 0.1 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    points = lambda v: exp_map(jnp.zeros_like(v), v, c)
    first, last = points(tangents[:1]), points(tangents[1:2])
    time = TimeToGo.create()
    time = time.started(np.asarray(time.frames(first, last, c)))
    adam, batch = optax.adam(3e-3), 64

    def step(carry, key):
        trained, state = carry
        rows, gaps = jr.randint(jr.fold_in(key, 1), (batch,), 0, count), jr.fold_in(key, 2)

        def loss(trained):
            tangents, time = trained
            gap = draw_gaps(gaps, count - 1 - rows)
            z = points(tangents)
            return reach(time, z[rows], Later(z[rows + gap], gap), c)

        change, state = adam.update(jax.grad(loss)(trained), state)
        return (optax.apply_updates(trained, change), state), None

    start = (tangents, time), adam.init((tangents, time))
    run = eqx.filter_jit(lambda s, keys: jax.lax.scan(step, s, keys)[0])
    (tangents, time), _ = run(start, jr.split(jr.key(0), 3000))
    rank = lambda v: (
        spearmanr(
            np.asarray(time.frames(points(v)[:, None], points(v)[None], c)).ravel(),
            np.abs(np.subtract.outer(np.arange(count), np.arange(count))).ravel(),
        ).statistic
    )
    assert rank(start[0][0]) < 0.95
    assert rank(tangents) > 0.99
