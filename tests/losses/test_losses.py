"""Losses against the reference values, and their masks, names and weights."""

import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import gyrax.losses.total
from gyrax.dynamics import kinetic_energy
from gyrax.fields.jump_operator import FactorizedJumpOperator
from gyrax.losses import dynamics as dyn
from gyrax.losses import encoder as enc
from gyrax.losses.total import TERMS, ramp, total


@jax.jit
def values(arrays):
    i = {k.removeprefix("inputs/"): v for k, v in arrays.items()}
    w, z = i["chart_weights"], i["z"]
    energy = i["seq_phi"][..., 0] + kinetic_energy(i["seq_z_pred"], i["seq_momenta"])
    operator = FactorizedJumpOperator(
        i["weights/jump_operator.chart_centers"], i["weights/jump_operator.rotations"]
    ).fold()
    return {
        "geodesic": dyn.geodesic(i["seq_z_pred"], i["seq_z_target"]),
        "chart_transition": dyn.chart_transition(i["seq_chart_logits"], i["seq_target_charts"]),
        "momentum_reg": dyn.momentum_regularisation(
            kinetic_energy(i["seq_z_pred"], i["seq_momenta"])
        ),
        "energy_conservation_unbiased_var": dyn.energy_conservation(energy),
        "jump_dynamics": dyn.jump_sparsity(i["seq_jump_rates"][..., 0]),
        "routing_entropy": enc.routing_entropy(w),
        "diversity": enc.diversity(w),
        "uniformity": enc.uniformity(z),
        "radial_calibration": enc.radial_calibration(z, w),
        "codebook_spread": enc.codebook_spread(i["codebook"]),
        "codebook_centering": enc.codebook_centering(i["codebook"]),
        "chart_collapse": enc.chart_collapse(w),
        "code_collapse": enc.code_collapse(i["v_local"], i["codebook"], w),
        "window_eps10": enc.window(w, 10.0),
        "jump_consistency": enc.jump_consistency(i["chart_coordinates"], w, operator),
        "consistency_kl": enc.consistency(w, i["decoder_chart_weights"]),
    }


def test_reference_values(reference, x64):
    have = values({k: jnp.asarray(v) for k, v in reference.items()})
    want = {k.removeprefix("losses/"): v for k, v in reference.items() if k.startswith("losses/")}
    assert set(have) == set(want)
    for name, value in have.items():
        np.testing.assert_allclose(value, want[name], rtol=1e-3, err_msg=name)


def test_padding_does_not_count(x64):
    """A padded batch has the losses of the batch without its padding."""
    keys = iter(jr.split(jr.key(0), 8))
    z, target = (0.3 * jr.normal(next(keys), (4, 6, 3)) for _ in range(2))
    p, logits = jr.normal(next(keys), (4, 6, 3)), jr.normal(next(keys), (4, 6, 5))
    chart = jr.randint(next(keys), (4, 6), 0, 5)
    rates, energy = jr.uniform(next(keys), (4, 6)), jr.normal(next(keys), (4, 6))
    mask = jnp.ones((4, 6)).at[:, 4:].set(0.0)
    cases = [
        (dyn.geodesic, (z, target)),
        (dyn.chart_transition, (logits, chart)),
        (dyn.momentum_regularisation, (kinetic_energy(z, p),)),
        (dyn.energy_conservation, (energy,)),
        (dyn.jump_sparsity, (rates,)),
        (dyn.jump_surprise, (rates, (chart > 2).astype(float))),
    ]
    functions, arguments = zip(*cases, strict=True)

    @jax.jit
    def losses(cases):
        return [
            (f(*(a[:, :4] for a in args)), f(*args, mask=mask), f(*args))
            for f, args in zip(functions, cases, strict=True)
        ]

    for short, masked, padded in losses(arguments):
        np.testing.assert_allclose(masked, short, rtol=1e-12)
        assert abs(padded - short) > 1e-6


def test_every_name_stands_once_in_the_code():
    """A loss is named in `total.py` and nowhere else: no second list can disagree with it."""
    source = Path(inspect.getfile(gyrax.losses.total)).parents[1]
    text = "\n".join(p.read_text() for p in source.rglob("*.py"))
    for name in (term.name for term in TERMS):
        assert len(re.findall(rf'Term\(\s*"{name}"', text)) == 1, name
        assert f'"w_{name}"' not in text and f"w_{name}:" not in text, name


def test_jump_ramp():
    np.testing.assert_allclose(
        [ramp(0.1, jnp.asarray(e)) for e in (0, 19, 20, 35, 50, 99)],
        [0.0, 0.0, 0.01, 0.055, 0.1, 0.1],
        rtol=1e-6,
    )


def test_total_needs_a_weight_for_every_loss():
    with pytest.raises(AssertionError, match="without a weight"):
        total({"recon": jnp.ones(())}, {})


def test_a_loss_of_weight_zero_takes_no_part():
    """Not even where it or its slope is infinite: zero times infinity would be NaN."""

    def loss(x):
        return total({"used": 3.0 * x, "reported": 1.0 / x}, {"used": 2.0, "reported": 0.0})

    assert jax.value_and_grad(loss)(jnp.zeros(())) == (0.0, 6.0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_rate_that_underflowed_costs_what_can_be_measured(dtype, x64):
    """Charts change where softplus gives 0: a finite loss and slope; elsewhere the likelihood's own."""
    logits = jnp.asarray([[-1e4, -50.0, 1.0]], dtype)
    surprise = lambda a: dyn.jump_surprise(0.7 * jax.nn.softplus(a), jnp.ones_like(a))
    loss, slope = jax.jit(jax.value_and_grad(surprise))(logits)
    likely = [float(-np.log(0.7) + 50.0), -float(np.log(-np.expm1(-0.7 * np.log1p(np.e))))]
    floor = -np.log(float(jnp.finfo(dtype).tiny))
    assert loss == pytest.approx((floor + sum(likely)) / 3.0, rel=1e-6)
    rate, odds = np.log1p(np.e), 1.0 / (1.0 + np.exp(-1.0))
    slopes = [0.0, -1.0, -0.7 * odds / np.expm1(0.7 * rate)]
    np.testing.assert_allclose(slope[0], np.asarray(slopes) / 3.0, rtol=1e-6)
