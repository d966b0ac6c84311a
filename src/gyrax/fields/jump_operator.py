"""The isometries by which a jump carries a point from one chart to another."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gyrax._types import Covector, Point, PRNGKey
from gyrax.fields.antisymmetric import antisymmetric
from gyrax.geometry import conformal_factor, mobius_add, project, translate
from gyrax.geometry.safe import exact_product
from gyrax.nn.frozen import Frozen
from gyrax.nn.initial import normal, on_device


class FoldedJumpOperator(eqx.Module):
    """The jump operator with every pair of rotations multiplied out."""

    center: Float[Array, "K D"]
    rotation: Float[Array, "K K D D"]
    c: float = eqx.field(static=True)

    def __call__(self, z: Point, source: Int[Array, ""], target: Int[Array, ""]) -> Point:
        """c_t ⊕ R_sᵀR_t((−c_s) ⊕ z)."""
        local = mobius_add(-self.center[source], z, self.c)
        turned = exact_product(self.rotation[source, target], local)
        return project(mobius_add(self.center[target], turned, self.c), self.c)

    def carry(
        self, z: Point, p: Covector, source: Int[Array, ""], target: Int[Array, ""]
    ) -> tuple[Point, Covector]:
        """The point `self(z, source, target)`, and the covector `p` at `z` carried there along.

        It rotates p/λ, so that the kinetic energy is kept to rounding up to the boundary; there
        [`gyrax.dynamics.apply_jump`][], which leaves the differential to JAX, keeps none of it.
        """
        w = p / conformal_factor(z, self.c)
        z, w = translate(-self.center[source], z, w, self.c)
        rotation = self.rotation[source, target]
        z, w = exact_product(rotation, z), exact_product(rotation, w)
        z, w = translate(self.center[target], z, w, self.c)
        return z, conformal_factor(z, self.c) * w


class FactorizedJumpOperator(eqx.Module):
    """z ↦ c_t ⊕ R_sᵀR_t((−c_s) ⊕ z): an isometry of the ball for every pair of charts.

    Each rotation is a constant times the Cayley transform of a skew generator that starts at zero, so
    it is orthogonal whatever training does to it.

    **Fields:** `center`, raw, shape `(K, D)`; `base`, orthogonal, `(K, D, D)`; `generator`, the
    entries above the diagonal, `(K, D(D−1)/2)`.

    Source: docs/model.md, section 7.
    """

    center: Float[Array, "K D"]
    base: Frozen
    generator: Float[Array, "K pairs"]
    c: float = eqx.field(static=True)

    def __init__(self, center: Float[Array, "K D"], base: Float[Array, "K D D"], *, c: float = 1.0):
        """Rotations that start at the orthogonal matrices `base`."""
        charts, dim = center.shape
        self.center = center
        self.base = Frozen(base)
        self.generator = jax.device_put(np.zeros((charts, dim * (dim - 1) // 2), base.dtype))
        self.c = c

    @classmethod
    def create(
        cls, centers: Float[Array, "K D"], *, c: float, key: PRNGKey
    ) -> "FactorizedJumpOperator":
        """Rotations near the identity at the given centres."""
        charts, dim = centers.shape
        operator = cls(centers, on_device(np.tile(np.eye(dim), (charts, 1, 1))), c=c)
        small = normal(key, operator.generator.shape, 0.01)
        return eqx.tree_at(lambda op: op.generator, operator, small)

    @property
    def rotations(self) -> Float[Array, "K D D"]:
        """R of every chart."""
        dim = self.center.shape[-1]
        skew = jax.vmap(antisymmetric, in_axes=(0, None))(self.generator, dim)
        eye = jnp.eye(dim, dtype=skew.dtype)
        return exact_product(self.base.value, jnp.linalg.solve(eye - skew, eye + skew))

    def fold(self) -> FoldedJumpOperator:
        """Multiply out R_sᵀR_t for all pairs, once per batch."""
        rotations = self.rotations
        pairs = jnp.einsum("sji,tjk->stik", rotations, rotations, precision="highest")
        return FoldedJumpOperator(project(self.center, self.c), pairs, self.c)

    def __call__(self, z: Point, source: Int[Array, ""], target: Int[Array, ""]) -> Point:
        """Carry one point from chart `source` to chart `target`."""
        return self.fold()(z, source, target)
