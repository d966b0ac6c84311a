"""A number of the equation of motion that is fixed or learned, such as friction and temperature."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gyrax.nn.frozen import Frozen


class Coefficient(eqx.Module):
    """A number that is fixed, or learned as softplus of a parameter and so positive.

    **Fields:** `parameter`, of shape `()`: the fixed number itself ([`Frozen`][]) or what softplus is taken
    of; `is_zero`: known to be zero, so that what it multiplies can be left out.
    """

    parameter: Float[Array, ""] | Frozen
    is_zero: bool = eqx.field(static=True, default=False)

    @classmethod
    def fixed(cls, value: float | Float[Array, ""]) -> "Coefficient":
        """A number that does not train."""
        known = isinstance(value, int | float) and value == 0
        return cls(Frozen(jnp.asarray(value, float)), known)

    @classmethod
    def learned(cls, start: float) -> "Coefficient":
        """A number that trains, from `start` > 0 on."""
        x = jnp.asarray(start, float)
        return cls(x + jnp.log(-jnp.expm1(-x)))

    @property
    def value(self) -> Float[Array, ""]:
        """The number."""
        if isinstance(self.parameter, Frozen):
            return self.parameter.value
        return jax.nn.softplus(self.parameter)
