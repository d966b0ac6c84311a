r"""Covariant attention, folded so that nothing as wide as d_model is ever computed per sample.

The query is quadratic in z, q = Q φ(z) with φ = (z, zᵢzⱼ), and a token is affine in what varies,
x_k = g_k e_k + b_k. Hence score and output of a head are

    score_k = g_k (e_kᵀKᵀQ) φ(z) + (b_kᵀKᵀQ) φ(z),      output = Σ_k a_k (g_k W_h W_O V e_k + W_h W_O V b_k)

where every matrix in brackets is a product of parameters alone. [`FoldedAttention`][] holds those
products for several heads at once; per sample there remains one small matrix product, a softmax and
another small product. The function is that of the specification; only its arithmetic differs.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from gyrax._types import Point, PRNGKey
from gyrax.fields.initial import kaiming_uniform, normal
from gyrax.fields.tokenizers import ActionTokenizer, ChartTokenizer
from gyrax.geometry import conformal_factor


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

    **Fields:** `feature` W_Q, shape `(d, d)`; `position` W_Qz, `(d, D)`; `gamma` W_QΓ, `(d, D, D)`.
    """

    feature: Float[Array, "d d"]
    position: Float[Array, "d D"]
    gamma: Float[Array, "d D D"]

    def fold(self, embed: Float[Array, "d D"]) -> Float[Array, "d F"]:
        """Q with q = Q φ(z), for a query feature x = `embed` · z."""
        return fold_quadratic(self.feature @ embed + self.position, self.gamma)


class FoldedAttention(eqx.Module):
    """Heads of covariant attention over A action slots, then K chart slots, ready for samples.

    A head that does not attend to actions (or charts) has those slots masked. Built by
    [`CovariantAttention.fold`][]; several are made one by [`stack_heads`][].
    """

    score_gain: Float[Array, "heads slots F"]
    score_bias: Float[Array, "heads A F"]
    value_gain: Float[Array, "heads slots out"]
    value_bias: Float[Array, "heads A out"]
    mask: tuple[tuple[bool, ...], ...] = eqx.field(static=True)
    gated: bool = eqx.field(static=True)
    c: float = eqx.field(static=True)

    def __call__(
        self, z: Point, action: Float[Array, " A"], weights: Float[Array, " K"]
    ) -> tuple[Float[Array, "heads out"], Float[Array, "heads slots"]]:
        """Outputs and attention weights of every head for one sample."""
        features = quadratic_features(z)
        count = self.score_bias.shape[1]
        charts = weights if self.gated else jnp.ones_like(weights)
        gains = jnp.concatenate([action[:count], charts[: len(self.mask[0]) - count]])
        score = gains * (self.score_gain @ features)
        if count:
            at_z = conformal_factor(z, self.c) * (score[:, :count] + self.score_bias @ features)
            score = jnp.concatenate([at_z, score[:, count:]], axis=1)
        attention = jax.nn.softmax(score, axis=-1, where=np.asarray(self.mask))
        out = jnp.einsum("hs,hso->ho", attention * gains, self.value_gain)
        if count:
            out = out + jnp.einsum("hs,hso->ho", attention[:, :count], self.value_bias)
        return out, attention


class CovariantAttention(eqx.Module):
    """Cross-attention from a point to tokens placed on the ball, with one head.

    score_k = q · (s_k K x_k)/τ(z) with s_k = λ(z_k)/λ(z) and τ = √d/λ(z); output = W_O Σ a_k V x_k
    (specification, *Building blocks*; design §4).
    """

    query: ChristoffelQuery
    key: Float[Array, "d d"]
    value: Float[Array, "d d"]
    output: Float[Array, "d d"]

    @classmethod
    def create(cls, dim: int, width: int, *, key: PRNGKey) -> "CovariantAttention":
        """Kaiming-uniform maps, and a quadratic term that starts small."""
        q, z, g, k, v, o = jr.split(key, 6)
        square = (width, width)
        return cls(
            ChristoffelQuery(
                kaiming_uniform(q, square),
                kaiming_uniform(z, (width, dim)),
                normal(g, (width, dim, dim), 0.02),
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
        empty = jnp.zeros((0, width), score.dtype)
        gain = [empty] if actions is None else [actions.weight]
        scale = [jnp.ones(gain[0].shape[0], score.dtype)]
        if charts is not None:
            gain.append(charts.embedding)
            scale.append(charts.scales)
        stacked = jnp.concatenate(gain)
        bias = empty if actions is None else actions.position
        return FoldedAttention(
            (jnp.concatenate(scale)[:, None] * (stacked @ score))[None],
            (bias @ score)[None],
            (stacked @ read.T)[None],
            (bias @ read.T)[None],
            ((True,) * stacked.shape[0],),
            charts is None or charts.gated,
            c,
        )


def _pad(array: Array, before: int, after: int, out: int) -> Array:
    return jnp.pad(array, ((0, 0), (before, after), (0, out - array.shape[-1])))


def stack_heads(parts: Sequence[FoldedAttention], actions: int, charts: int) -> FoldedAttention:
    """Make one [`FoldedAttention`][] of several, so that one call serves all heads.

    Slots that a part lacks are masked, and outputs are padded with zeros to the widest.
    """
    width = max(part.value_gain.shape[-1] for part in parts)
    fields: list[list] = [[], [], [], []]
    mask: list[tuple[bool, ...]] = []
    for part in parts:
        has_actions = part.score_bias.shape[1] > 0
        has_charts = len(part.mask[0]) > part.score_bias.shape[1]
        before = 0 if has_actions else actions
        after = 0 if has_charts else charts
        size = part.score_gain.shape[-1]
        fields[0].append(_pad(part.score_gain, before, after, size))
        fields[1].append(_pad(part.score_bias, before, 0, size))
        fields[2].append(_pad(part.value_gain, before, after, width))
        fields[3].append(_pad(part.value_bias, before, 0, width))
        mask.extend((False,) * before + row + (False,) * after for row in part.mask)
    with_charts = [p for p in parts if len(p.mask[0]) > p.score_bias.shape[1]]
    gated = any(part.gated for part in with_charts)
    gain, bias, value_gain, value_bias = (jnp.concatenate(field) for field in fields)
    return FoldedAttention(gain, bias, value_gain, value_bias, tuple(mask), gated, parts[0].c)
