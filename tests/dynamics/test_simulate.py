"""Simulation: in whole steps as diffrax has it, and with jumps at the times that their hazard says."""

import functools
from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import OPTIMISED, bumpy, start, terms_of, tree_of, twisting_field
from scipy import stats

from gyrax import GeodesicSplitting, PhaseState, PresampledPath, geometry, kinetic_energy
from gyrax.dynamics import BallJumpProcess, Outcome, integrate, simulate, solver_by_name
from gyrax.dynamics.time_grid import time_grid

H, T1 = 0.25, 10.0


def noisy_terms(key, h=H, t1=T1, c=1.0, dtype=None):
    path = tree_of(t1, h / 2, 2, key, dtype=dtype)
    return terms_of(bumpy, c=c, friction=1.0, temperature=0.3, path=path, field=twisting_field)


# Poisson jumps of constant rate, four to a time unit and one to a step.
POISSON = BallJumpProcess(lambda t, z, args: args, lambda t, z, args, mark: -z)


@eqx.filter_jit(compiler_options=OPTIMISED)
def poisson_chains(keys, rate, dtype):
    def chain(key):
        noise, own = jr.split(key)
        return simulate(
            noisy_terms(noise, dtype=dtype), GeodesicSplitting(), 0.0, T1, H, start(2, dtype), rate,
            key=own, jumps=POISSON, saveat=4, max_jumps=100,
        )  # fmt: skip

    return jax.vmap(chain)(keys)


@functools.cache
def poisson_sample(dtype):
    return poisson_chains(jr.split(jr.key(1), 2500), jnp.array(4.0), dtype)


def test_jumps_of_constant_rate_are_a_poisson_process(dtype):
    simulation = poisson_sample(dtype.name)
    assert simulation.ys.z.dtype == dtype
    counts, times = np.asarray(simulation.count), np.asarray(simulation.jump_times, float)
    assert counts.mean() == pytest.approx(4.0 * T1, rel=0.01)
    assert counts.var() == pytest.approx(4.0 * T1, rel=0.1)
    # The first gaps of every chain: later ones are cut short by the end.
    gaps = np.diff(times[:, :15], axis=1, prepend=0.0)
    assert stats.kstest(gaps.ravel(), "expon", (0.0, 0.25)).pvalue > 0.01
    recorded = np.arange(100) < counts[:, None]
    assert np.array_equal(np.isfinite(times), recorded)
    assert np.array_equal(np.isfinite(simulation.before.z).all(-1), recorded)
    assert np.isfinite(simulation.ys.z).all() and (times[recorded] <= T1).all()


CENTRES = np.array([[0.5, 0.0], [-0.3, 0.3], [0.0, -0.6]])


def weights(z):
    return jax.nn.softmax(jnp.stack([4.0 * z[0], 0.0 * z[0], 4.0 * z[1]]))


def rotated_to_a_centre(t, z, args, mark):
    turned = jnp.stack([z[1], -z[0]])
    return geometry.mobius_add(jnp.asarray(CENTRES, z.dtype)[mark], turned)


HOPPING = BallJumpProcess(
    rate=lambda t, z, args: (1.0 + jnp.sin(t)) * jnp.exp(3.0 * z[0]),
    apply=rotated_to_a_centre,
    mark=lambda t, z, args, key: jr.categorical(key, jnp.log(weights(z))),
)
HOP_H, HOPS = 0.125, 3


@eqx.filter_jit(compiler_options=OPTIMISED)
def hopping_chains(keys):
    """Chains until t = 4, and, by another route, the hazards between their first jumps."""

    def chain(key):
        noise, own = jr.split(key)
        terms, solver = noisy_terms(noise, HOP_H, 4.0), GeodesicSplitting()
        out = simulate(
            terms, solver, 0.0, 4.0, HOP_H, start(2), key=own, jumps=HOPPING, max_jumps=100
        )
        first = PhaseState(start(2).z[None], start(2).p[None])
        begins = jax.tree.map(lambda a, b: jnp.concatenate([a, b[: HOPS - 1]]), first, out.after)
        times = jnp.concatenate([jnp.zeros(1), out.jump_times[:HOPS]])
        times = jnp.minimum(times, 4.0)
        again = lambda y, t0, t1: refined_hazard(terms, solver, y, t0, t1)
        return out, jax.vmap(again)(begins, times[:-1], times[1:])

    return jax.vmap(chain)(keys)


