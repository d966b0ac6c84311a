"""Refusing a value: a `ValueError` where it is known, `eqx.error_if` where jit or vmap trace it."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np

T = TypeVar("T")


def is_concrete(*values: Any) -> bool:
    """Whether no leaf of `values` is being traced."""
    return not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(values))


def numpy_for(*values: Any) -> Any:
    """NumPy where the values are known, so that a test of them is settled at once, even inside jit."""
    return np if is_concrete(*values) else jnp


def require(value: T, good: Any, message: str) -> T:
    """`value`, where `good` is true; else raise. Use what it returns: jit attaches the check to that."""
    if isinstance(good, jax.core.Tracer):
        return eqx.error_if(value, ~good, message)
    if not np.all(good):
        raise ValueError(message)
    return value


def coefficient(name: str, value: Any, sign: str, traced: bool) -> Any:
    """`value`, if it is one finite number of the `sign` "positive", "zero or positive" or "any".

    `traced`: whether a value under jit or vmap is looked at too, which costs a test when it runs.
    """
    if not _is_real(value):
        raise ValueError(f"{name} is {value!r}; it must be one real number.")
    if np.shape(value) != ():
        raise ValueError(
            f"{name} has shape {np.shape(value)}; it must be one number: batch it with jax.vmap."
        )
    if not (is_concrete(value) or traced):
        return value
    xp = numpy_for(value)
    signs = {"positive": value > 0, "zero or positive": value >= 0, "any": True}
    shown = f"is {float(value)}; it must" if xp is np else "must"
    expected = "" if sign == "any" else f"{sign} and "
    return require(value, xp.isfinite(value) & signs[sign], f"{name} {shown} be {expected}finite.")


def _is_real(value: Any) -> bool:
    return isinstance(
        value, int | float | np.generic | np.ndarray | jax.Array
    ) and not jnp.iscomplexobj(value)
