"""The geodesic Boris splitting family: every flow exact, so every word is geometric."""

import equinox as eqx

from gyrax.dynamics.solvers.base import AbstractSplitting
from gyrax.dynamics.splitting import Stage, is_palindrome, parse_word
from gyrax.dynamics.terms import PhaseState, Scalar
from gyrax.geometry import geodesic_flow


class GeodesicSplitting(AbstractSplitting):
    """A splitting of the Langevin equation on the ball by a word over A, B and O.

    A is the exact geodesic flow, B half kick – Cayley rotation – half kick, O the exact
    Ornstein–Uhlenbeck flow. Palindromic words are of order two in the step (weak order two in their
    invariant law); every word is of strong order one, for it sees the noise through its increments.

    Source: Leimkuhler & Matthews 2013 for the words; docs/model.md, section 3, for the flows.
    """

    stages: tuple[Stage, ...] = eqx.field(static=True)
    word: str = eqx.field(static=True)

    def __init__(self, word: str = "BAOAB"):
        """`word` is spelt in A, B, O of either case; `ValueError` for any other."""
        self.stages = parse_word(word)
        self.word = word.upper()

    def drift_flow(self, y: PhaseState, t: Scalar, c: Scalar) -> PhaseState:
        """Exact geodesic flow; the momentum is transported along."""
        return PhaseState(*geodesic_flow(y.z, y.p, t, c))

    def order(self, terms: object) -> int:
        """Two for a palindrome, one otherwise."""
        del terms
        return 2 if is_palindrome(self.word) else 1

    def strong_order(self, terms: object) -> float:
        """One."""
        del terms
        return 1.0
