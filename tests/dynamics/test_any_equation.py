"""`simulate` for diffrax's own terms and solvers: its numbers, its gradients, and what it refuses."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
import numpy as np
import pytest
from problems import start, tree_of

from gyrax import BallJumpProcess, GeodesicSplitting, JumpProcess, PresampledPath, simulate
from gyrax.dynamics import Outcome

AREA = diffrax.SpaceTimeTimeLevyArea
STEPS = 8
PAIR = jnp.array([0.3, -0.5])


def presampled(shape=2, cells=STEPS, area=AREA):
    return PresampledPath.sample(0.0, 1.0, cells, shape, key=jr.key(0), levy_area=area)


drift = diffrax.ODETerm(lambda t, y, args: jax.tree.map(lambda x: jnp.sin(3.0 * t) - x, y))
own = lambda t, y, args: lineax.DiagonalLinearOperator(jnp.cos(y))


def diffused(diffusion, shape=2):
    return diffrax.MultiTerm(drift, diffrax.ControlTerm(diffusion, presampled(shape)))


TREE = {"x": jnp.ones(2), "v": (jnp.ones(()),)}
TREE_SHAPE = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, "float32"), TREE)


def langevin(area=AREA):
    return diffrax.MultiTerm(
        diffrax.UnderdampedLangevinDriftTerm(1.0, 1.0, lambda x, args: jnp.sin(x)),
        diffrax.UnderdampedLangevinDiffusionTerm(1.0, 1.0, presampled(area=area)),
    )


FINDER = diffrax.VeryChord(rtol=1e-6, atol=1e-6)
EQUATIONS = {
    "ode": (drift, diffrax.Tsit5(), {"a": PAIR, "b": jnp.ones(())}),
    "implicit ode": (drift, diffrax.Kvaerno3(root_finder=FINDER), PAIR),
    "separable": (
        (diffrax.ODETerm(lambda t, v, args: v), diffrax.ODETerm(lambda t, x, args: -x)),
        diffrax.SemiImplicitEuler(),
        (PAIR, PAIR),
    ),
    "general noise": (
        diffused(lambda t, y, args: jnp.stack([y, jnp.cos(y), y], -1), 3),
        diffrax.Euler(),
        PAIR,
    ),
    "diagonal noise": (diffused(own), diffrax.StratonovichMilstein(), PAIR),
    "a tree": (
        diffused(lambda t, y, args: {"x": jnp.diag(y["x"]), "v": (y["v"][0],)}, TREE_SHAPE),
        diffrax.ReversibleHeun(),
        TREE,
    ),
    "additive noise": (
        diffused(lambda t, y, args: lineax.DiagonalLinearOperator(jnp.ones(2))),
        diffrax.ShARK(),
        PAIR,
    ),
    "multiplicative noise": (diffused(own), diffrax.SPaRK(), PAIR),
    "ALIGN": (langevin(), diffrax.ALIGN(0.1), (PAIR, PAIR)),
    "QUICSORT": (langevin(), diffrax.QUICSORT(0.1), (PAIR, PAIR)),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_it_is_diffeqsolve(name):
    terms, solver, y0 = EQUATIONS[name]
    made = simulate(terms, solver, 0.0, 1.0, 1 / STEPS, y0, saveat=4)
    solved = diffrax.diffeqsolve(
        terms, solver, 0.0, 1.0, 1 / STEPS, y0, saveat=diffrax.SaveAt(ts=made.ts)
    )
    assert jax.tree.structure(made.ys) == jax.tree.structure(y0)
    for ours, theirs in zip(jax.tree.leaves(made.ys), jax.tree.leaves(solved.ys), strict=True):
        assert ours.shape == theirs.shape and np.allclose(ours, theirs, atol=3e-6)
        assert np.ptp(ours, axis=0).min() > 0.01


def test_reverse_mode_is_that_of_diffeqsolve(x64):
    noise = jr.normal(jr.key(1), (STEPS, 2))

    def end(y0, noise, rate, solve):
        path = PresampledPath.from_increments(0.0, 1.0, noise)
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, y, args: -args * jnp.sin(y)), diffrax.ControlTerm(own, path)
        )
        return solve(terms, diffrax.Heun(), 0.0, 1.0, 1 / STEPS, y0, rate).ys.sum()

    gradients = jax.jit(jax.grad(end, argnums=(0, 1, 2)), static_argnums=3)
    at = (jnp.array([0.3, -0.5]), noise, jnp.array(1.5))
    for one, other in zip(
        gradients(*at, simulate), gradients(*at, diffrax.diffeqsolve), strict=True
    ):
        assert np.allclose(one, other, atol=1e-12)


def test_a_path_of_several_cells_a_step_gives_each_step_its_own(x64):
    fine = presampled(cells=3 * STEPS)
    coarse = PresampledPath.from_path(fine, 0.0, 1.0, STEPS)
    one, other = (
        simulate(
            diffrax.MultiTerm(drift, diffrax.ControlTerm(own, path)),
            diffrax.SPaRK(), 0.0, 1.0, 1 / STEPS, jnp.array([0.3, -0.5]),
        ).ys
        for path in (fine, coarse)
    )  # fmt: skip
    assert np.allclose(one, other, atol=1e-12)


def test_part_of_a_path_serves_part_of_its_times(x64):
    path = presampled()
    terms = diffrax.MultiTerm(drift, diffrax.ControlTerm(own, path))
    whole = simulate(terms, diffrax.Euler(), 0.0, 1.0, 1 / STEPS, jnp.ones(2), saveat=2)
    rest = simulate(terms, diffrax.Euler(), 0.5, 1.0, 1 / STEPS, whole.ys[0])
    assert np.allclose(rest.ys[0], whole.ys[1], atol=1e-12)


def test_several_paths_are_read_each_by_its_own_term(x64):
    paths = [PresampledPath.sample(0.0, 1.0, n, 2, key=jr.key(n)) for n in (8, 16)]
    once = diffrax.MultiTerm(drift, *(diffrax.ControlTerm(own, path) for path in paths))
    made = simulate(once, diffrax.Euler(), 0.0, 1.0, 1 / STEPS, jnp.ones(2)).ys
    solved = diffrax.diffeqsolve(once, diffrax.Euler(), 0.0, 1.0, 1 / STEPS, jnp.ones(2)).ys
    assert np.allclose(made, solved, atol=1e-12)


STAY = JumpProcess(lambda t, y, args: 1.0, lambda t, y, args, mark: y)


def with_path(path):
    return diffrax.MultiTerm(drift, diffrax.ControlTerm(own, path))


NO_AREA = diffrax.BrownianIncrement
REFUSED = {
    "no area": (dict(terms=with_path(presampled(area=NO_AREA)), solver=diffrax.SPaRK()),
                r"SPaRK needs a path with levy_area=diffrax.SpaceTimeLevyArea.*has BrownianIncrement"),
    "less area": (dict(terms=langevin(diffrax.SpaceTimeLevyArea), solver=diffrax.QUICSORT(0.1),
                       y0=(PAIR, PAIR)), r"QUICSORT needs a path with levy_area=.*TimeTimeLevyArea"),
    "cells": (dict(terms=with_path(presampled(cells=12))), r"has 12 cells over.*which 8 steps.*cells = 8"),
    "short": (dict(terms=with_path(presampled()), t1=2.0), r"path \[0.0, 1.0\] does not cover"),
    "coarse": (dict(terms=with_path(tree_of(1.0, 0.2, 2, jr.key(0)))), r"coarser than the solver's step"),
    "dimension": (dict(terms=with_path(presampled(3))), r"Euler cannot step these terms"),
    "one term": (dict(solver=diffrax.EulerHeun()), r"EulerHeun cannot step.*diffrax.MultiTerm"),
    "no terms": (dict(terms=lambda t, y, args: y), r"Euler cannot step these terms from this state"),
    "structure": (dict(terms=diffrax.ODETerm(lambda t, y, args: (y,))), r"the same structure as `y0`"),
    "ball": (dict(solver=GeodesicSplitting(), y0=start(2)), r"solver on the ball was given ODETerm"),
    "implicit": (dict(solver=diffrax.Kvaerno3()), r"diffrax.Kvaerno3\(root_finder=diffrax.VeryChord\(rtol="),
    "integers": (dict(y0=jnp.array([1, 2])), r"a leaf of int32; give a pytree of floating"),
    "no arrays": (dict(y0="x"), r"a leaf a str"),
    "empty": (dict(y0=()), r"has no arrays"),
    "nan": (dict(y0=jnp.array([np.nan, 0.0])), r"initial state .*has NaN or inf"),
    "jump to a tuple": (dict(jumps=JumpProcess(lambda t, y, args: 1.0, lambda t, y, args, mark: (y,))),
                        r"`apply` makes a state .*of a state.*keep its structure"),
    "jump to integers": (dict(jumps=[STAY, JumpProcess(lambda t, y, args: 1.0,
                                                       lambda t, y, args, mark: y.astype(int))]),
                         r"`apply` of process 1 makes a state int32\[2\] of a state float32\[2\]"),
    "jump on the ball": (dict(jumps=BallJumpProcess(lambda t, z, args: 1.0, lambda t, z, args, mark: z)),
                         r"BallJumpProcess was given a state.*gyrax.JumpProcess for any other"),
    "no process": (dict(jumps=[]), r"give a gyrax.JumpProcess"),
    "bound": (dict(jumps=JumpProcess(STAY.rate, STAY.apply, bound=lambda t, args: jnp.ones(2))),
              r"returned shape \(2,\); `bound\(t, args\)`"),
    "presampled": (dict(jumps=STAY, terms=with_path(presampled())), r"PresampledPath holds.*BrownianTree"),
    "unsafe": (dict(jumps=STAY, terms=with_path(diffrax.UnsafeBrownianPath((2,), jr.key(0)))),
               r"UnsafeBrownianPath draws, anew.*VirtualBrownianTree"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_simulated_is_refused(case):
    change, says = REFUSED[case]
    given = dict(terms=drift, solver=diffrax.Euler(), t1=1.0, y0=PAIR, jumps=None) | change
    with pytest.raises(ValueError, match=says):
        simulate(
            given["terms"], given["solver"], 0.0, given["t1"], 1 / STEPS, given["y0"],
            key=jr.key(0), jumps=given["jumps"],
        )  # fmt: skip


def rate_and_bound(t, y, args):
    return args["rate"]


CHECKED = [
    JumpProcess(rate_and_bound, lambda t, y, args, mark: args["factor"] * y,
                bound=lambda t, args: args["bound"]),
    JumpProcess(lambda t, y, args: args["other"], lambda t, y, args, mark: y),
]  # fmt: skip
GOOD = dict(rate=2.0, bound=3.0, other=1.0, factor=1.0)


@eqx.filter_jit
def checked(args):
    return simulate(
        drift, diffrax.Euler(), 0.0, 4.0, 0.5, PAIR, args,
        key=jr.key(0), jumps=CHECKED, max_jumps=30, throw=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, Outcome.successful),
        ({"rate": -1.0}, Outcome.bad_rate),
        ({"rate": np.nan}, Outcome.bad_rate),
        ({"rate": 3.1}, Outcome.bad_bound),
        ({"bound": np.inf}, Outcome.bad_bound),
        ({"bound": np.nan}, Outcome.bad_bound),
        ({"bound": -1.0, "rate": 0.0}, Outcome.bad_bound),
        ({"other": -0.5}, Outcome.bad_rate),
        ({"factor": np.nan}, Outcome.bad_jump),
        ({"other": 40.0}, Outcome.overflow),
        ({"rate": 40.0, "bound": 40.0}, Outcome.overflow),
    ],
)
def test_what_shows_on_the_way_ends_with_a_result(change, outcome):
    made = checked({k: jnp.array(v) for k, v in (GOOD | change).items()})
    assert bool(made.result == outcome), made.result
    assert int(made.count) <= 30 and int(made.counts.sum()) == int(made.count)


@pytest.mark.parametrize("jumps", [None, STAY])
def test_a_solver_that_does_not_converge_is_never_silent(jumps):
    wild = diffrax.ODETerm(lambda t, y, args: 1e3 * jnp.sin(1e3 * y))
    run = lambda throw: simulate(
        wild, diffrax.ImplicitEuler(root_finder=FINDER), 0.0, 1.0, 0.25, PAIR,
        key=jr.key(0), jumps=jumps, throw=throw,
    )  # fmt: skip
    assert bool(run(False).result == Outcome.bad_step)
    with pytest.raises(ValueError, match=r"did not converge; make dt0 smaller"):
        run(True)
