"""Arguments of the library that cannot be meant: refused, or NaN, eagerly and under jit, vmap and grad."""

import functools
import os

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest

from gyrax import (
    BallJumpProcess,
    PhaseState,
    PresampledPath,
    langevin_terms,
    simulate,
    solver_by_name,
)
from gyrax.dynamics import Projected, integrate
from gyrax.dynamics.require import coefficient
from gyrax.geometry import distance

pytestmark = pytest.mark.attack

H, STEPS = 0.125, 2
REFUSED = (ValueError, RuntimeError)  # known, and traced: eqx.error_if


def pull(t, z, args):
    return 2.0 * z


def turn(t, z, args):
    return jnp.asarray([[0.0, 1.0], [-1.0, 0.0]], z.dtype) * (1.0 + z[0])


def path(dim=2, tol=H / 4):
    return diffrax.VirtualBrownianTree(0.0, 1.0, tol, (dim,), jr.key(0))


def solved(solve="integrate", word="BAOAB", **changes):
    """The end of a short solve of a harmless problem, but for `changes`."""
    given = dict(
        force=pull, friction=1.0, temperature=0.3, c=1.0, beta=1.0, control=None, field=turn,
        path=path(), z=jnp.array([0.3, 0.1]), p=jnp.array([0.2, -0.4]), t0=0.0, dt=H, steps=STEPS,
    ) | changes  # fmt: skip
    names = ("friction", "temperature", "c", "beta", "control", "field", "path")
    terms = langevin_terms(given["force"], **{name: given[name] for name in names})
    solver = word if isinstance(word, diffrax.AbstractSolver) else solver_by_name(word.lower())
    y0, t0, dt, steps = (
        PhaseState(given["z"], given["p"]),
        given["t0"],
        given["dt"],
        given["steps"],
    )
    if solve == "integrate":
        return integrate(terms, solver, t0, dt, steps, y0)
    if solve == "diffeqsolve":
        ys = diffrax.diffeqsolve(terms, solver, t0, t0 + steps * dt, dt, y0).ys
        return jax.tree.map(lambda x: x[-1], ys)
    return jax.tree.map(
        lambda x: x[-1], simulate(terms, solver, t0, t0 + steps * dt, dt, y0, saveat=1).ys
    )


@functools.cache
def way(name, kind):
    """The momentum at the end as a function of one coefficient, given as it is or traced: compiled once."""
    end = lambda x, solve="integrate": solved(solve, **{name: x}).p
    if kind == "eager":
        return lambda value: end(value)
    traced = {
        "jit": end,
        "vmap": lambda x: jax.vmap(end)(x[None])[0],
        "grad": jax.grad(lambda x: end(x).sum()),
        "simulate": lambda x: end(x, "simulate"),
        "diffeqsolve": lambda x: end(x, "diffeqsolve"),
    }[kind]
    program = jax.jit(traced)
    return lambda value: jax.block_until_ready(program(jnp.asarray(value)))


WAYS = ("eager", "jit", "vmap", "grad", "simulate", "diffeqsolve")
WRONG = {
    "temperature": (-1.0, np.nan, np.inf),
    "friction": (-1.0, np.nan, np.inf),
    "c": (-1.0, 0.0, np.nan),
    "beta": (np.nan, np.inf),
}


KINDS = [*((name, kind) for name in WRONG for kind in ("eager", "jit", "vmap")),
         *(("temperature", kind) for kind in WAYS[3:])]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_coefficients_out_of_range(name, kind):
    for value in WRONG[name]:
        with pytest.raises(REFUSED, match=f"{name} .*must be"):
            way(name, kind)(value)
    if kind != "eager":
        assert jnp.isfinite(way(name, kind)(0.5)).all()


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 1)])
def test_coefficients_that_are_no_scalars(shape):
    look = lambda x: coefficient("friction", x, "positive", True)
    for call in (look, jax.jit(look)):
        with pytest.raises(ValueError, match=r"friction has shape .*jax.vmap"):
            call(jnp.ones(shape))


