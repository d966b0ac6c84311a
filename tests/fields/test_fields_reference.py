"""The seven components against an independent implementation of the document."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.interop import world_model_from_arrays

TOLERANCE = 1e-3


def weights(reference):
    return {k.removeprefix("weights/"): v for k, v in reference.items() if k.startswith("weights/")}


def inputs(reference, *names):
    return [jnp.asarray(reference[f"inputs/{name}"]) for name in names]


def agree(reference, name, value):
    want = reference[name]
    worst = np.abs(np.asarray(value).reshape(want.shape) - want).max() / np.abs(want).max()
    assert worst < TOLERANCE, f"{name}: relative error {worst:.2e}"


def test_components(reference, x64):
    model = world_model_from_arrays(weights(reference))
    z, action, w = inputs(reference, "z", "action", "chart_weights")
    source, target = inputs(reference, "source_chart", "target_chart")

    @eqx.filter_jit
    def components(model):
        force, phi = jax.vmap(model.potential)(z, w)
        return {
            "potential/force": force,
            "potential/phi": phi,
            "control/force": jax.vmap(model.control)(z, action, w),
            "curl/field": jax.vmap(model.curl)(z, action),
            "chart_target/logits": jax.vmap(model.chart_target)(z, action),
            "jump_rate/rate": jax.vmap(model.jump_rate)(z, w),
            "momentum_init/p": jax.vmap(model.momentum_init)(z),
            "jump_operator/z": jax.vmap(model.jump_operator)(z, source, target),
        }

    for name, value in components(model).items():
        agree(reference, name, value)


def test_drive(reference, x64):
    from gyrax.fields.potential import drive, drive_gradient

    (z,) = inputs(reference, "z")
    agree(reference, "potential/drive", jax.vmap(drive)(z))
    agree(reference, "potential/drive_grad", jax.vmap(drive_gradient)(z))


def test_tokens_and_attention(reference, x64):
    model = world_model_from_arrays(weights(reference))
    z, action, w = inputs(reference, "z", "action", "chart_weights")
    x, centers = jax.vmap(model.potential.charts)(w)
    agree(reference, "tokens/chart_x", x)
    agree(reference, "tokens/chart_z", centers)
    agree(reference, "tokens/action_x", jax.vmap(model.control.actions)(action, z)[0])

    @eqx.filter_jit
    def critic(field):
        head = jnp.eye(field.critic.key.shape[0])
        folded = field.critic.fold(field.embed.matrix, head, charts=field.charts)
        return jax.vmap(lambda z, w: folded(z, jnp.zeros(0), w))(z, w)

    output, attention = critic(model.potential)
    agree(reference, "attention/critic_output", output)
    agree(reference, "attention/critic_weights", attention)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("curl_net.out.weight"), "'curl_net.out.weight' is missing"),
        (lambda a: a.update({"chart_predictor.q_gamma": np.zeros(3)}), "expected 3 dimensions"),
    ],
)
def test_bad_arrays(reference, change, message):
    arrays = weights(reference)
    change(arrays)
    with pytest.raises(InputError, match=message):
        world_model_from_arrays(arrays)
