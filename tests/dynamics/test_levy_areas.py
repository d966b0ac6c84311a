"""Lévy areas of presampled noise: their joint law, how they compose, and their derivatives."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax import PresampledPath, simulate

AREA = diffrax.SpaceTimeTimeLevyArea
SPANS = ((0.0, 2.0), (0.125, 0.875), (0.5, 0.625), (0.25, 1.875))


@eqx.filter_jit
def areas(path, begin, end):
    return path.evaluate(begin, end, use_levy=True)


def moments(path_of, keys):
    """The covariance of W, H and K over overlapping intervals of one to sixteen cells."""

    def read(key):
        path = path_of(key)
        made = jax.vmap(lambda a, b: path.evaluate(a, b, use_levy=True))(*jnp.array(SPANS).T)
        return jnp.stack([made.W, made.H, made.K], axis=1).ravel()

    return np.cov(np.asarray(jax.jit(jax.vmap(read))(keys)).T)


@pytest.mark.parametrize("size", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_the_joint_law_is_that_of_the_tree(size):
    keys = jr.split(jr.key(0), size)
    ours = moments(lambda k: PresampledPath.sample(0.0, 2.0, 16, (), key=k, levy_area=AREA), keys)
    tree = moments(
        lambda k: diffrax.VirtualBrownianTree(0.0, 2.0, 2**-6, (), k, levy_area=AREA), keys
    )
    spread = np.sqrt(np.diag(tree))
    assert np.abs((ours - tree) / np.outer(spread, spread)).max() < 5.0 * (2.0 / size) ** 0.5
    for k, (begin, end) in enumerate(SPANS):
        exact = (end - begin) * np.array([1.0, 1 / 12, 1 / 720])
        assert np.allclose(
            np.diag(ours)[3 * k : 3 * k + 3] / exact, 1.0, atol=5.0 * (2 / size) ** 0.5
        )


@pytest.mark.parametrize("cells", [1, 2, 5, 12])
def test_areas_of_several_cells_are_the_integrals(cells, x64):
    """Without areas of their own the cells are straight lines, whose H and K are plain integrals."""
    steps = jr.normal(jr.key(0), (cells, 2))
    flat = jnp.zeros((cells, 2))
    given = AREA(dt=jnp.full(cells, 1.0), W=steps, H=flat, K=flat)
    path = PresampledPath.from_increments(0.0, float(cells), given)
    values = np.asarray(path.values)
    for i in range(cells):
        for j in range(i + 1, cells + 1):
            found = areas(path, jnp.array(float(i)), jnp.array(float(j)))
            r = np.linspace(i, j, 4000 * (j - i) + 1)
            w = (
                np.stack([np.interp(r, np.arange(cells + 1), v) for v in values.T])
                - values[i][:, None]
            )
            bridge = w - (r - i) / (j - i) * w[:, -1:]
            assert np.allclose(found.W, w[:, -1])
            assert np.allclose(found.H, np.trapezoid(bridge, r) / (j - i), atol=1e-6)
            kernel = bridge * ((j + i) / 2 - r)
            assert np.allclose(found.K, np.trapezoid(kernel, r) / (j - i) ** 2, atol=1e-6)


@pytest.mark.parametrize("kind", [diffrax.SpaceTimeLevyArea, AREA])
def test_a_path_read_from_a_tree_has_its_areas(kind, x64):
    tree = diffrax.VirtualBrownianTree(0.0, 1.0, 2**-8, (2,), jr.key(0), levy_area=kind)
    path = eqx.filter_jit(PresampledPath.from_path)(tree, 0.0, 1.0, 16)
    for begin, end in ((0.0, 1.0), (0.25, 0.3125), (0.125, 0.9375)):
        times = jnp.array(begin), jnp.array(end)
        ours, theirs = (areas(p, *times) for p in (path, tree))
        assert type(ours) is kind
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert np.allclose(a, b, atol=1e-12)


def test_long_paths_keep_their_digits():
    """In float32, after thousands of cells; sums from the start would have lost them."""
    kind, count = diffrax.SpaceTimeLevyArea, 2**12

    @eqx.filter_jit
    def last(key):
        path = PresampledPath.sample(0.0, 1.0, count, (), key=key, levy_area=kind)
        return path.evaluate(1.0 - 4 / count, 1.0, use_levy=True), path.levels[0]

    found, cells = last(jr.key(0))
    (w, h), n = (np.asarray(x[-4:], float) for x in cells), 4
    total = sum(h) + sum(0.5 * w) + sum(w[k] * (n - 1 - k) for k in range(n))
    assert pytest.approx(total / n - 0.5 * sum(w), rel=1e-5) == found.H


def drift(t, y, args):
    return jax.tree.map(lambda x: args * jnp.sin(x), y)


def noise(t, y, args):
    return {"a": jnp.eye(2), "b": jnp.ones((1, 1))}


SHAPE = {"a": jax.ShapeDtypeStruct((2,), "float64"), "b": jax.ShapeDtypeStruct((1,), "float64")}


@pytest.mark.parametrize("cells", [8, 24])
def test_gradients_are_those_of_finite_differences(cells, x64):
    """With one cell a step, and with three."""
    kind = diffrax.SpaceTimeLevyArea
    y0 = {"a": jnp.array([0.3, -0.2]), "b": jnp.array([1.0])}
    path = PresampledPath.sample(0.0, 1.0, cells, SHAPE, key=jr.key(0), levy_area=kind)
    increments = kind(None, *path.levels[0])

    @jax.jit
    def end(rate, increments):
        path = PresampledPath.from_increments(0.0, 1.0, increments)
        terms = diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(noise, path))
        made = simulate(terms, diffrax.ShARK(), 0.0, 1.0, 1 / 8, y0, rate)
        return sum(jnp.sum(x) for x in jax.tree.leaves(made.ys))

    rate = jnp.array(1.3)
    by_rate, by_noise = jax.jit(jax.grad(end, argnums=(0, 1)))(rate, increments)
    difference = lambda f: float(f(1e-6) - f(-1e-6)) / 2e-6
    assert by_rate == pytest.approx(difference(lambda h: end(rate + h, increments)), rel=1e-7)
    bent = lambda h: kind(
        None, increments.W, {**increments.H, "a": increments.H["a"].at[3, 1].add(h)}
    )
    assert by_noise.H["a"][3, 1] == pytest.approx(
        difference(lambda h: end(rate, bent(h))), rel=1e-6
    )


BAD = {
    "unknown area": (
        dict(levy_area=float),
        r"levy_area is .*must be one of diffrax.BrownianIncrement",
    ),
    "integers": (dict(shape=jax.ShapeDtypeStruct((2,), int)), r"of jax.ShapeDtypeStruct of floats"),
    "no shape": (dict(shape="x"), r"holds 'x'; give a number, a tuple"),
    "no cells": (dict(cells=0), r"cells is 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_sampled_is_refused(case):
    change, says = BAD[case]
    given = dict(t0=0.0, t1=1.0, cells=4, shape=2, key=jr.key(0)) | change
    with pytest.raises(ValueError, match=says):
        PresampledPath.sample(**given)
