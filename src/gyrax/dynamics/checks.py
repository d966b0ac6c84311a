"""Refusing what cannot be integrated: a `ValueError` where the value is known, `eqx.error_if` under jit."""

from typing import Any, TypeVar

import diffrax
import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from gyrax.dynamics.terms import PhaseState, Scalar

T = TypeVar("T")


def is_concrete(*values: Any) -> bool:
    """Whether no leaf of `values` is being traced."""
    return not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(values))


def numpy_for(*values: Any) -> Any:
    """NumPy where the values are known, so that a test of them is settled at once, even inside jit."""
    return np if is_concrete(*values) else jnp


def require(value: T, good: Any, message: str) -> T:
    """`value`, where `good` is true; else raise. Use what it returns: jit attaches the check to that."""
    if isinstance(good, jax.core.Tracer):
        return eqx.error_if(value, ~good, message)
    if not np.all(good):
        raise ValueError(message)
    return value


def checked_state(y: PhaseState, path: Any, c: Scalar) -> PhaseState:
    """`y`, if it is one finite state inside the ball, of the dimension of the Brownian path."""
    if y.z.ndim != 1 or y.z.shape != y.p.shape:
        raise ValueError(
            f"the state has z of shape {y.z.shape} and p of shape {y.p.shape}; both must have one "
            "shape (D,): integrate a batch of states with jax.vmap."
        )
    path_dim = path_shape(path)
    if path_dim is not None and path_dim != y.z.shape:
        raise ValueError(
            f"the Brownian path has shape {path_dim} and the state has shape {y.z.shape}; build the "
            f"path with shape={y.z.shape}."
        )
    xp = numpy_for(y, c)
    z, p = xp.asarray(y.z), xp.asarray(y.p)
    shown = f" (z = {z}, p = {p})" if xp is np else ""
    finite = xp.isfinite(z).all() & xp.isfinite(p).all()
    y = require(y, finite, f"the initial state has NaN or inf{shown}; give finite z and p.")
    return require(
        y,
        c * xp.sum(z * z) < 1.0,
        f"the initial point is outside the ball c‖z‖² < 1{shown}; start inside it, for instance at "
        "gyrax.geometry.project(z, c).",
    )


def path_shape(path: Any) -> tuple[int, ...] | None:
    """The shape of a Brownian path's values, or None if the path does not have one."""
    shape = getattr(path, "shape", None)
    if isinstance(shape, jax.ShapeDtypeStruct):
        return shape.shape
    values = getattr(path, "values", None)
    return None if values is None else values.shape[1:]


def checked_step(value: T, t0: Any, t1: Any, path: Any, calls: int) -> T:
    """`value`, if the step [t0, t1] is not empty and `path` resolves it, asked `calls` times a step."""
    xp = numpy_for(t0, t1)
    empty = "the step has length zero; use a dt0 other than 0."
    value = require(value, xp.not_equal(t0, t1), empty)
    if not isinstance(path, diffrax.VirtualBrownianTree) or calls == 0:
        return value
    value = checked_cover(value, t0, t1, path)
    xp = numpy_for(t0, t1, path.t0, path.t1, path.tol)
    cell = path.tol * (path.t1 - path.t0)
    return require(
        value,
        xp.less_equal(cell * calls, abs(t1 - t0) * (1.0 + 1e-4)),
        "the VirtualBrownianTree is coarser than the solver's step, so that its increments would not "
        f"be independent: build it with tol at most dt0/{calls}.",
    )


def checked_cover(value: T, t0: Any, t1: Any, path: Any) -> T:
    """`value`, if `path` covers the times between `t0` and `t1` (but for rounding)."""
    begin, end = getattr(path, "t0", None), getattr(path, "t1", None)
    if begin is None or end is None:
        return value
    xp = numpy_for(t0, t1, begin, end)
    slack = 1e-4 * abs(t1 - t0)
    shown = f" [{begin}, {end}]" if xp is np else ""
    return require(
        value,
        (xp.minimum(t0, t1) >= begin - slack) & (xp.maximum(t0, t1) <= end + slack),
        f"the Brownian path{shown} does not cover the times solved for; build it with the t0 and t1 "
        "of the solve.",
    )
