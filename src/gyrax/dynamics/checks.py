"""Refusing what cannot be integrated: a `ValueError` where the value is known, `eqx.error_if` under jit."""

from typing import Any, TypeVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from gyrax.dynamics.require import numpy_for, require
from gyrax.dynamics.terms import LangevinDiffusion, LangevinDrift, PhaseState, Scalar
from gyrax.geometry import conformal_factor

T = TypeVar("T")


def checked_state(y: PhaseState, path: Any, c: Scalar) -> PhaseState:
    """`y`, if it is one finite state inside the ball, of the dimension of the Brownian path."""
    for name, x in (("z", y.z), ("p", y.p)):
        dtype = getattr(x, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"the state's {name} is {f'a {type(x).__name__}' if dtype is None else f'of {dtype}'}; give "
                "an array of real floats, shape (D,)."
            )
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


def checked_field(value: T, drift: LangevinDrift, t0: Any, t1: Any, z: Any, args: Any) -> T:
    """`value`, if the field is antisymmetric at `z` and at one more point of the ball, in general position:
    a formula that is wrong may still vanish where a solve starts, as at the origin.

    Where the field is NaN nothing is said of it.
    """
    if drift.field is None:
        return value
    good: Any = True
    away = jnp.cos(jnp.arange(1.0, z.size + 1.0, dtype=z.dtype))
    elsewhere = 0.5 * z + 0.3 * away / jnp.sqrt(drift.c * jnp.sum(away**2)).astype(z.dtype)
    for t, place in ((t0, z), (t1, elsewhere)):
        found = jnp.asarray(drift.field(t, place, args), z.dtype)
        allowed = 16.0 * jnp.finfo(found.dtype).eps ** 0.5 * jnp.abs(found).max()
        good = good & ~(jnp.abs(found + found.T).max() > allowed)
    return require(
        value,
        good,
        "field(t, z, args) is not antisymmetric, so that it would do work; return F with F.T = -F, for "
        "instance 0.5 * (F - F.T).",
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
        "the VirtualBrownianTree is coarser than the solver's step, or than what a jump leaves of one, so "
        f"that its increments would not be independent: build it with tol at most dt0/{calls}.",
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


def checked_times(value: T, t0: Any, dt: Any, steps: int) -> T:
    """`value`, if the dtype of times tells the ends of steps apart, to a quarter of a step."""
    xp = numpy_for(t0, dt)
    spacing = xp.maximum(abs(t0), abs(t0 + steps * dt)) * jnp.finfo(jnp.result_type(float)).eps
    shown = f" (t0 = {t0}, {steps} steps of {dt})" if xp is np else ""
    return require(
        value,
        xp.less_equal(4.0 * spacing, abs(dt)),
        f"{jnp.result_type(float)} does not tell the times of the steps apart{shown}; start at t0 = 0, "
        "make fewer or longer steps, or use float64 (JAX_ENABLE_X64=1).",
    )


SHORTEST = 64.0
"""How many units in the last place a step has to move a state that makes many of them."""


def checked_motion(
    y: PhaseState,
    drift: LangevinDrift,
    diffusion: LangevinDiffusion,
    t0: Any,
    dt: Any,
    steps: int,
    args: Any,
) -> PhaseState:
    """`y`, if rounding would not hold back a motion of so many steps.

    In `steps` steps rounding can take up to `steps`·eps of a state. Where that is more than a hundredth or
    so, a step must move the state by more than `SHORTEST`·eps of how far it will come, at the speed of
    start, heat and force; and friction must change the momentum by as much.
    """
    tiny = SHORTEST * jnp.finfo(y.z.dtype).eps
    if steps * tiny <= 1.0:
        return y
    dt, c = abs(dt), drift.c
    scale = conformal_factor(y.z, c)
    kick = jnp.asarray(drift.forces(t0, y.z, args).kick)
    norm = lambda x: jnp.sqrt(jnp.sum(x * x))
    heat = 0.0 if diffusion.path is None else jnp.sqrt(diffusion.temperature) / scale
    speed, pull, whole = norm(y.p) / scale**2 + heat, norm(kick) / scale**2, steps * dt
    reach = norm(y.z) + speed * whole + 0.5 * pull * whole**2
    reach = jnp.minimum(reach, 1.0 / jnp.sqrt(c))
    step = dt * jnp.maximum(speed, jnp.sqrt(pull * reach))
    held = (step > 0) & (step < tiny * reach)
    braked = (drift.friction == 0) | (drift.friction * dt >= tiny)
    return require(
        y,
        ~held & braked,
        f"{steps} steps this short are lost to rounding in {y.z.dtype}: make fewer, longer steps, or use "
        "float64 (JAX_ENABLE_X64=1); and give friction so weak as 0.",
    )
