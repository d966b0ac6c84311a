r"""Covariant attention, folded so that nothing as wide as d_model is ever computed per sample.

The query is quadratic in z, q = Q φ(z) with φ = (z, zᵢzⱼ), and a token is affine in what varies,
x_k = g_k e_k + b_k. Hence score and output of a head are

    score_k = g_k (e_kᵀKᵀQ) φ(z) + (b_kᵀKᵀQ) φ(z),      output = Σ_k a_k (g_k W_h W_O V e_k + W_h W_O V b_k)

where every matrix in brackets is a product of parameters alone. [`FoldedAttention`][] holds those
products for several heads at once; per sample there remains one small matrix product, a softmax and
another small product. The function is the document's; only its arithmetic differs.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.geometry import conformal_factor
from gyrax.nn.initial import kaiming_uniform, normal
from gyrax.nn.tokenizers import ActionTokenizer, ChartTokenizer


def quadratic_features(z: Float[Array, " D"]) -> Float[Array, " F"]:
    """φ(z): z and its D(D + 1)/2 distinct products zᵢzⱼ."""
    i, j = np.triu_indices(z.shape[-1])
    return jnp.concatenate([z, z[i] * z[j]])


def fold_quadratic(linear: Float[Array, "n D"], form: Float[Array, "n D D"]) -> Float[Array, "n F"]:
    """The matrix M with M φ(z) = linear · z + zᵀ form z."""
    i, j = np.triu_indices(form.shape[-1])
    both = form + jnp.swapaxes(form, -1, -2)
    return jnp.concatenate([linear, both[:, i, j] * np.where(i == j, 0.5, 1.0)], axis=-1)


class ChristoffelQuery(eqx.Module):
    """q = W_Q x + W_Qz z + (zᵀ W_QΓᵃ z)ₐ; the last term holds the Christoffel corrections.

    **Fields:** `feature` W_Q, shape `(d, d)`; `position` W_Qz, `(d, D)`; `gamma` W_QΓ, `(d, D, D)`;
    `scale`, by which z is multiplied where W_Qz and W_QΓ read it, 1 in the document. Entries of z are
    of size 1/√D, so with √D they read numbers of size one. Adam, whose steps do not depend on the size
    of a gradient, then learns a boundary between charts in far fewer steps.
    """

    feature: Float[Array, "d d"]
    position: Float[Array, "d D"]
    gamma: Float[Array, "d D D"]
    scale: float = eqx.field(static=True, default=1.0)

    def fold(self, embed: Float[Array, "d D"]) -> Float[Array, "d F"]:
        """Q with q = Q φ(z), for a query feature x = `embed` · z."""
        linear = self.feature @ embed + self.scale * self.position
        return fold_quadratic(linear, self.scale**2 * self.gamma)


class Values(eqx.Module):
    """What the heads of one field read off their slots.

    The rows of `table` are W_H W_O V of the field's slots, actions before charts, then of the parts of
    its action tokens that no action scales. A field attends to actions, to charts, or to both.
    """

    table: Float[Array, "heads rows out"]
    actions: bool = eqx.field(static=True)
    charts: bool = eqx.field(static=True)


class FoldedAttention(eqx.Module):
    """Heads of covariant attention over A action slots, then K chart slots, ready for samples.

    `score` has the rows of all slots, then those of the parts of action tokens that no action scales.
    Heads whose field does not attend to actions (or charts) have those slots masked. Built by
    [`CovariantAttention.fold`][]; those of several fields are made one by [`stack_fields`][].
    """

    score: Float[Array, "heads rows F"]
    values: tuple[Values, ...]
    actions: int = eqx.field(static=True)
    gated: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    def __call__(
        self, z: Point, action: Float[Array, " A"], weights: Float[Array, " K"]
    ) -> tuple[tuple[Float[Array, "heads out"], ...], Float[Array, "all_heads slots"]]:
        """Outputs of every field's heads, and attention weights of all heads, for one sample."""
        count = self.actions
        slots = self.score.shape[1] - count
        charts = weights if self.gated else jnp.ones_like(weights)
        gains = jnp.concatenate([action[:count], charts[: slots - count]])
        rows = self.score @ quadratic_features(z)
        score = gains * rows[:, :slots]
        if count:
            at_z = conformal_factor(z, self.c) * (score[:, :count] + rows[:, slots:])
            score = jnp.concatenate([at_z, score[:, count:]], axis=1)
        attention = jax.nn.softmax(score, axis=-1, where=self._mask(slots))
        weighted, outputs, first = attention * gains, [], 0
        for value in self.values:
            heads = slice(first, first + len(value.table))
            start, stop = 0 if value.actions else count, slots if value.charts else count
            read = weighted[heads, start:stop]
            if value.actions:
                read = jnp.concatenate([read, attention[heads, :count]], axis=1)
            outputs.append(jnp.einsum("hs,hso->ho", read, value.table))
            first = heads.stop
        return tuple(outputs), attention

    def _mask(self, slots: int) -> np.ndarray:
        """Which slots each head attends to."""
        is_action = np.arange(slots) < self.actions
        rows = [np.where(is_action, value.actions, value.charts) for value in self.values]
        return np.repeat(rows, [len(value.table) for value in self.values], axis=0)


