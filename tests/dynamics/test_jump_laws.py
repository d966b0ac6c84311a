"""Jumps of any equation against laws in closed form."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import OPTIMISED, tree_of
from scipy import stats

from gyrax import JumpProcess, simulate
from gyrax.dynamics.superposition import Line

SIZES = [4_000, pytest.param(100_000, marks=pytest.mark.slow)]
STILL = diffrax.ODETerm(lambda t, y, args: jax.tree.map(jnp.zeros_like, y))


@functools.cache
def compiled(chain):
    """`chain(key)`, of many keys at once."""
    return eqx.filter_jit(jax.vmap(chain), compiler_options=OPTIMISED)


def sampled(chain, size, seed=0):
    made = compiled(chain)(jr.split(jr.key(seed), size))
    return jax.tree.map(np.asarray, made)


def agree(samples, mean, variance=None):
    """The mean, and the variance, within three standard errors; and within 1 % where those are smaller."""
    samples = np.asarray(samples, float)
    error = 3.0 * samples.std() / len(samples) ** 0.5
    assert abs(samples.mean() - mean) < error + 1e-6
    if error < 0.01 * abs(mean):
        assert samples.mean() == pytest.approx(mean, rel=0.01)
    if variance is not None:
        agree((samples - samples.mean()) ** 2, variance)


# Jumps of normal size, alone and on top of Brownian motion with a drift.
RATE, SIZE, SPREAD, DRIFT, SIGMA = 3.0, 0.4, 0.6, 0.5, 0.8
SHOTS = JumpProcess(
    rate=lambda t, y, args: RATE,
    apply=lambda t, y, args, mark: y + mark,
    mark=lambda t, y, args, key: SIZE + SPREAD * jr.normal(key),
)


def compound_poisson(key):
    return simulate(STILL, diffrax.Euler(), 0.0, 1.0, 0.25, 0.0, key=key, jumps=SHOTS, max_jumps=40)


def merton(key):
    noise, own = jr.split(key)
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 0.01, (), noise)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, args: DRIFT),
        diffrax.ControlTerm(lambda t, y, args: jnp.asarray(SIGMA), path),
    )
    return simulate(terms, diffrax.Euler(), 0.0, 1.0, 0.25, 0.0, key=own, jumps=SHOTS, max_jumps=40)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("chain", "drift", "sigma"), [(compound_poisson, 0.0, 0.0), (merton, DRIFT, SIGMA)]
)
def test_jump_diffusion(chain, drift, sigma, size):
    made = sampled(chain, size)
    x = made.ys[:, 0]
    agree(x, drift + RATE * SIZE, sigma**2 + RATE * (SIZE**2 + SPREAD**2))
    agree(made.count, RATE, RATE)
    for u in (0.5, 1.0, 2.0):
        jump = np.exp(1j * u * SIZE - 0.5 * (u * SPREAD) ** 2) - 1.0
        expected = np.exp(1j * u * drift - 0.5 * (u * sigma) ** 2 + RATE * jump)
        agree(np.cos(u * x), expected.real)
        agree(np.sin(u * x), expected.imag)


BIRTH, DEATH = 4.0, 0.5


def birth_and_death(key):
    births = JumpProcess(lambda t, y, args: BIRTH, lambda t, y, args, mark: y + 1.0, bound=BIRTH)
    deaths = JumpProcess(lambda t, y, args: DEATH * y, lambda t, y, args, mark: y - 1.0)
    return simulate(
        STILL, diffrax.Euler(), 0.0, 12.0, 1.0, 0.0, key=key, jumps=[births, deaths], max_jumps=160
    )


@pytest.mark.parametrize("size", SIZES)
def test_birth_and_death(size):
    """From nobody, the number alive is Poisson at all times; one process is thinned, one searched for."""
    made = sampled(birth_and_death, size)
    alive = made.ys[:, 0]
    mean = BIRTH / DEATH * (1.0 - np.exp(-12.0 * DEATH))
    agree(alive, mean, mean)
    expected = size * stats.poisson(mean).pmf(np.arange(4, 14))
    seen = np.bincount(alive.astype(int), minlength=14)[4:14]
    assert (
        stats.chisquare([*seen, size - seen.sum()], [*expected, size - expected.sum()]).pvalue
        > 0.01
    )
    births, deaths = made.counts.T
    assert np.array_equal(births - deaths, alive) and np.array_equal(births + deaths, made.count)
    agree(births, 12.0 * BIRTH, 12.0 * BIRTH)
    born = made.which == 0
    assert np.array_equal(born.sum(1), births) and np.array_equal((made.which == 1).sum(1), deaths)
    assert np.allclose((made.after - made.before)[born], 1.0)


DECAY, MEAN = 1.5, 0.7


def shot_noise(key):
    shots = JumpProcess(
        rate=lambda t, y, args: RATE,
        apply=lambda t, y, args, mark: {"x": y["x"] + mark},
        mark=lambda t, y, args, key: MEAN * jr.exponential(key),
    )
    decay = diffrax.ODETerm(lambda t, y, args: {"x": -DECAY * y["x"]})
    return simulate(
        decay, diffrax.Tsit5(), 0.0, 2.0, 0.5, {"x": 0.0}, key=key, jumps=shots, max_jumps=40
    )


@pytest.mark.parametrize("size", SIZES)
def test_shot_noise(size):
    x = sampled(shot_noise, size).ys["x"][:, 0]
    agree(
        x,
        RATE * MEAN / DECAY * (1.0 - np.exp(-2.0 * DECAY)),
        RATE * MEAN**2 / DECAY * (1.0 - np.exp(-4.0 * DECAY)),
    )


def zig_zag(bounded, key):
    """x moves at speed v = ±1, which turns at the rate max(0, vx): then x ~ N(0, 1) for ever."""
    place, side, own = jr.split(key, 3)
    y0 = (jr.normal(place), jr.rademacher(side, (), float))
    turns = JumpProcess(
        rate=lambda t, y, args: jnp.maximum(0.0, y[1] * y[0]),
        apply=lambda t, y, args, mark: (y[0], -y[1]),
        bound=(lambda t, args: args + t) if bounded else None,
    )
    motion = diffrax.ODETerm(lambda t, y, args: (y[1], jnp.zeros_like(y[1])))
    return simulate(
        motion, diffrax.Euler(), 0.0, 3.0, 0.125, y0, jnp.abs(y0[0]), key=own, jumps=turns, saveat=3
    )


searched_zig_zag, bounded_zig_zag = (functools.partial(zig_zag, b) for b in (False, True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chain", [searched_zig_zag, bounded_zig_zag])
def test_zig_zag_sampler(chain, size):
    made = sampled(chain, size)
    for k in range(3):
        x = made.ys[0][:, k]
        agree(x, 0.0, 1.0)
        assert stats.kstest(x, "norm").pvalue > 0.01
    # A turn falls at the rate E max(0, vx) = 1/√(2π).
    agree(made.count, 3.0 / (2.0 * np.pi) ** 0.5)


def waves(bound, key):
    jumps = JumpProcess(
        lambda t, y, args: 3.0 + 2.0 * jnp.sin(4.0 * t), lambda t, y, args, mark: y, bound=bound
    )
    return simulate(
        STILL, diffrax.Euler(), 0.0, 3.0, 1 / 32, 0.0, key=key, jumps=jumps, max_jumps=40
    )


def upper(t, args):
    """A bound that is no constant."""
    return 3.05 + 2.0 * jnp.sin(4.0 * t)


BOUNDS = {bound: functools.partial(waves, bound) for bound in (None, 5.0, upper)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bound", BOUNDS)
def test_inhomogeneous_poisson_process(bound, size):
    made = sampled(BOUNDS[bound], size)
    hazard = lambda t: 3.0 * t + 0.5 * (1.0 - np.cos(4.0 * t))
    agree(made.count, hazard(3.0), hazard(3.0))
    times = made.jump_times.astype(float)
    reached = hazard(times[np.isfinite(times)][:50_000])
    assert stats.kstest(reached / hazard(3.0), "uniform").pvalue > 0.01
    # Nearly all chains have a first jump: P(none) = 1e-4.
    first = times[np.isfinite(times[:, 0]), 0]
    assert stats.kstest(hazard(first), "expon").pvalue > 0.01


def oscillator(bound, key):
    """A position and a velocity with noise, kicked at a rate that depends on the position."""
    noise, own = jr.split(key)
    kicks = JumpProcess(
        rate=lambda t, y, args: 2.0 * jax.nn.sigmoid(3.0 * y[0]),
        apply=lambda t, y, args, mark: y.at[1].add(-mark),
        mark=lambda t, y, args, key: 0.5 + jr.exponential(key),
        bound=bound,
    )
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, args: jnp.stack([y[1], -y[0] - 0.5 * y[1]])),
        diffrax.ControlTerm(
            lambda t, y, args: jnp.array([[0.0], [1.0]]), tree_of(4.0, 0.01, 1, noise)
        ),
    )
    return simulate(
        terms, diffrax.Heun(), 0.0, 4.0, 1 / 16, jnp.zeros(2), key=own, jumps=kicks, saveat=2
    )


searched_oscillator, thinned_oscillator = (functools.partial(oscillator, b) for b in (None, 2.0))


@pytest.mark.parametrize("size", SIZES)
def test_an_oscillator_with_kicks_has_the_law_that_thinning_gives(size):
    one, other = sampled(searched_oscillator, size), sampled(thinned_oscillator, size, seed=1)
    pairs = [(one.ys[:, k, n], other.ys[:, k, n]) for n in (0, 1) for k in (0, 1)]
    pairs += [(one.count, other.count), (one.jump_times[:, 0], other.jump_times[:, 0])]
    for a, b in pairs:
        assert stats.ks_2samp(a, b).pvalue > 0.01
        finite = np.isfinite(a) & np.isfinite(b)
        for f in (lambda x: x, lambda x: x**2):
            apart = f(a[finite].astype(float)) - f(b[finite].astype(float))
            assert abs(apart.mean()) < 3.0 * apart.std() / len(apart) ** 0.5


@pytest.mark.parametrize("ends", [(2.0, 2.0), (0.5, 3.0), (3.0, 0.0), (0.0, 1.0)])
def test_a_line_is_reached_where_its_hazard_says(ends, x64):
    begin, end = (jnp.array([x, 2.0 * x]) for x in ends)
    line = Line(jnp.array(0.7), begin, end)
    whole = line.hazard(line.length)
    assert float(whole) == pytest.approx(0.7 * 1.5 * sum(ends), rel=1e-12)
    for share in (1e-3, 0.3, 0.9, 1.0):
        assert float(line.hazard(line.reach(share * whole))) == pytest.approx(
            float(share * whole), rel=1e-9
        )