def refined_hazard(terms, solver, y, t0, t1, steps=64):
    """∫ rate dt from y at t0 in many small steps on the same path, and the state they end in."""
    dt = (t1 - t0) / steps

    def step(carry, k):
        y, total = carry
        begin, end = t0 + k * dt, t0 + (k + 1) * dt
        after = solver.step(
            terms, begin, end, y, None, solver.init(unchecked(terms), begin, end, y, None), False
        )[0]
        middle = HOPPING.rate(begin, y.z, None) + HOPPING.rate(end, after.z, None)
        return (after, total + 0.5 * dt * middle), None

    return jax.lax.scan(step, (y, jnp.zeros(())), jnp.arange(steps))[0]


def unchecked(terms):
    return diffrax.MultiTerm(replace(terms.terms[0], checked=False), terms.terms[1])


def test_state_dependent_jumps_have_exponential_hazards_and_the_right_marks(x64):
    out, (ends, hazards) = hopping_chains(jr.split(jr.key(2), 1200))
    counts = np.asarray(out.count)
    recorded = np.arange(100) < counts[:, None]
    happened = recorded[:, :HOPS]
    # Given enough time nearly all chains make three jumps, so that dropping the others hardly biases.
    enough = counts >= HOPS
    assert enough.mean() > 0.8
    # A hazard is Exp(1) censored at the end of time: compare its distribution function up to there.
    first = np.asarray(hazards)[:, 0]
    reached = happened[:, 0]
    censored = stats.CensoredData.right_censored(first, ~reached)
    assert stats.ecdf(censored).cdf.evaluate(1.0) == pytest.approx(1 - np.exp(-1.0), abs=0.03)
    u = np.sort(1.0 - np.exp(-first[reached]))
    survival = stats.ecdf(censored).sf
    grid = np.linspace(0.05, 2.5, 50)
    distance = np.abs(survival.evaluate(grid) - np.exp(-grid)).max()
    assert distance < 1.63 / len(first) ** 0.5 and len(u) > 900  # Kolmogorov's 1 % point

    # The coarse step to a jump ends near where sixty-four finer ones on the same path do.
    miss = np.linalg.norm(np.asarray(ends.z - out.before.z[:, :HOPS])[happened], axis=-1)
    assert np.median(miss) < 0.01

    before = PhaseState(out.before.z[recorded], out.before.p[recorded])
    after = PhaseState(out.after.z[recorded], out.after.p[recorded])
    marks = np.asarray(out.marks)[recorded]
    expected = np.asarray(jax.vmap(weights)(before.z))
    seen = np.bincount(marks, minlength=3)
    assert stats.chisquare(seen, expected.sum(0)).pvalue > 0.01
    uphill = np.asarray(before.z[:, 0]) > 0.2
    seen = np.bincount(marks[uphill], minlength=3)
    assert stats.chisquare(seen, expected[uphill].sum(0)).pvalue > 0.01

    moved = jax.vmap(rotated_to_a_centre, (None, 0, None, 0))(0.0, before.z, None, marks)
    assert np.allclose(after.z, moved, atol=1e-14)
    energy = kinetic_energy(before.z, before.p)
    assert np.abs(kinetic_energy(after.z, after.p) / energy - 1.0).max() < 1e-12


# One compiled simulation for the rest: what happens in it is decided by `args`.
def flexible_rate(t, z, args):
    return args["constant"] + args["slope"] * geometry.distance(jnp.zeros_like(z), z)


