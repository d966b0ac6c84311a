"""Presampled noise: the numbers of the tree it is read from, the law of Brownian motion, and its limits."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import bumpy, compiled_integrate, start, terms_of, tree_of

from gyrax import GeodesicSplitting, PresampledPath
from gyrax.dynamics import integrate

H = 1 / 32


@pytest.mark.parametrize("word", ["obabo", "oabaobo"])
def test_a_path_read_from_a_tree_gives_the_trees_numbers(word, x64):
    tree = tree_of(1.0, H / 16, 2, jr.key(0))
    cells = 32 * word.count("o")
    path = PresampledPath.from_path(tree, 0.0, 1.0, cells)
    ends = [
        compiled_integrate(
            terms_of(bumpy, friction=1.0, temperature=0.3, path=p),
            GeodesicSplitting(word), 0.0, H, 32, start(2),
        )
        for p in (tree, path)
    ]  # fmt: skip
    # Thirds of a step are no binary fractions: the tree then answers to within sqrt(rounding) in time.
    bar = 1e-12 if word.count("o") < 3 else 1e-6
    assert jnp.abs(ends[0].z - ends[1].z).max() < bar
    assert jnp.abs(ends[0].p - ends[1].p).max() < bar


def test_increments_have_the_law_of_brownian_motion(dtype):
    path = PresampledPath.sample(2.0, 5.0, 6000, 3, key=jr.key(0), dtype=dtype)
    assert path.values.dtype == dtype
    steps = np.diff(np.asarray(path.values, float), axis=0)
    assert steps.var() == pytest.approx(3.0 / 6000, rel=0.03)
    assert abs(np.corrcoef(steps[1:, 0], steps[:-1, 0])[0, 1]) < 0.04
    whole = path.evaluate(2.0, 5.0)
    assert whole.dtype == dtype
    assert jnp.allclose(whole, path.evaluate(2.0, 3.0) + path.evaluate(3.0, 5.0), atol=1e-4)
    assert jnp.allclose(path.evaluate(5.0), whole)
    levy = path.evaluate(2.0, 3.0, use_levy=True)
    assert isinstance(levy, diffrax.BrownianIncrement) and levy.dt == 1.0


def test_sample_and_from_increments_agree():
    path = PresampledPath.sample(0.0, 1.0, 8, 2, key=jr.key(0))
    again = PresampledPath.from_increments(0.0, 1.0, jnp.diff(path.values, axis=0))
    assert jnp.allclose(path.values, again.values, atol=1e-6)


@pytest.mark.parametrize(("t0", "t1"), [(0.0, 0.3), (0.25, 0.5625), (-0.25, 0.0), (0.5, 1.25)])
def test_times_off_the_grid_are_refused(t0, t1):
    path = PresampledPath.sample(0.0, 1.0, 8, 2, key=jr.key(0))
    ask = eqx.filter_jit(lambda t0, t1: path.evaluate(t0, t1))
    assert jnp.isfinite(ask(jnp.array(0.25), jnp.array(1.0))).all()
    with pytest.raises(
        RuntimeError, match=r"holds Brownian motion at 9 equally spaced times.*Tree"
    ):
        ask(jnp.array(t0), jnp.array(t1))


def test_a_step_that_does_not_fit_the_grid_is_refused():
    path = PresampledPath.sample(0.0, 1.0, 32, 2, key=jr.key(0))
    terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=path)
    with pytest.raises(RuntimeError, match="k cells a step"):
        jax.block_until_ready(integrate(terms, GeodesicSplitting("OBABO"), 0.0, H, 4, start(2)))
    with pytest.raises(RuntimeError, match="k cells a step"):
        diffrax.diffeqsolve(terms, GeodesicSplitting(), 0.0, 1.0, 0.7 * H, start(2))


def test_rounding_in_the_times_is_not_taken_for_a_point_off_the_grid():
    """float32 times that a solver adds up drift; ten thousand of them still find their cells."""
    path = PresampledPath.sample(0.0, 10.0, 10_000, 2, key=jr.key(0))
    times = jnp.cumsum(jnp.full(3_000, 1e-3, jnp.float32))
    assert jnp.isfinite(eqx.filter_jit(eqx.filter_vmap(path.evaluate))(0.0 * times, times)).all()


def test_a_tree_that_ends_too_soon_is_refused(x64):
    terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=tree_of(0.5, H / 2, 2, jr.key(0)))
    with pytest.raises(RuntimeError, match="outside of its range"):
        diffrax.diffeqsolve(terms, GeodesicSplitting(), 0.0, 1.0, H, start(2))


def test_a_tree_serves_a_last_step_that_rounding_puts_past_its_end(x64):
    assert 7 * 0.1 > 0.7
    terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=tree_of(0.7, 0.05, 2, jr.key(0)))
    end = compiled_integrate(terms, GeodesicSplitting(), 0.0, 0.1, 7, start(2))
    assert jnp.isfinite(end.z).all()


@pytest.mark.parametrize("cells", [0, -3])
def test_a_path_without_cells_is_refused(cells):
    with pytest.raises(ValueError, match=f"cells is {cells}"):
        PresampledPath.sample(0.0, 1.0, cells, 2, key=jr.key(0))
    with pytest.raises(ValueError, match=f"cells is {cells}"):
        PresampledPath.from_path(tree_of(1.0, H, 2, jr.key(0)), 0.0, 1.0, cells)