class CovariantAttention(eqx.Module):
    """Cross-attention from a point to tokens placed on the ball, with one head.

    score_k = q · (s_k K x_k)/τ(z) with s_k = λ(z_k)/λ(z) and τ = √d/λ(z); output = W_O Σ a_k V x_k
    (docs/model.md, section 6).

    **Fields:** `query`, quadratic in the point; `key`, `value` and `output`, each of shape `(d, d)`.
    """

    query: ChristoffelQuery
    key: Float[Array, "d d"]
    value: Float[Array, "d d"]
    output: Float[Array, "d d"]

    @classmethod
    def create(
        cls, dim: int, width: int, *, scale: float = 1.0, key: PRNGKey
    ) -> "CovariantAttention":
        """Kaiming-uniform maps, and a quadratic term that starts small; `scale` does not change what
        the query is before training."""
        q, z, g, k, v, o = jr.split(key, 6)
        square = (width, width)
        return cls(
            ChristoffelQuery(
                kaiming_uniform(q, square),
                kaiming_uniform(z, (width, dim)) / scale,
                normal(g, (width, dim, dim), 0.02 / scale**2),
                scale,
            ),
            kaiming_uniform(k, square),
            kaiming_uniform(v, square),
            kaiming_uniform(o, square),
        )

    def fold(
        self,
        embed: Float[Array, "d D"],
        head: Float[Array, "out d"],
        *,
        actions: ActionTokenizer | None = None,
        charts: ChartTokenizer | None = None,
        c: float = 1.0,
    ) -> FoldedAttention:
        """One head over the given tokens, with `embed` before its query and `head` after its output."""
        width = self.key.shape[0]
        score = self.key.T @ self.query.fold(embed) / width**0.5
        read = head @ self.output @ self.value
        tokens, scales = [], []
        if actions is not None:
            tokens.append(actions.weight)
            scales.append(jnp.ones(len(actions.weight), score.dtype))
        if charts is not None:
            tokens.append(charts.embedding)
            scales.append(charts.scales)
        if actions is not None:
            tokens.append(actions.position)
            scales.append(scales[0])
        rows = jnp.concatenate(tokens)
        values = Values((rows @ read.T)[None], actions is not None, charts is not None)
        return FoldedAttention(
            (jnp.concatenate(scales)[:, None] * (rows @ score))[None],
            (values,),
            0 if actions is None else len(actions.weight),
            charts is None or charts.gated,
            c,
        )


def stack_fields(parts: Sequence[FoldedAttention]) -> FoldedAttention:
    """Make one [`FoldedAttention`][] of those of several fields, so that one call serves all.

    It returns the outputs of each. The chart slots of all are gated, or of none.
    """
    actions = max(part.actions for part in parts)
    charts = max(part.score.shape[1] - 2 * part.actions for part in parts)
    scores = []
    for part in parts:
        gains, constants = jnp.split(part.score, [part.score.shape[1] - part.actions], axis=1)
        before, after = actions - part.actions, charts - (gains.shape[1] - part.actions)
        gains = jnp.pad(gains, ((0, 0), (before, after), (0, 0)))
        constants = jnp.pad(constants, ((0, 0), (before, 0), (0, 0)))
        scores.append(jnp.concatenate([gains, constants], axis=1))
    gated = any(part.gated for part in parts if any(value.charts for value in part.values))
    values = tuple(value for part in parts for value in part.values)
    return FoldedAttention(jnp.concatenate(scores), values, actions, gated, parts[0].c)
