"""The specification's attention written token by token: the yardstick for the folded form."""

import jax
import jax.numpy as jnp

from gyrax.geometry import conformal_factor


def attend(attention, z, x_query, tokens, places, c):
    """Output and attention weights of one query over explicit tokens, K and V projected per token."""
    query = attention.query
    q = query.feature @ x_query + query.position @ z + jnp.einsum("aij,i,j->a", query.gamma, z, z)
    transported = conformal_factor(places, c) / conformal_factor(z, c)
    keys = transported[:, None] * jax.vmap(lambda x: attention.key @ x)(tokens)
    values = jax.vmap(lambda x: attention.value @ x)(tokens)
    temperature = attention.key.shape[0] ** 0.5 / conformal_factor(z, c)
    weights = jax.nn.softmax(keys @ q / temperature)
    return attention.output @ (weights @ values), weights


def field_output(field, z, action, w):
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


def potential_outputs(field, z, w):
    """Critic and risk heads of the potential: two rows of (force, scalar)."""
    tokens, places = field.charts(w)
    rows = []
    for attention, force, value in ((field.critic, field.critic_force, field.critic_value),
                                    (field.risk, field.risk_force, field.risk_value)):  # fmt: skip
        out, _ = attend(attention, z, field.embed(z), tokens, places, field.c)
        rows.append(jnp.concatenate([force(out), value(out)]))
    return jnp.stack(rows)
