"""Which arrays of a module train."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array

FROZEN = "frozen"
"""The group of what never trains."""


class Frozen(eqx.Module):
    """An array, of any shape `(...)`, that belongs to the model's state but is never trained: a buffer or a
    constant."""

    value: Array


def is_frozen(node: object) -> bool:
    """Whether a node of a pytree is a [`Frozen`][] array."""
    return isinstance(node, Frozen)


def grouped(tree: Any, group: str) -> Any:
    """A pytree of names: `group` for each parameter of `tree` (an array of floats that is not frozen),
    `FROZEN` for every other leaf."""

    def name(node: Any) -> Any:
        if is_frozen(node):
            return jax.tree.map(lambda _: FROZEN, node)
        return group if eqx.is_inexact_array(node) else FROZEN

    return jax.tree.map(name, tree, is_leaf=is_frozen)


def group_size(tree: Any, groups: Any, group: str) -> int:
    """How many numbers of `tree` belong to a group."""
    sizes = jax.tree.map(lambda leaf, own: leaf.size if own == group else 0, tree, groups)
    return sum(jax.tree.leaves(sizes))