FLEXIBLE = BallJumpProcess(flexible_rate, lambda t, z, args, mark: args["map"] * z)


@eqx.filter_jit
def flexible(key, args, temperature=0.3, throw=True):
    path = tree_of(T1, H / 2, 2, jr.key(4))
    terms = terms_of(
        lambda z, c: 0.0 * z.sum(), friction=temperature, temperature=temperature, path=path
    )
    origin = PhaseState(jnp.zeros(2), jnp.array([0.6, 0.8]))
    return simulate(
        terms, GeodesicSplitting(), 0.0, T1, H, origin, args,
        key=key, jumps=FLEXIBLE, saveat=4, max_jumps=50, throw=throw,
    )  # fmt: skip


def arguments(constant=2.0, slope=0.0, map=-1.0):
    return dict(constant=jnp.array(constant), slope=jnp.array(slope), map=jnp.array(map))


def test_jump_times_are_where_the_hazard_says(x64):
    """In free flight from the origin d(0, z) = vt, so a rate of a·d has the hazard avt²/2, which the
    same draws, taken at constant rate, must reach; z ↦ −z changes nothing in d."""
    cold = jnp.array(0.0)
    constant = flexible(jr.key(0), arguments(2.0), temperature=cold)
    linear = flexible(jr.key(0), arguments(0.0, 0.9), temperature=cold)
    speed = 0.5  # λ(0)⁻¹‖p‖
    n = int(linear.count)
    assert n > 10 and int(constant.count) > 10
    n = min(n, int(constant.count))
    hazards = 0.5 * 0.9 * speed * linear.jump_times[:n] ** 2
    assert np.allclose(hazards, 2.0 * constant.jump_times[:n], rtol=1e-10)
    radii = geometry.distance(jnp.zeros((4, 2)), linear.ys.z)
    assert np.allclose(radii, speed * linear.ts, rtol=1e-10)


def test_a_jump_splits_its_step_on_the_same_brownian_path(x64):
    """Jumps that move nothing leave the trajectory as fine as it was; another path would show."""
    still = flexible(jr.key(0), arguments(2.0, map=1.0))
    none = flexible(jr.key(0), arguments(0.0, map=1.0))
    assert int(none.count) == 0 and int(still.count) > 10
    path = tree_of(T1, H / 2, 2, jr.key(4))
    terms = terms_of(lambda z, c: 0.0 * z.sum(), friction=0.3, temperature=0.3, path=path)
    origin = PhaseState(jnp.zeros(2), jnp.array([0.6, 0.8]))
    plain = simulate(terms, GeodesicSplitting(), 0.0, T1, H, origin, saveat=4)
    assert np.allclose(plain.ys.z, none.ys.z, atol=1e-13)
    assert np.allclose(plain.ys.p, none.ys.p, atol=1e-12)
    assert 1e-6 < geometry.distance(still.ys.z, plain.ys.z).max() < 0.1


def test_one_chain_of_a_batch_is_the_chain_alone(x64):
    batch = poisson_sample("float64")
    noise, own = jr.split(jr.split(jr.key(1), 2500)[17])
    terms, solver = noisy_terms(noise), GeodesicSplitting()
    alone = lambda rate: simulate(
        terms, solver, 0.0, T1, H, start(2), jnp.array(rate),
        key=own, jumps=POISSON, saveat=4, max_jumps=100,
    )  # fmt: skip
    chain = alone(4.0)
    assert int(chain.count) == int(batch.count[17])
    assert np.allclose(chain.jump_times, batch.jump_times[17], rtol=1e-12)
    assert np.allclose(chain.ys.z, batch.ys.z[17], atol=1e-9)
    with pytest.raises(ValueError, match=r"more jumps fell than max_jumps.*raise max_jumps"):
        alone(40.0)


