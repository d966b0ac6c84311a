"""Where the states of an equation live: all that a simulation asks of an equation beyond diffrax's terms."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool


class AbstractDomain(eqx.Module):
    """Where the states of an equation live. A term says it by a field or property `domain`; terms without
    one, such as all of diffrax's own, live everywhere."""

    @abc.abstractmethod
    def admit(
        self, terms: Any, solver: Any, grid: Any, y0: Any, args: Any, splits: int
    ) -> tuple[Any, Any]:
        """The terms and the initial state, once they are known to fit each other, the solver, the domain
        and the steps of `grid`, each of which may fall into `splits` parts."""

    @abc.abstractmethod
    def land(self, terms: Any, y: Any) -> tuple[Any, Bool[Array, ""]]:
        """The state that a jump has moved, put where rounding may not have left it, and whether it is
        in the domain."""
