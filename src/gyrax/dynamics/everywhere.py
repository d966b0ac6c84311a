"""The domain of equations that may go anywhere: diffrax's terms as they are, of a state of any structure."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from gyrax.dynamics.checks import checked_cover, checked_step
from gyrax.dynamics.domain import AbstractDomain
from gyrax.dynamics.require import is_concrete


def domain_of(terms: Any) -> AbstractDomain:
    """The domain that one of the terms names, or [`Everywhere`][]."""
    named = lambda x: isinstance(getattr(x, "domain", None), AbstractDomain)
    found = [x.domain for x in jax.tree.leaves(terms, is_leaf=named) if named(x)]
    return found[0] if found else Everywhere()


def paths_of(terms: Any) -> list[diffrax.AbstractBrownianPath]:
    """The Brownian paths that the terms read."""
    is_path = lambda x: isinstance(x, diffrax.AbstractBrownianPath)
    return [x for x in jax.tree.leaves(terms, is_leaf=is_path) if is_path(x)]


class Everywhere(AbstractDomain):
    """No domain: a state is any pytree of floating-point arrays, finite where that is known."""

    def admit(
        self, terms: Any, solver: Any, grid: Any, y0: Any, args: Any, splits: int
    ) -> tuple[Any, Any]:
        """Check the state, the noise, and that a step of the solver takes the state to one like it."""
        if not jax.tree.leaves(y0):
            raise ValueError(
                f"the state {y0!r} has no arrays; give a pytree of floating-point arrays."
            )
        y0 = jax.tree.map(_promoted, y0)
        # Under jit a NaN shows in what comes out, and a test of it would cost as much as a hundred steps.
        if is_concrete(y0) and not all(np.isfinite(x).all() for x in jax.tree.leaves(y0)):
            raise ValueError(f"the initial state {y0} has NaN or inf; give finite numbers.")
        calls = splits * (2 if isinstance(solver, diffrax.HalfSolver) else 1)
        for path in paths_of(terms):
            y0 = checked_step(y0, grid.t0, grid.t0 + grid.dt, path, calls)
            y0 = checked_cover(y0, grid.t0, grid.t1, path)
        _check_step(terms, solver, grid, y0, args)
        return terms, y0

    def land(self, terms: Any, y: Any) -> tuple[Any, Bool[Array, ""]]:
        """The state as it is, and whether it is finite."""
        del terms
        return y, jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(y)]).all()


def _promoted(leaf: Any) -> Array:
    """A leaf of the state in a precision that times keep, as `diffrax.diffeqsolve` has it."""
    dtype = jnp.result_type(leaf) if eqx.is_array_like(leaf) else None
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        found = f"a {type(leaf).__name__}" if dtype is None else f"of {dtype}"
        raise ValueError(
            f"the state has a leaf {found}; give a pytree of floating-point arrays, for instance "
            "jnp.asarray(x, float)."
        )
    return jnp.asarray(leaf, jnp.promote_types(dtype, jnp.result_type(float)))


def _check_step(terms: Any, solver: Any, grid: Any, y0: Any, args: Any) -> None:
    """Raise `ValueError` where the solver cannot step these terms from this state to another like it."""

    def step(y: Any) -> Any:
        begin, end = grid.time(0), grid.time(1)
        state = solver.init(terms, begin, end, y, args)
        return solver.step(terms, begin, end, y, args, state, False)[0]

    name = type(solver).__name__
    _check_tolerances(solver)
    try:
        after = eqx.filter_eval_shape(step, y0)
    except (AttributeError, TypeError, ValueError, AssertionError) as error:
        raise ValueError(
            f"{name} cannot step these terms from this state: {error} (For a stochastic equation, terms are "
            "mostly diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, path)).)"
        ) from error
    require_like(after, y0, f"a step of {name}", "the vector fields")


def _check_tolerances(solver: Any) -> None:
    """Raise `ValueError` where an implicit solver waits for the tolerances of an adaptive controller."""
    finder = getattr(solver, "root_finder", None)
    if finder is not None and not eqx.is_array_like(getattr(finder, "rtol", 0.0)):
        name, tool = type(solver).__name__, type(finder).__name__
        raise ValueError(
            f"{name} takes its tolerances from an adaptive controller, and steps here are fixed; give "
            f"them, as diffrax.{name}(root_finder=diffrax.{tool}(rtol=1e-4, atol=1e-6))."
        )


def require_like(after: Any, before: Any, what: str, remedy: str) -> None:
    """Raise `ValueError` where a state is not of the structure, shapes and dtypes that it was of."""
    outline = lambda tree: jax.tree.map(lambda x: f"{x.dtype}{list(x.shape)}", tree)
    arrays = eqx.filter_eval_shape(lambda x: jax.tree.map(jnp.asarray, x), after)
    is_, was = outline(arrays), outline(before)
    if jax.tree.structure(is_) != jax.tree.structure(was) or is_ != was:
        raise ValueError(
            f"{what} makes a state {is_} of a state {was}; {remedy} must keep its structure, shapes and "
            "dtypes."
        )