def test_too_many_jumps_are_never_silent(x64):
    many = arguments(20.0)
    with pytest.raises(RuntimeError, match=r"more jumps fell than max_jumps.*raise max_jumps"):
        flexible(jr.key(0), many)
    out = flexible(jr.key(0), many, throw=False)
    assert bool(out.result == Outcome.overflow)
    assert int(out.count) == 50 and np.isfinite(out.jump_times).all()
    assert np.isnan(out.ys.z[-1]).all()


def test_a_bad_rate_and_a_bad_target_are_refused(x64):
    with pytest.raises(RuntimeError, match=r"rate was negative or NaN"):
        flexible(jr.key(0), arguments(-1.0))
    with pytest.raises(RuntimeError, match=r"rate was negative or NaN"):
        flexible(jr.key(0), arguments(2.0, np.nan))
    with pytest.raises(RuntimeError, match=r"a jump left the ball.*mobius_add"):
        flexible(jr.key(0), arguments(2.0, map=1e3))


def test_a_solver_that_remembers_starts_afresh_after_a_jump(x64):
    """Reversible Heun carries a second state, which a jump must not leave behind."""

    def times(name):
        jumps = BallJumpProcess(lambda t, z, args: 3.0 + 5.0 * z[0], lambda t, z, args, mark: -z)
        return simulate(
            terms_of(bumpy),
            solver_by_name(name),
            0.0,
            2.0,
            0.01,
            start(2),
            key=jr.key(6),
            jumps=jumps,
        )

    one, other = times("bab"), times("reversible_heun")
    assert int(one.count) == int(other.count) > 3
    n = int(one.count)
    assert np.abs(one.jump_times[:n] - other.jump_times[:n]).max() < 1e-3
    assert jnp.linalg.norm(one.ys.z - other.ys.z) < 1e-3


def test_without_jumps_it_is_diffeqsolve(x64):
    terms, solver = noisy_terms(jr.key(0), 1 / 32, 2.0), GeodesicSplitting()
    asked = np.array([0.0, 0.25, 0.5, 1.25, 2.0])
    solution = diffrax.diffeqsolve(
        terms, solver, 0.0, 2.0, 1 / 32, start(2), saveat=diffrax.SaveAt(ts=asked)
    )
    simulation = simulate(terms, solver, 0.0, 2.0, 1 / 32, start(2), saveat=asked)
    assert np.array_equal(simulation.ts, asked)
    assert np.allclose(simulation.ys.z, solution.ys.z, atol=1e-13)
    assert np.allclose(simulation.ys.p, solution.ys.p, atol=1e-12)
    assert int(simulation.count) == 0 and simulation.jump_times.shape == (0,)
    by_count = simulate(terms, solver, 0.0, 2.0, 1 / 32, start(2), saveat=8)
    assert np.allclose(by_count.ts, np.arange(1, 9) / 4)
    assert np.allclose(by_count.ys.z[np.array([0, 1, 4, 7])], simulation.ys.z[1:], atol=1e-13)
    assert bool(simulation.result == Outcome.successful)


@pytest.mark.slow
def test_without_jumps_it_is_differentiable_in_reverse_mode(x64):
    noise = 0.3 * jr.normal(jr.key(0), (4, 2))
    path = PresampledPath.from_increments(0.0, 1.0, noise, checked=False)

    def end(p, solve):
        terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=path, checked=False)
        return jnp.sum(solve(terms, PhaseState(start(2).z, p)).z)

    solver = GeodesicSplitting()
    by_hand = lambda terms, y: integrate(terms, solver, 0.0, 0.25, 4, y)
    simulated = lambda terms, y: simulate(terms, solver, 0.0, 1.0, 0.25, y, saveat=2).ys
    last = lambda terms, y: jax.tree.map(lambda x: x[-1], simulated(terms, y))
    one, other = (jax.grad(end)(start(2).p, solve) for solve in (by_hand, last))
    assert np.allclose(one, other, atol=1e-13)


