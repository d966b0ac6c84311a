"""The document's fields written token by token: what the folded form must equal, and outrun."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gyrax.dynamics import Forces, PhaseState, apply_jump
from gyrax.fields import (
    CovariantChartTarget,
    CovariantControl,
    CovariantCurl,
    CovariantJumpRate,
    CovariantPotential,
)
from gyrax.fields.antisymmetric import antisymmetric
from gyrax.geometry import conformal_factor, distance, project, temperature
from gyrax.model.folded import AbstractRolloutFields, Readout, Vector
from gyrax.model.world_model import WorldModel
from gyrax.nn import CovariantAttention
from gyrax.nn.attention import quadratic_features

Action = Float[Array, " A"]
Weights = Float[Array, " K"]


def attend(
    attention: CovariantAttention,
    z: Vector,
    x_query: Float[Array, " d"],
    tokens: Float[Array, "N d"],
    places: Float[Array, "N D"],
    c: float,
) -> tuple[Float[Array, " d"], Float[Array, " N"]]:
    """Output and attention weights of one query over explicit tokens, K and V projected per token."""
    query = attention.query
    x = query.scale * z
    q = query.feature @ x_query + query.position @ x + jnp.einsum("aij,i,j->a", query.gamma, x, x)
    transported = conformal_factor(places, c) / conformal_factor(z, c)
    keys = transported[:, None] * jax.vmap(lambda x: attention.key @ x)(tokens)
    values = jax.vmap(lambda x: attention.value @ x)(tokens)
    temperature = attention.key.shape[0] ** 0.5 / conformal_factor(z, c)
    weights = jax.nn.softmax(keys @ q / temperature)
    return attention.output @ (weights @ values), weights


def field_output(
    field: CovariantControl | CovariantCurl | CovariantJumpRate,
    z: Vector,
    action: Action,
    w: Weights,
) -> Float[Array, " out"]:
    """The raw head output of a field that attends to action and/or chart tokens."""
    tokens, places = [], []
    for tokenizer, args in ((getattr(field, "actions", None), (action, z)),
                            (getattr(field, "charts", None), (w,))):  # fmt: skip
        if tokenizer is not None:
            x, at = tokenizer(*args)
            tokens.append(x)
            places.append(at)
    out, _ = attend(
        field.attention,
        z,
        field.embed(z),
        jnp.concatenate(tokens),
        jnp.concatenate(places),
        field.c,
    )
    return field.head(out)


def potential_outputs(field: CovariantPotential, z: Vector, w: Weights) -> Float[Array, "2 out"]:
    """Critic and risk heads of the potential: two rows of (force, scalar)."""
    tokens, places = field.charts(w)
    rows = []
    for attention, force, value in ((field.critic, field.critic_force, field.critic_value),
                                    (field.risk, field.risk_force, field.risk_value)):  # fmt: skip
        out, _ = attend(attention, z, field.embed(z), tokens, places, field.c)
        rows.append(jnp.concatenate([force(out), value(out)]))
    return jnp.stack(rows)


def chart_logits(field: CovariantChartTarget, z: Vector, action: Action) -> Weights:
    """The chart target, its quadratic term over all D² products."""
    proximity = distance(z[None], project(field.center, field.c), field.c)
    tokens, _ = field.actions(action, z)
    x = field.scale * z
    quadratic = jnp.einsum("kij,i,j->k", field.gamma, x, x)
    linear = 0.0 if field.linear is None else field.linear @ x
    start = 0.0 if field.start is None else field.start.value @ quadratic_features(z)
    scaled = proximity / temperature(z, z.shape[-1], field.c)
    return quadratic + linear + start - scaled + field.head(jnp.mean(tokens, axis=0))


class NaiveFields(AbstractRolloutFields):
    """What a rollout asks of its fields, each computed from tokens at every sample and step."""

    model: WorldModel

    def forces(
        self, z: Vector, action: Action, w: Weights, frame_force: Vector | None = None
    ) -> Forces:
        """Kick and field at one state."""
        model, kick, field = self.model, jnp.zeros_like(z), None
        if model.use_potential and model.potential.force == "gradient":
            kick = jax.grad(lambda x: self.phi(x, w))(z)
        elif model.use_potential:
            kick, _ = model.potential.read(z, potential_outputs(model.potential, z, w))
        if model.use_control:
            kick = kick - model.control.read(z, field_output(model.control, z, action, w))
        if model.use_boris:
            field = antisymmetric(field_output(model.curl, z, action, w), len(z))
        return Forces(kick if frame_force is None else kick - frame_force, field)

    def readout(self, z: Vector, action: Action, w: Weights) -> Readout:
        """Chart logits and jump rate at one state."""
        rate = self.model.jump_rate.read(field_output(self.model.jump_rate, z, action, w))
        return Readout(chart_logits(self.model.chart_target, z, action), rate)

    def phi(self, z: Vector, w: Weights) -> Float[Array, ""]:
        """Effective potential at one state."""
        if not self.model.use_potential:
            return jnp.zeros((), z.dtype)
        return self.model.potential.read(z, potential_outputs(self.model.potential, z, w))[1]

    def jump(self, y: PhaseState, source: Int[Array, ""], target: Int[Array, ""]) -> PhaseState:
        """The state carried to another chart, by the operator's differential."""
        operator, c = self.model.jump_operator, self.model.c
        return apply_jump(lambda z: operator(z, source, target), y, c)


class NaiveWorldModel(WorldModel):
    """A world model whose rollout projects every token of every sample."""

    def fold(self) -> AbstractRolloutFields:
        """No product of parameters is made beforehand."""
        return NaiveFields(self)
