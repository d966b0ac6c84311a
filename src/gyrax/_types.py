"""jaxtyping aliases for the geometric types; the coordinate axis is last, leading axes broadcast."""

from typing import TYPE_CHECKING, Any, Union

import numpy as np
from jaxtyping import Array, Float, Key

if TYPE_CHECKING:
    AnyArray = Any
else:  # jaxtyping takes the unions of typing alone
    AnyArray = Union[Array, np.ndarray]  # noqa: UP007
"""An array on the device or on the host."""

Point = Float[Array, "*#batch D"]
"""A point of the open ball, in ball coordinates."""

Tangent = Float[Array, "*#batch D"]
"""A tangent (contravariant) vector, such as a velocity."""

Covector = Float[Array, "*#batch D"]
"""A cotangent (covariant) vector, such as a momentum or a force."""

Batched = Float[Array, "*#batch"]
"""One scalar for each point of a batch."""

Scalar = float | int | Float[Array, ""]
"""One real number: a constant, or a (possibly traced) array of no axes."""

PRNGKey = Key[Array, ""]
"""A new-style random key, as from `jax.random.key(seed)`."""
