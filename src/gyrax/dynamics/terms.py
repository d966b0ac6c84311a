r"""Hamiltonian Langevin dynamics on the ball as a pair of diffrax terms.

\begin{align*}
    \mathrm{d}z   &= \lambda^{-2} p \,\mathrm{d}t \\
    \mathrm{d}p_i &= \Big[ -\partial_i\Phi + u_i + \frac{c\|p\|^2}{\lambda} z_i
        + \beta\lambda^{-2} F_{ij} p_j - \gamma p_i \Big] \mathrm{d}t
        + \sqrt{2\gamma T}\,\lambda\,\mathrm{d}W_i
\end{align*}

with H(z, p) = Φ(z) + ½λ⁻²‖p‖². The noise acts on p with a coefficient of z alone, so Itô and
Stratonovich agree. For u = 0 and any antisymmetric F the invariant law is exp(−H/T).

Source: docs/model.md, section 2.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax._types import Batched, Covector, Point, Scalar
from gyrax.dynamics.domain import AbstractDomain
from gyrax.geometry import conformal_factor
from gyrax.geometry.safe import exact_product, safe_sqrt

Callback = Callable[[Any, Any, Any], Any]


class PhaseState(eqx.Module):
    """A state of the dynamics: a point of the ball and its momentum.

    **Fields:** `z`, a point, shape `(D,)`; `p`, a covector at `z`, shape `(D,)`.
    """

    z: Point
    p: Covector


class Forces(NamedTuple):
    """What kicks the momentum at one (t, z): `kick` = ∂Φ − u, a covector of shape `(D,)`, and the field F,
    shape `(D, D)`, or None."""

    kick: Float[Array, " D"]
    field: Float[Array, "D D"] | None


def kinetic_energy(z: Point, p: Covector, c: Scalar = 1.0) -> Batched:
    """The kinetic energy ½λ⁻²‖p‖² of a covector `p` at `z`.

    Shapes: both are `(..., D)`, the result is `(...)`.
    """
    return 0.5 * jnp.sum(p * p, axis=-1) / conformal_factor(z, c) ** 2


class LangevinDrift(diffrax.AbstractTerm):
    """The dt part of the Langevin equation; built by [`langevin_terms`][].

    **Fields:** `forces(t, z, args)`, of a point of shape `(D,)`, which returns [`Forces`][]; friction γ ≥ 0;
    coupling β of the field; curvature c > 0; `checked`, whether our solvers look at the initial state, the
    first step and the path; `field`, that of `forces`, for them to look at too; `domain`, the ball.
    """

    forces: Callback
    friction: Scalar
    beta: Scalar
    c: Scalar
    checked: bool = eqx.field(static=True, default=False)
    field: Callback | None = None
    domain: AbstractDomain | None = None

    def vf(self, t: Any, y: PhaseState, args: Any) -> PhaseState:
        """The full coordinate drift, so that every diffrax solver integrates the same equation.

        NaN outside the ball where `checked`: a solver that steps out of it is not followed there.
        """
        scale = conformal_factor(y.z, self.c)
        if self.checked:
            scale = jnp.where(self.c * jnp.sum(y.z**2) < 1.0, scale, jnp.nan)
        kick, field = self.forces(t, y.z, args)
        dp = -kick + self.c * jnp.sum(y.p**2) / scale * y.z - self.friction * y.p
        if field is not None:
            dp = dp + self.beta / scale**2 * exact_product(field, y.p)
        return PhaseState(_like(y.z, y.p / scale**2), _like(y.p, dp))

    def contr(self, t0: Any, t1: Any, **kwargs: Any) -> Any:
        """The elapsed time."""
        del kwargs
        return t1 - t0

    def prod(self, vf: PhaseState, control: Any) -> PhaseState:
        """Drift times time."""
        return PhaseState(vf.z * _like(vf.z, control), vf.p * _like(vf.p, control))


class LangevinDiffusion(diffrax.AbstractTerm):
    """The dW part of the Langevin equation; built by [`langevin_terms`][].

    **Fields:** friction γ; temperature T ≥ 0; the Brownian `path` of shape `(D,)`, or None where T = 0;
    curvature c.
    """

    friction: Scalar
    temperature: Scalar
    path: diffrax.AbstractPath | None
    c: Scalar

    def vf(self, t: Any, y: PhaseState, args: Any) -> Float[Array, " D"]:
        """The diagonal coefficient sqrt(2γT) λ(z) of the noise in p."""
        del t, args
        strength = safe_sqrt(_like(y.p, 2.0 * self.friction * self.temperature))
        scale = _like(y.p, conformal_factor(y.z, self.c))
        return jnp.broadcast_to(strength * scale, y.p.shape)

    def contr(self, t0: Any, t1: Any, **kwargs: Any) -> Any:
        """The Brownian increment over [t0, t1]."""
        if self.path is None:
            return jnp.zeros(())
        return self.path.evaluate(_within(self.path, t0), _within(self.path, t1), **kwargs)

    def prod(self, vf: Float[Array, " D"], control: Any) -> PhaseState:
        """Noise moves the momentum only."""
        return PhaseState(jnp.zeros_like(vf), vf * _like(vf, control))


def _like(x: Array, value: Any) -> Array:
    """`value` in the dtype of `x`: neither times nor coefficients decide the precision of a state."""
    return jnp.asarray(value, x.dtype)


def _within(path: Any, t: Any) -> Any:
    """`t`, pulled back to the end of `path` where only the rounding of t0 + k·dt has passed it."""
    begin, end = getattr(path, "t0", None), getattr(path, "t1", None)
    if begin is None or end is None:
        return t
    t = jnp.asarray(t, jnp.result_type(t, float))
    slack = 16 * jnp.finfo(t.dtype).eps * jnp.maximum(jnp.abs(begin), jnp.abs(end))
    near = (t >= begin - slack) & (t <= end + slack)
    return jnp.where(near, jnp.clip(t, begin, end), t)