SHAPES = {
    "scalar": lambda t, z, args: jnp.sum(z),
    "python": lambda t, z, args: 1.0,
    "one": lambda t, z, args: z[:1],
    "longer": lambda t, z, args: jnp.zeros(3),
    "column": lambda t, z, args: z[:, None],
    "row": lambda t, z, args: z[None],
}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("solve", ["integrate", "diffeqsolve", "simulate"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["force", "control", "field"])
def test_forces_that_would_broadcast(name, shape, solve, traced):
    call = lambda z: solved(solve, z=z, **{name: SHAPES[shape]})
    said = "grad_potential" if name == "force" else name
    with pytest.raises(ValueError, match=rf"{said}\(t, z, args\) returned shape"):
        (jax.jit(call) if traced else call)(jnp.array([0.3, 0.1]))


FIELDS = {
    "symmetric": lambda t, z, args: jnp.ones((2, 2)),
    "diagonal": lambda t, z, args: jnp.diag(z + 1.0),
    "one sided": lambda t, z, args: jnp.array([[0.0, 1.0], [0.0, 0.0]]),
    "none at the origin": lambda t, z, args: jnp.outer(z, z),
    "none at the start": lambda t, z, args: t * jnp.eye(2),
}


@pytest.mark.parametrize(
    ("word", "traced"), [("BAOAB", False), ("BAOAB", True), ("ABOBA", False), ("heun", False)]
)
@pytest.mark.parametrize("field", FIELDS)
def test_fields_that_do_work(field, word, traced):
    """Of every solver, from the origin, where a wrong formula may vanish."""
    call = lambda z: solved(word=word, z=z, field=FIELDS[field])
    with pytest.raises(REFUSED, match="not antisymmetric"):
        jax.block_until_ready((eqx.filter_jit(call) if traced else call)(jnp.zeros(2)))


def test_fields_that_do_no_work_but_for_rounding():
    tilt = jnp.array([[0.6, -0.8], [0.8, 0.6]]) @ jnp.array([[0.0, 1.0], [-1.0, 1e-6]])
    rounded = lambda t, z, args: tilt @ jnp.array([[0.6, 0.8], [-0.8, 0.6]])
    assert jnp.isfinite(solved(field=rounded).p).all()


FLIPS = BallJumpProcess(lambda t, z, args: 1.0, lambda t, z, args, mark: -z)


@pytest.mark.parametrize(("word", "traced"), [("BAOAB", True), ("OBABO", False), ("heun", False)])
def test_a_path_must_be_finer_than_what_jumps_leave_of_a_step(word, traced):
    solver = solver_by_name(word.lower())
    asked = 2 * word.count("O") if word != "heun" else 2

    def run(z, tol):
        terms = langevin_terms(pull, friction=1.0, temperature=0.3, path=path(tol=tol))
        y0 = PhaseState(z, jnp.zeros(2))
        return simulate(terms, solver, 0.0, 2 * H, H, y0, key=jr.key(0), jumps=FLIPS, max_jumps=8)

    run = eqx.filter_jit(run) if traced else run
    with pytest.raises(REFUSED, match=f"tol at most dt0/{asked}"):
        run(jnp.zeros(2), 2 * H / asked)
    assert jnp.isfinite(run(jnp.zeros(2), H / asked).ys.z).all()


OUTWARD = lambda t, z, args: -50.0 * z
RAW = (diffrax.Heun(), diffrax.EulerHeun(), diffrax.Midpoint(), diffrax.HalfSolver(diffrax.Heun()))


@pytest.mark.parametrize("solver", RAW)
def test_a_solver_that_knows_no_ball_is_wrapped(solver):
    for solve in ("integrate", "simulate"):
        with pytest.raises(ValueError, match=r"wrap it, as gyrax.dynamics.Projected"):
            solved(solve, word=solver)


@pytest.mark.parametrize("solver", RAW[:3])
def test_diffeqsolve_with_it_gives_no_number_outside(solver):
    gone = dict(force=OUTWARD, dt=0.5, steps=6, path=None, temperature=0.0)
    outside = solved("diffeqsolve", word=solver, **gone)
    # Midpoint's stages stay inside here, and so does its end.
    assert jnp.isfinite(outside.z).all() == isinstance(solver, diffrax.Midpoint)
    inside = solved("diffeqsolve", word=Projected(solver), **gone)
    assert jnp.sum(inside.z**2) < 1.0
    one, other = (solved("diffeqsolve", word=s) for s in (solver, Projected(solver)))
    assert jnp.allclose(one.z, other.z, atol=1e-6)


@pytest.mark.parametrize("solve", ["integrate", "simulate"])
@pytest.mark.parametrize("t0", [1e6, 1e7, 1e8, -1e8])
def test_times_that_float32_does_not_tell_apart(t0, solve):
    still = dict(path=None, temperature=0.0, t0=t0)
    with pytest.raises(ValueError, match="float32 does not tell the times"):
        solved(solve, **still)
    with jax.enable_x64(True):
        assert jnp.isfinite(solved(solve, **still).z).all()


def test_traced_times_that_float32_does_not_tell_apart():
    run = jax.jit(lambda t0: solved(t0=t0, path=None, temperature=0.0).z)
    assert jnp.isfinite(run(0.0)).all()
    with pytest.raises(REFUSED, match="float32 does not tell the times"):
        jax.block_until_ready(run(1e7))


def harmonic_pull(t, z, args):
    return jax.grad(lambda x: 0.5 * distance(jnp.zeros_like(x), x) ** 2)(z)


@pytest.mark.parametrize("p", [[0.0, 0.0], [0.5, 0.2]])
@pytest.mark.parametrize("solve", ["integrate", "simulate"])
@pytest.mark.parametrize("traced", [False, True])
def test_a_million_steps_that_float32_would_lose(p, solve, traced):
    short = dict(force=harmonic_pull, path=None, temperature=0.0, friction=0.0, field=None)
    run = lambda p: solved(solve, p=p, dt=1e-6, steps=1_000_000, **short).z
    with pytest.raises(REFUSED, match="steps this short are lost to rounding in float32"):
        jax.block_until_ready((jax.jit(run) if traced else run)(jnp.array(p)))
    weak = short | dict(friction=1e-6)
    with pytest.raises(ValueError, match="friction so weak"):
        solved(solve, dt=0.1, steps=200_000, **weak)


@pytest.mark.parametrize(
    "times", [(0.0, 0.0), (1.0, 0.0), (0.0, np.nan), (np.inf, 1.0), (0.0, np.inf)]
)
def test_a_path_of_no_time(times):
    with pytest.raises(ValueError, match="t1 > t0"):
        PresampledPath.sample(*times, 8, 2, key=jr.key(0))


def rows(*shape):
    return lambda rng: jnp.full((*shape[:-1], rng.choice([1, 3, 4, 7])), 0.1)


def returns(value):
    return lambda rng: lambda t, z, args: value(z, rng.uniform(-3, 3))


number = lambda rng: rng.uniform(-5, 5)
MISTAKES = {
    "p: other size": (dict(p=rows(1)), "both must have one shape"),
    "z: other size": (dict(z=rows(1)), "both must have one shape"),
    "z, p: a batch": (dict(z=rows(4, 1), p=rows(4, 1)), "jax.vmap"),
    "z: whole numbers": (dict(z=lambda rng: jnp.array([0, rng.randrange(9)])), "real floats"),
    "p: whole numbers": (dict(p=lambda rng: jnp.array([1, rng.randrange(9)])), "real floats"),
    "z: complex": (dict(z=lambda rng: jnp.array([0.1, 1j * number(rng)])), "real"),
    "p: complex": (dict(p=lambda rng: jnp.array([0.1, 1j * number(rng)])), "real"),
    "z: not finite": (dict(z=lambda rng: jnp.array([0.1, rng.choice([np.nan, np.inf])])), "finite"),
    "p: not finite": (dict(p=lambda rng: jnp.array([rng.choice([np.nan, -np.inf]), 0.1])), "finite"),
    "z: outside": (dict(z=lambda rng: jnp.array([0.6, 0.8 * rng.uniform(1, 9)])), "the ball"),
    "z: outside for c": (dict(c=lambda rng: 10.0 + 99 * rng.random()), "the ball"),
    "dt: 0 or less": (dict(dt=lambda rng: -abs(number(rng))), "cover|coarser|positive|>= 0"),
    "dt: not finite": (dict(dt=lambda rng: rng.choice([np.nan, np.inf])), ""),
    "t0: not finite": (dict(t0=lambda rng: rng.choice([np.nan, np.inf, -np.inf])), ""),
    "t0: outside the path": (dict(t0=lambda rng: 1.0 + abs(number(rng))), "cover|range"),
    "steps: 0 or less": (dict(steps=lambda rng: -rng.randrange(9)), "steps is|t1 > t0|>= 0|no steps"),
    "steps: no whole number": (dict(steps=lambda rng: rng.randrange(9) + rng.uniform(0.1, 0.9)), "whole"),
    "steps: beyond count": (dict(steps=lambda rng: 10 ** rng.randrange(9, 40)), "apart|cover|range"),
    "force: complex": (dict(force=returns(lambda z, x: z * x * 1j)), "real"),
    "control: complex": (dict(control=returns(lambda z, x: z * x * 1j)), "real"),
    "force: none": (dict(force=returns(lambda z, x: None)), "returned shape"),
    "field: works": (dict(field=returns(lambda z, x: jnp.full((2, 2), abs(x) + 0.1))), "antisymm"),
    "path: other size": (dict(path=lambda rng: path(rng.choice([1, 3, 9]))), "build the path"),
    "path: too coarse": (dict(path=lambda rng: path(tol=rng.uniform(1.5, 9) * H)), "coarser"),
    "path: none": (dict(path=lambda rng: None), "path is None"),
    "solver: of R^n": (dict(word=lambda rng: rng.choice(RAW)), "wrap it"),
    "friction: no number": (dict(friction=lambda rng: rng.choice(["1", None, 1j])), "real number"),
    "c: no number": (dict(c=lambda rng: rng.choice(["1", None, 1j])), "real number"),
}  # fmt: skip
DIFFRAX_TAKES = ("z: whole", "p: whole", "steps: 0", "steps: no whole", "solver: of", "p: other", "z: other",
                 "z, p: a batch")  # fmt: skip
"""What `diffeqsolve` converts, cuts short, leaves to the user, or refuses in its own words."""


def test_mistakes_are_mistakes():
    for solve in ("integrate", "simulate", "diffeqsolve"):
        assert jnp.isfinite(solved(solve).z).all()


CASES = int(os.environ.get("GYRAX_ATTACK_CASES", 40))


@pytest.fixture
def as_installed():
    """Without the checks of types that only the tests have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("case", range(CASES))
def test_a_random_mistake(case, rng, as_installed):
    """In the arguments of a solve, known before it or traced."""
    name = [*MISTAKES][case % len(MISTAKES)]
    wrong, said = MISTAKES[name]
    ways = ["integrate", "simulate", *["diffeqsolve"] * (not name.startswith(DIFFRAX_TAKES))]
    changes, solve = {key: draw(rng) for key, draw in wrong.items()}, rng.choice(ways)
    with pytest.raises((*REFUSED, eqx.EquinoxTracetimeError), match=said or None):
        if rng.random() < 0.5 or solve == "simulate":
            solved(solve, **changes)
        else:
            arrays, rest = eqx.partition(changes, eqx.is_array)
            run = eqx.filter_jit(lambda arrays: solved(solve, **eqx.combine(arrays, rest)))
            jax.block_until_ready(run(arrays))


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_coefficient_is_refused_or_used(seed):
    rng = np.random.default_rng(seed)
    name = str(rng.choice(list(WRONG)))
    value = float(rng.choice([rng.normal(), rng.normal() * 10, 0.0, -0.0, -1e-30, np.nan, -np.inf]))
    good = {"temperature": value >= 0, "friction": value >= 0, "c": value > 0}.get(name, True)
    if good and np.isfinite(value) and not (name == "c" and value > 5):
        assert jnp.isfinite(way(name, "jit")(value)).all(), (name, value)
    elif not good or not np.isfinite(value):
        with pytest.raises(REFUSED, match=name):
            way(name, "jit")(value)
