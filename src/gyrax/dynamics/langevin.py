"""The Langevin equation as diffrax terms, from a potential, a control and a field."""

from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np

from gyrax._types import Point, Scalar
from gyrax.dynamics.ball import Ball
from gyrax.dynamics.require import coefficient, is_concrete
from gyrax.dynamics.terms import Callback, Forces, LangevinDiffusion, LangevinDrift


def _shaped(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """`value`, if it is real and has the shape that the state asks for: a scalar would broadcast, and an
    imaginary part be dropped, without a word."""
    if np.shape(value) != shape:
        raise ValueError(
            f"{name}(t, z, args) returned shape {np.shape(value)}; it must return shape {shape}, "
            f"for a point of shape {shape[:1]}."
        )
    if jnp.iscomplexobj(value):
        raise ValueError(f"{name}(t, z, args) returned complex numbers; it must return real ones.")
    return value


def langevin_terms(
    grad_potential: Callback,
    *,
    friction: Scalar,
    temperature: Scalar,
    path: diffrax.AbstractPath | None,
    control: Callback | None = None,
    field: Callback | None = None,
    beta: Scalar = 1.0,
    c: Scalar = 1.0,
    checked: bool = True,
) -> diffrax.MultiTerm:
    """The Langevin SDE on the ball as `MultiTerm(LangevinDrift, LangevinDiffusion)`.

    **Arguments:**

    - `grad_potential(t, z, args)`: ∂Φ(z), a covector of shape `(D,)` (Euclidean gradient).
    - `friction`: γ ≥ 0, per unit of time.
    - `temperature`: T ≥ 0, in units of energy.
    - `path`: a Brownian path of shape `(D,)`, as `diffrax.VirtualBrownianTree` or
        [`PresampledPath`][]; None for the noise-free dynamics.
    - `control(t, z, args)`: an external force u, a covector of shape `(D,)`.
    - `field(t, z, args)`: an antisymmetric field strength F, shape `(D, D)`.
    - `beta`: coupling β of the field.
    - `c`: the ball has curvature −c.
    - `checked`: whether coefficients that jit or vmap trace are looked at, and whether our solvers
        refuse, at the start of a solve, a state that is not finite or not in the ball, an empty step,
        a path too coarse or too short for it, and a field that is not antisymmetric there and at one
        more point. Under jit each is an `eqx.error_if` a solve; `False` leaves them out. A solver of
        diffrax's own, which could step out of the ball, then gets a NaN there.

    **Raises:** `ValueError` (where traced, `eqx.error_if`) for a friction or temperature that is
    negative, a curvature that is not positive, and any coefficient that is not one finite number;
    for a force, control or field of the wrong shape; and for noise (γT > 0) without a path.
    """
    friction = coefficient("friction", friction, "zero or positive", checked)
    temperature = coefficient("temperature", temperature, "zero or positive", checked)
    beta = coefficient("beta", beta, "any", checked)
    c = coefficient("c", c, "positive", checked)
    noisy = [not is_concrete(x) or float(x) != 0.0 for x in (temperature, friction)]
    if path is None and all(noisy):
        raise ValueError(
            f"temperature is {temperature} and path is None; pass a Brownian path of shape (D,), "
            "or temperature=0 for the noise-free dynamics."
        )

    def turn(t: Any, z: Point, args: Any) -> Any:
        return None if field is None else _shaped("field", field(t, z, args), (*z.shape, *z.shape))

    def forces(t: Any, z: Point, args: Any) -> Forces:
        kick = _shaped("grad_potential", grad_potential(t, z, args), z.shape)
        if control is not None:
            kick = kick - _shaped("control", control(t, z, args), z.shape)
        return Forces(kick, turn(t, z, args))

    return diffrax.MultiTerm(
        LangevinDrift(forces, friction, beta, c, checked, None if field is None else turn, Ball()),
        LangevinDiffusion(friction, temperature, path, c),
    )
