"""jaxtyping aliases for the geometric types; the coordinate axis is always last."""

from jaxtyping import Array, Float, Key

Point = Float[Array, "*batch D"]
"""A point of the open ball, in ball coordinates."""

Tangent = Float[Array, "*batch D"]
"""A tangent (contravariant) vector, such as a velocity."""

Covector = Float[Array, "*batch D"]
"""A cotangent (covariant) vector, such as a momentum or a force."""

Batched = Float[Array, "*batch"]
"""One scalar for each point of a batch."""

PRNGKey = Key[Array, ""]
"""A new-style random key, as from `jax.random.key(seed)`."""
