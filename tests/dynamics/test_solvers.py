"""The solvers as users drive them: through diffrax and through `integrate`, both ways in time,
differentiated, in both precisions, and given what cannot be integrated."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from problems import bumpy, compiled_integrate, start, terms_of, tree_of, twisting_field

import gyrax
from gyrax import GeodesicSplitting, PhaseState, PresampledPath, langevin_terms, solver_by_name
from gyrax.dynamics import integrate

H, STEPS = 1 / 64, 48


def noisy_terms(path, c=0.7):
    return terms_of(
        bumpy, c=c, friction=1.5, temperature=0.3, path=path, field=twisting_field,
        control=lambda t, z, args: jnp.stack([jnp.cos(5.0 * t), z[0] * t]),
    )  # fmt: skip


def test_a_solve_in_ten_lines_equals_integrate(x64):
    path = diffrax.VirtualBrownianTree(0.0, 1.0, tol=H / 2, shape=(2,), key=jr.key(0))
    terms = gyrax.langevin_terms(
        lambda t, z, args: 4.0 * z, friction=1.0, temperature=0.3, path=path
    )
    y0 = gyrax.PhaseState(jnp.array([0.3, 0.1]), jnp.array([1.0, -2.0]))
    solver = gyrax.GeodesicSplitting("BAOAB")
    solution = diffrax.diffeqsolve(terms, solver, 0.0, 1.0, H, y0)
    by_hand = integrate(terms, solver, 0.0, H, 64, y0)
    assert np.abs(np.asarray(solution.ys.z[-1]) - by_hand.z).max() < 1e-14
    assert np.abs(np.asarray(solution.ys.p[-1]) - by_hand.p).max() < 1e-13


@pytest.mark.parametrize("word", ["baoab", "obabo"])
def test_a_solve_backwards_inverts_the_solve_forwards(word, x64):
    terms = noisy_terms(tree_of(1.0, H / 4, 2, jr.key(1)))
    solver, y0 = solver_by_name(word), start(2, c=0.7)
    solve = eqx.filter_jit(
        lambda t0, t1, dt0, y: diffrax.diffeqsolve(terms, solver, t0, t1, dt0, y).ys
    )
    there = jax.tree.map(lambda x: x[-1], solve(jnp.array(0.0), jnp.array(1.0), jnp.array(H), y0))
    back = solve(jnp.array(1.0), jnp.array(0.0), jnp.array(-H), there)
    assert jnp.linalg.norm(there.z - y0.z) > 0.03
    assert jnp.abs(back.z[-1] - y0.z).max() < 1e-10
    assert jnp.abs(back.p[-1] - y0.p).max() < 1e-10


@functools.cache
def fine_solve():
    terms = noisy_terms(tree_of(1.0, 2.0**-13, 2, jr.key(2)))
    return terms, compiled_integrate(
        terms, GeodesicSplitting(), 0.0, 2.0**-11, 2**11, start(2, c=0.7)
    )


def assert_near(solution, fine, bar):
    assert jnp.linalg.norm(solution.ys.z[-1] - fine.z) < bar
    assert jnp.linalg.norm(solution.ys.p[-1] - fine.p) < 10 * bar


def test_irregular_steps_follow_the_same_path(x64):
    terms, fine = fine_solve()
    times = np.sort(np.concatenate([[0.0, 1.0], np.random.default_rng(0).uniform(size=300)]))
    steps = diffrax.StepTo(jnp.asarray(times))
    y0 = start(2, c=0.7)
    solution = diffrax.diffeqsolve(
        terms, GeodesicSplitting(), 0.0, 1.0, None, y0, stepsize_controller=steps
    )
    assert_near(solution, fine, 0.02)


@pytest.mark.slow
def test_adaptive_steps_follow_the_same_path(x64):
    terms, fine = fine_solve()
    solution = diffrax.diffeqsolve(
        terms,
        diffrax.HalfSolver(GeodesicSplitting()),
        0.0,
        1.0,
        0.01,
        start(2, c=0.7),
        stepsize_controller=diffrax.PIDController(1e-3, 1e-3, dtmin=2.0**-11),
        max_steps=10_000,
    )
    assert_near(solution, fine, 0.005)


def objective(name, steps=100):
    """A scalar of the end of a noisy solve, as a function of all that one would differentiate by."""
    increments = 0.1 * jr.normal(jr.key(5), (2 * steps, 3))

    def value(x):
        waves, friction, temperature, beta, z, p, c = (x[k] for k in "wftbzpc")
        path = PresampledPath.from_increments(0.0, 2.0, increments, checked=False)
        terms = langevin_terms(
            lambda t, z, args: z + jnp.sin(args * z) * args, friction=friction,
            temperature=temperature, path=path, field=twisting_field, beta=beta, c=c,
        )  # fmt: skip
        y = integrate(terms, solver_by_name(name), 0.0, 2.0 / steps, steps, PhaseState(z, p), waves)
        return jnp.sum(y.z * jnp.array([1.0, -2.0, 0.5])) + jnp.sum(jnp.sin(y.p))

    return value


@pytest.mark.parametrize("name", ["baoab", "heun"])
def test_gradients_through_a_hundred_steps_are_those_of_finite_differences(name, x64):
    y = start(3)
    x = dict(w=np.array([1.0, 2.0, 0.5]), f=1.2, t=0.2, b=0.8, z=y.z, p=y.p, c=0.8)
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), x)  # no weak types: compile once
    both = jax.jit(jax.value_and_grad(objective(name)))
    gradient = both(x)[1]
    h = 1e-3
    for k, leaf in x.items():
        direction = jnp.cos(jnp.arange(1.0, leaf.size + 1.0)).reshape(leaf.shape)
        at = lambda s, k=k, leaf=leaf, d=direction: both(x | {k: leaf + s * d})[0]
        # Fourth order, so that h can be large enough to leave rounding behind.
        difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        assert jnp.sum(gradient[k] * direction) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.slow
def test_gradients_pass_through_diffeqsolve_and_the_tree(x64):
    path = tree_of(1.0, H / 2, 2, jr.key(0))

    def value(p, solve):
        terms = terms_of(bumpy, friction=1.0, temperature=0.3, path=path)
        return jnp.sum(solve(terms, PhaseState(start(2).z, p)).z)

    solver = GeodesicSplitting()
    through = lambda terms, y: jax.tree.map(
        lambda x: x[-1], diffrax.diffeqsolve(terms, solver, 0.0, 1.0, H, y, max_steps=64).ys
    )
    by_hand = lambda terms, y: integrate(terms, solver, 0.0, H, 64, y)
    one, other = (jax.grad(value)(start(2).p, solve) for solve in (through, by_hand))
    assert jnp.abs(one - other).max() < 1e-12


@pytest.mark.parametrize("name", ["baoab", "document", "heun"])
@pytest.mark.parametrize("wide", [False, True])
def test_a_float32_state_stays_float32(name, wide):
    """Also where x64 is on and times, coefficients, forces and noise are all float64."""
    with jax.enable_x64(wide):
        number = lambda x: jnp.asarray(x, jnp.result_type(float))
        terms = langevin_terms(
            lambda t, z, args: number([1.0, 2.0]) * t, friction=number(1.0), temperature=number(0.3),
            path=tree_of(1.0, H / 2, 2, jr.key(0)), beta=number(1.0), c=number(0.5),
            field=lambda t, z, args: number([[0.0, 1.0], [-1.0, 0.0]]),
        )  # fmt: skip
        y0, solver = start(2, "float32"), solver_by_name(name)
        y = compiled_integrate(terms, solver, number(0.0), number(H), 4, y0)
        assert (y.z.dtype, y.p.dtype) == (jnp.float32, jnp.float32)
        assert jnp.isfinite(y.p).all()


def test_float32_follows_float64():
    ends = {}
    for precision in ("float32", "float64"):
        with jax.enable_x64(precision == "float64"):
            noise = np.random.default_rng(0).normal(size=(STEPS, 2)) * H**0.5
            path = PresampledPath.from_increments(0.0, H * STEPS, jnp.asarray(noise, precision))
            y = compiled_integrate(
                noisy_terms(path), GeodesicSplitting(), 0.0, H, STEPS, start(2, precision)
            )
            assert y.z.dtype == precision
            ends[precision] = np.concatenate([y.z, y.p])
    assert np.abs(ends["float32"] - ends["float64"]).max() < 2e-5


GOOD = dict(z=[0.1, 0.2], p=[0.3, 0.4], path=(0.0, 1.0, H / 2, 2), dt=H)
BAD = {
    "nan": (dict(z=[0.1, np.nan]), r"NaN or inf .*give finite z and p"),
    "infinite momentum": (dict(p=[np.inf, 0.0]), r"NaN or inf .*give finite z and p"),
    "outside": (dict(z=[0.9, 0.9]), r"outside the ball .*gyrax.geometry.project"),
    "on the boundary": (dict(z=[1.0, 0.0]), r"outside the ball"),
    "batch": (dict(z=[[0.1, 0.2]], p=[[0.3, 0.4]]), r"jax.vmap"),
    "no step": (dict(dt=0.0), r"length zero; use a dt0 other than 0"),
    "path of another dimension": (dict(path=(0.0, 1.0, H / 2, 3)), r"with shape=\(2,\)"),
    "coarse tree": (dict(path=(0.0, 1.0, 2 * H, 2)), r"coarser than .* tol at most dt0/1"),
    "late tree": (dict(path=(0.5, 1.0, H / 2, 2)), r"does not cover .* t0 and t1 of the solve"),
}


def attempt(name, change):
    case = GOOD | change
    t0, t1, tol, dim = case["path"]
    terms = noisy_terms(tree_of(t1, tol, dim, jr.key(0), t0), c=1.0)
    y0 = PhaseState(jnp.array(case["z"]), jnp.array(case["p"]))
    return integrate(terms, solver_by_name(name), 0.0, case["dt"], 4, y0)


@pytest.mark.parametrize("name", ["baoab", "heun"])
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_integrated_is_refused(name, case, x64):
    change, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        attempt(name, change)


@pytest.mark.parametrize("name", ["baoab", "aboba"])
def test_under_jit_it_is_refused_too(name, x64):
    terms = noisy_terms(tree_of(1.0, H, 2, jr.key(0)), c=1.0)
    solve = eqx.filter_jit(
        lambda dt, z: integrate(terms, solver_by_name(name), 0.0, dt, 4, PhaseState(z, z))
    )
    solve(jnp.array(H), jnp.array([0.1, 0.2]))
    for dt, z, says in (
        (H, [0.1, np.nan], "give finite z and p"),
        (H, [0.9, 0.9], "outside the ball"),
        (0.0, [0.1, 0.2], "use a dt0 other than 0"),
        (H / 4, [0.1, 0.2], "tol at most dt0/1"),
    ):
        with pytest.raises(RuntimeError, match=says):
            solve(jnp.array(dt), jnp.array(z))


@pytest.mark.parametrize("name", ["baoab", "document", "heun"])
def test_foreign_terms_are_refused(name):
    foreign = diffrax.ODETerm(lambda t, y, args: y)
    pair = diffrax.MultiTerm(foreign, foreign)
    for terms in (foreign, pair):
        with pytest.raises(ValueError, match=r"gyrax.langevin_terms"):
            diffrax.diffeqsolve(terms, solver_by_name(name), 0.0, 1.0, 0.1, start(2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(friction=-1.0), "friction is -1.0; it must be zero or positive"),
        (dict(temperature=-0.1), "temperature is -0.1"),
        (dict(friction=np.nan), "friction is nan"),
        (dict(c=0.0), "c is 0.0; it must be positive and finite"),
        (dict(friction=1.0, temperature=0.3), r"path is None; pass a Brownian path"),
    ],
)
def test_impossible_coefficients_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        terms_of(bumpy, **options)


@pytest.mark.parametrize("name", ["", "BAXB", "baoab ", "rk4", "Heun", "ao"])
def test_an_unknown_solver_name_is_refused(name):
    with pytest.raises(ValueError, match=r"such as"):
        solver_by_name(name)


@pytest.mark.parametrize("steps", [0, -1])
def test_integrate_refuses_no_steps(steps):
    with pytest.raises(ValueError, match=f"steps is {steps}; it must be a whole number, 1 or more"):
        integrate(terms_of(bumpy), GeodesicSplitting(), 0.0, 0.1, steps, start(2))


@pytest.mark.parametrize("name", ["baoab", "document", "heun"])
@pytest.mark.parametrize("dim", [3, 16])
def test_a_gpu_is_asked_for_all_digits_of_every_matrix_product(name, dim):
    """By default it rounds the factors to TF32."""
    solver, terms = solver_by_name(name), terms_of(bumpy, field=twisting_field)

    def step(y):
        return solver.step(terms, 0.0, H, y, None, solver.init(terms, 0.0, H, y, None), False)[0]

    several = jax.tree.map(lambda x: jnp.stack([x, x]), start(dim))
    lines = jax.jit(jax.vmap(step)).lower(several).as_text().splitlines()
    products = [line for line in lines if "dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
