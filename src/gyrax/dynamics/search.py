"""The search for the time at which a hazard reaches its draw, one trial after another."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array


class Search(NamedTuple):
    """A bracket of the crossing: its ends, the hazard less the draw at each (negative, positive),
    which end moved last (−1, 1), and how many trials were made."""

    active: Array
    low: Array
    below: Array
    high: Array
    above: Array
    last: Array
    tries: Array

    def guess(self) -> Array:
        """Where to look: regula falsi, and every third time the middle, which bounds the number of trials."""
        rise = self.above - self.below
        share = jnp.where(rise > 0, self.above / jnp.where(rise > 0, rise, 1.0), 0.5)
        share = jnp.where(self.tries % 3 == 2, 0.5, share)
        guess = self.high - share * (self.high - self.low)
        return jnp.clip(guess, self.low, self.high)

    def opened(self, low: Array, high: Array, below: Array, above: Array) -> "Search":
        """A new search between `low` and `high`."""
        return idle_search(low)._replace(
            active=jnp.asarray(True), below=below, high=high, above=above
        )

    def closed(self, t: Array, excess: Array) -> "Search":
        """The bracket closed around a trial at `t` (Illinois rule)."""
        passed = excess >= 0
        side = jnp.where(passed, 1, -1)
        halved = jnp.where(self.last == side, 0.5, 1.0)
        return Search(
            active=jnp.asarray(True),
            low=jnp.where(passed, self.low, t),
            below=jnp.where(passed, halved * self.below, excess),
            high=jnp.where(passed, t, self.high),
            above=jnp.where(passed, excess, halved * self.above),
            last=side,
            tries=self.tries + 1,
        )


def idle_search(t: Array) -> Search:
    """No search, at time `t`."""
    zero, none = jnp.zeros_like(t), jnp.asarray(0)
    return Search(jnp.asarray(False), t, zero, t, zero, none, none)
