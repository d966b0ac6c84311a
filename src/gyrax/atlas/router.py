"""Soft assignment of a point to the charts of the atlas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor, distance, project, temperature
from gyrax.nn.attention import fold_quadratic, quadratic_features
from gyrax.nn.initial import kaiming_uniform, normal

KEY_WIDTH = 32


class ChartRouter(eqx.Module):
    """Chart weights = softmax_k[−d(v, c_k)/τ(v) + 0.1 ⟨s_k key_k, W_z v + W_f f + quadratic(v)⟩/τ(v)].

    s_k = λ(c_k)/λ(v) transports the key to v; the first τ has d_k = D, the second the key's width
    (docs/model.md, section 10). Without `features` (the decoder's router) W_f is left out.
    """

    center: Float[Array, "K D"]
    key: Float[Array, "K q"]
    position: Float[Array, "q D"]
    gamma: Float[Array, "q D D"]
    feature: Float[Array, "q h"] | None
    c: float = eqx.field(static=True)

    @classmethod
    def create(
        cls, centers: Float[Array, "K D"], features: int | None, *, c: float, key: PRNGKey
    ) -> "ChartRouter":
        """A router over the charts of the given centres."""
        keys = jr.split(key, 4)
        charts, dim = centers.shape
        return cls(
            centers,
            normal(keys[0], (charts, KEY_WIDTH)),
            kaiming_uniform(keys[1], (KEY_WIDTH, dim)),
            normal(keys[2], (KEY_WIDTH, dim, dim), 0.02),
            None if features is None else kaiming_uniform(keys[3], (KEY_WIDTH, features)),
            c,
        )

    @property
    def centers(self) -> Float[Array, "K D"]:
        """Chart centres, inside the ball wherever training has moved them."""
        return project(self.center, self.c)

    @property
    def keys(self) -> Float[Array, "K q"]:
        """The chart keys, transported and divided by all of τ but λ(v), which cancels."""
        scale = 0.1 / KEY_WIDTH**0.5 * conformal_factor(self.centers, self.c)
        return self.key * scale[:, None]

    @property
    def quadratic(self) -> Float[Array, "K F"]:
        """What the keys add to the logits of a point: a row for each chart over
        [`quadratic_features`][]."""
        return self.keys @ fold_quadratic(self.position, self.gamma)

    def __call__(self, v: Point, features: Float[Array, " h"] | None = None) -> Float[Array, " K"]:
        """Chart weights of one point."""
        centers = self.centers
        # Keys meet the maps before any sample does.
        match = self.quadratic @ quadratic_features(v)
        if self.feature is not None and features is not None:
            match = match + (self.keys @ self.feature) @ features
        proximity = distance(v[None], centers, self.c) / temperature(v, v.shape[-1], self.c)
        return jax.nn.softmax(match - proximity)


def hard_chart(weights: Float[Array, "*batch K"]) -> Array:
    """The chart of largest weight."""
    return jnp.argmax(weights, axis=-1)
