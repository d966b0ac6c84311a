"""The folded attention is the document's attention, term by term."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from gyrax.bench import naive
from gyrax.fields.antisymmetric import antisymmetric
from gyrax.nn import Frozen
from gyrax.training.build import build_system
from gyrax.training.presets import make_settings

SMALL = dict(
    latent_dim=5, num_charts=4, wm_d_model=24, hidden_dim=16, codes_per_chart=3, action_dim=3,
    wm_token_init=0.7, curvature=0.6,
)  # fmt: skip
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(params=[True, False], ids=["gated", "ungated"])
def gated(request):
    return request.param


@functools.cache
def model_of(gated, dtype):
    config = make_settings(
        "document", SMALL | dict(wm_gate_charts=gated, wm_unit_features=not gated)
    )
    model = build_system(config, 7, key=jr.key(1)).world_model
    linear, start = jr.normal(jr.key(3), (4, 5)), Frozen(jr.normal(jr.key(4), (4, 20)))
    parts = lambda m: (m.chart_target.linear, m.chart_target.start)
    return eqx.tree_at(parts, model, (linear, start), is_leaf=lambda x: x is None)


def samples(dtype, count=6):
    z, a, w = jr.split(jr.key(2), 3)
    points = 0.9 * jr.uniform(z, (count, 5), dtype, -0.5, 0.5)
    return points, jr.normal(a, (count, 3), dtype), jax.nn.softmax(jr.normal(w, (count, 4), dtype))


def close(a, b, dtype):
    a, b = np.asarray(a), np.asarray(b)
    scale = np.abs(b).max()
    assert np.abs(a - b).max() <= TOLERANCE[jnp.dtype(dtype).name] * scale


def both(model, action, z, w):
    """Every raw head output, folded and naive."""
    empty = jnp.zeros((len(z), 0), z.dtype)
    matrix = lambda entries: antisymmetric(entries, z.shape[1]).ravel()
    pairs = []
    for field, args, finish in (
        (model.control, (action, w), lambda out: out),
        (model.curl, (action, empty), matrix),
        (model.jump_rate, (empty, w), lambda out: out),
    ):
        one = lambda z, a, w, f=field, g=finish: g(naive.field_output(f, z, a, w))
        folded = jax.vmap(lambda z, a, w, f=field: f.fold()(z, a, w)[0][0][0])(z, *args)
        pairs.append((folded, jax.vmap(one)(z, action, w)))
    folded = jax.vmap(lambda z, a, w: model.potential.fold()(z, a, w)[0][0])(z, empty, w)
    plain = jax.vmap(lambda z, w: naive.potential_outputs(model.potential, z, w))(z, w)
    return [*pairs, (folded, plain)]


@functools.cache
def folded_and_naive(gated, dtype):
    """The outputs of either form, and the gradients of their squares in the parameters."""
    z, action, w = samples(dtype)

    @eqx.filter_jit
    def forms(model):
        def loss(which):
            def squares(m):
                outputs = [pair[which] for pair in both(m, action, z, w)]
                return sum(jnp.sum(out**2) for out in outputs), outputs

            return squares

        return [eqx.filter_grad(loss(which), has_aux=True)(model) for which in (0, 1)]

    return jax.device_get(forms(model_of(gated, dtype)))


def test_fields_equal_the_naive_form(gated, dtype):
    (_, folded), (_, plain) = folded_and_naive(gated, dtype.name)
    for have, want in zip(folded, plain, strict=True):
        close(have, want, dtype)


def test_stacked_heads_equal_the_fields(gated, dtype):
    """Running all heads as one call changes nothing, although slots are padded."""
    z, action, w = samples(dtype)

    @eqx.filter_jit
    def pairs(model):
        folded = model.fold()
        forces = jax.vmap(folded.forces)(z, action, w)
        force, phi = jax.vmap(model.potential)(z, w)
        readout = jax.vmap(folded.readout)(z, action, w)
        return [
            (forces.kick, force - jax.vmap(model.control)(z, action, w)),
            (forces.field, jax.vmap(model.curl)(z, action)),
            (jax.vmap(folded.phi)(z, w), phi),
            (readout.chart_logits, jax.vmap(model.chart_target)(z, action)),
            (
                readout.chart_logits,
                jax.vmap(functools.partial(naive.chart_logits, model.chart_target))(z, action),
            ),
            (readout.jump_rate, jax.vmap(model.jump_rate)(z, w)),
        ]

    for have, want in pairs(model_of(gated, dtype.name)):
        close(have, want, dtype)


def test_unit_features_change_the_training_and_not_the_start(dtype):
    """Before training they give the same logits and rates, to which gradients are D times as large."""
    z, action, w = samples(dtype)

    @eqx.filter_jit
    def start(model):
        def logits(m):
            return jax.vmap(m.chart_target)(z, action), jax.vmap(m.jump_rate)(z, w)

        rise = eqx.filter_grad(lambda m: jnp.sum(logits(m)[0] ** 2))(model)
        steep = eqx.filter_grad(lambda m: jnp.sum(logits(m)[1] ** 2))(model)
        query = lambda m: m.jump_rate.attention.query
        return (
            logits(model),
            rise.chart_target.gamma,
            query(steep).gamma,
            query(steep).position,
        )

    (raw, *before), (unit, *after) = (
        start(
            build_system(
                make_settings("document", SMALL | {"wm_unit_features": on}), 7, key=jr.key(1)
            ).world_model
        )
        for on in (False, True)
    )
    for have, want in zip(unit, raw, strict=True):
        close(have, want, dtype)
    for have, want, factor in zip(after, before, (5, 5, 5**0.5), strict=True):
        close(have, factor * want, dtype)


def test_gradients_equal_the_naive_form(gated, dtype):
    """Folding moves parameters into products; their gradients must come out the same."""
    forms = folded_and_naive(gated, dtype.name)
    have, want = (jax.tree.leaves(gradient) for gradient, _ in forms)
    scale = max(np.abs(g).max() for g in want)
    for a, b in zip(have, want, strict=True):
        assert np.abs(a - b).max() <= 10 * TOLERANCE[jnp.dtype(dtype).name] * scale
