"""The Cayley transform by which a field rotates the momentum, in the cheapest way for its dimension."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gyrax.geometry.safe import eps, exact_product

Momentum = Float[Array, " D"]

CLOSED, ELIMINATED = 3, 32
"""Largest D of the closed form, and of the elimination; LAPACK is faster above."""


def cayley_rotate(s: Float[Array, "D D"], p: Momentum) -> Momentum:
    """(I − S)⁻¹(I + S)p for antisymmetric S: a rotation for every D and size of S.

    D ≤ 3 in closed form, p + 2(S + S²)p/(1 + ‖S‖²_F/2), which is the Buneman–Boris rotation; above by
    the inverse of I − S and one step of iterative refinement, after which it is as exact as a solve
    with pivots while eps·‖S‖² is small: in float32 for ‖S‖ up to some hundreds. Where a whole batch
    has weak fields, I + S is inverse enough.
    """
    dim = p.shape[-1]
    if dim <= CLOSED:
        first = exact_product(s, p)
        return p + 2.0 / (1.0 + 0.5 * jnp.sum(s * s)) * (first + exact_product(s, first))
    shifted = jnp.eye(dim, dtype=p.dtype) - s
    if dim > ELIMINATED:
        return 2.0 * jnp.linalg.solve(shifted, p) - p
    inverse = _inverse(jax.lax.stop_gradient(shifted))
    halfway = jax.lax.custom_linear_solve(
        lambda x: x - exact_product(s, x),
        p,
        lambda matvec, b: _refined(inverse, matvec, b),
        lambda vecmat, b: _refined(inverse.T, vecmat, b),
    )
    return 2.0 * halfway - p


def _refined(inverse, matvec, b):
    x = exact_product(inverse, b)
    return x + exact_product(inverse, b - matvec(x))


@jax.custom_batching.custom_vmap
def _inverse(matrix):
    """Of I − S, for the refinement; under `vmap` the batch goes last, where one operation serves all."""
    return jax.lax.cond(_all_weak(matrix), _first_order, _eliminate, matrix)


@_inverse.def_vmap
def _inverse_of_batch(size, batched, matrices):
    del size, batched  # one argument, and it is batched
    eliminate = lambda m: jnp.moveaxis(_eliminate(jnp.moveaxis(m, 0, -1)), -1, 0)
    return jax.lax.cond(_all_weak(matrices), _first_order, eliminate, matrices), True


def _all_weak(matrices: Float[Array, "*batch D D"]) -> Bool[Array, ""]:
    """Whether I + S is inverse enough for all: refinement from it leaves a relative error of ‖S‖⁴."""
    s = matrices - jnp.eye(matrices.shape[-1], dtype=matrices.dtype)
    return jnp.all(jnp.sum(s * s, axis=(-2, -1)) ** 2 < 0.25 * eps(matrices))


def _first_order(matrices: Float[Array, "*batch D D"]) -> Float[Array, "*batch D D"]:
    """I + S, of I − S."""
    return 2.0 * jnp.eye(matrices.shape[-1], dtype=matrices.dtype) - matrices


def _eliminate(matrix: Float[Array, "D D *batch"]) -> Float[Array, "D D *batch"]:
    """The inverse by Gauss–Jordan elimination in place, in the order of the rows: no pivot is zero."""
    dim, ones = len(matrix), (1,) * (matrix.ndim - 2)
    index = jnp.arange(dim).reshape(dim, *ones)

    def pivot(k: Array, carry: tuple) -> tuple:
        m, row, column = carry
        here = index == k
        row = jnp.where(here, 1.0, row) / row[k]
        column = jnp.where(here, -1.0, column)
        m = jnp.where(here[:, None] | here, 0.0, m) - column[:, None] * row
        following = jnp.minimum(k + 1, dim - 1)
        return m, m[following], m[:, following]

    # Row and column of the pivot go along, so that XLA can change the matrix where it lies.
    return jax.lax.fori_loop(0, dim, pivot, (matrix, matrix[0], matrix[:, 0]))[0]