def test_save_times_are_the_ends_of_steps():
    assert time_grid(0.0, 1.0, 0.1, 5).saves == (2, 4, 6, 8, 10)
    assert time_grid(1.0, 2.0, 0.1, [1.0, 1.3, 2.0]).saves == (0, 3, 10)
    assert time_grid(0.0, 100.0, 0.01, jnp.linspace(0, 100, 11, dtype="float32")).saves[1] == 1000
    assert float(time_grid(0.0, 0.3, 0.1, 1).time(3)) == np.float32(0.3)


GOOD = dict(t0=0.0, t1=1.0, dt0=0.125, saveat=1, max_jumps=4, key=0, y0=start(2))
BAD = {
    "negative step": (dict(dt0=-0.1), "dt0 is -0.1; the step must be positive"),
    "no step": (dict(dt0=0.0), "dt0 is 0.0; the step must be positive"),
    "nan step": (dict(dt0=np.nan), "dt0 is nan; the step must be positive"),
    "backwards": (dict(t1=-1.0), r"runs forwards, so give t1 > t0"),
    "unequal steps": (dict(dt0=0.3), r"no whole number of steps.*use dt0 = 0.3333.* for 3 steps"),
    "too few saves": (dict(saveat=0), r"must divide the 8 steps"),
    "uneven saves": (dict(saveat=3), r"must divide the 8 steps"),
    "off the grid": (dict(saveat=[0.25, 0.3]), r"holds 0.3, which no step ends at.*0 ≤ k ≤ 8"),
    "past the end": (dict(saveat=[0.25, 1.125]), r"holds 1.125, which no step ends at"),
    "unordered": (dict(saveat=[0.5, 0.25]), r"one row of increasing times"),
    "no room": (dict(max_jumps=0), r"max_jumps is 0; make room"),
    "no key": (dict(key=None), r"pass key=jax.random.key"),
    "nan": (dict(y0=PhaseState(jnp.array([np.nan, 0.0]), jnp.zeros(2))), r"give finite z and p"),
    "outside": (dict(y0=PhaseState(jnp.ones(2), jnp.zeros(2))), r"outside the ball"),
    "dimension": (dict(y0=start(3)), r"with shape=\(3,\)"),
    "short path": (dict(t1=2.0), r"does not cover the times solved for"),
    "coarse path": (dict(dt0=1 / 64), r"coarser than the solver's step"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_simulated_is_refused(case):
    change, says = BAD[case]
    given = GOOD | change
    key = None if given["key"] is None else jr.key(given["key"])
    with pytest.raises(ValueError, match=says):
        simulate(
            noisy_terms(jr.key(0), 1 / 8, 1.0), GeodesicSplitting(), given["t0"], given["t1"],
            given["dt0"], given["y0"], key=key, jumps=POISSON, saveat=given["saveat"],
            max_jumps=given["max_jumps"],
        )  # fmt: skip


def test_traced_times_are_refused():
    run = lambda t1: simulate(terms_of(bumpy), GeodesicSplitting("BAB"), 0.0, t1, 0.1, start(2))
    with pytest.raises(ValueError, match=r"pass Python numbers, not values traced"):
        jax.jit(run)(1.0)


def test_a_presampled_path_cannot_serve_jumps():
    path = PresampledPath.sample(0.0, 1.0, 8, 2, key=jr.key(0))
    terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=path)
    with pytest.raises(ValueError, match=r"PresampledPath holds.*VirtualBrownianTree"):
        simulate(
            terms, GeodesicSplitting(), 0.0, 1.0, 0.125, start(2), key=jr.key(0), jumps=POISSON
        )


def test_a_rate_must_be_one_scalar():
    vector = BallJumpProcess(lambda t, z, args: z, lambda t, z, args, mark: z)
    with pytest.raises(ValueError, match=r"returned shape \(2,\).*the total intensity"):
        simulate(
            terms_of(bumpy), GeodesicSplitting("BAB"), 0.0, 1.0, 0.5, start(2),
            key=jr.key(0), jumps=vector,
        )  # fmt: skip
