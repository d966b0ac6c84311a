"""Likelihoods of jumps against closed forms: their values, their maxima, their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from gyrax.dynamics import bernoulli_log_likelihood, jump_log_likelihood, jump_probability

TS = np.linspace(0.0, 10.0, 2001)
EVENTS = np.random.default_rng(0).poisson(1.3 * np.diff(TS))


def positions(t):
    return np.stack([0.5 * np.sin(t), 0.5 * np.cos(2.0 * t)], axis=-1)


def rate(parameters):
    a, b = parameters
    return lambda t, z, args: jnp.exp(a + b * z[0] + 0.1 * t)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_is_the_sum_of_log_rates_less_the_integral(dtype):
    with jax.enable_x64(dtype == "float64"):
        ts, zs = jnp.asarray(TS, dtype), jnp.asarray(positions(TS), dtype)
        parameters = jnp.array([0.3, 1.5], dtype)
        value = jump_log_likelihood(rate(parameters), ts, zs, jnp.asarray(EVENTS))
        assert value.dtype == dtype
    logs = 0.3 + 0.75 * np.sin(TS[:-1]) + 0.1 * TS[:-1]
    area = integrate.quad(lambda t: np.exp(0.3 + 0.75 * np.sin(t) + 0.1 * t), 0, 10)[0]
    bar = 1e-5 if dtype == "float64" else 1e-3
    assert float(value) == pytest.approx((EVENTS * logs).sum() - area, abs=bar * abs(area))


def test_both_forms_are_greatest_at_the_rate_that_was_seen(x64):
    zs, seen = jnp.asarray(positions(TS)), EVENTS.clip(max=1)
    h = TS[1]
    for bernoulli, best in ((False, EVENTS.sum() / 10.0), (True, -np.log(1 - seen.mean()) / h)):
        events = jnp.asarray(seen if bernoulli else EVENTS)
        value = lambda r, events=events, bernoulli=bernoulli: jump_log_likelihood(
            lambda t, z, args: args, jnp.asarray(TS), zs, events, r, bernoulli=bernoulli
        )
        assert jax.grad(value)(jnp.array(best)) == pytest.approx(0.0, abs=1e-8)
        assert value(jnp.array(best)) > max(value(jnp.array(0.9 * best)), value(jnp.array(2.0)))


@pytest.mark.parametrize("bernoulli", [False, True])
def test_gradient_in_the_parameters_is_that_of_finite_differences(bernoulli, x64):
    events = jnp.asarray(EVENTS)

    def value(parameters):
        ts, zs = jnp.asarray(TS), jnp.asarray(positions(TS))
        return jump_log_likelihood(rate(parameters), ts, zs, events, bernoulli=bernoulli)

    at = jnp.array([0.3, 1.5])
    gradient = jax.grad(value)(at)
    for k in range(2):
        step = jnp.zeros(2).at[k].set(1e-5)
        difference = (value(at + step) - value(at - step)) / 2e-5
        assert gradient[k] == pytest.approx(float(difference), rel=1e-6)


def test_bernoulli_form_is_that_of_the_jump_probability(x64):
    hazards, events = jnp.array([0.1, 2.0, 0.5, 1e-9]), jnp.array([True, False, True, False])
    p = jump_probability(hazards, 1.0)
    expected = jnp.sum(jnp.where(events, jnp.log(p), jnp.log1p(-p)))
    assert bernoulli_log_likelihood(hazards, events) == pytest.approx(float(expected), rel=1e-12)


def test_a_rate_of_zero_has_finite_gradients_where_nothing_jumped():
    none = jnp.zeros(3, bool)
    gradient = jax.grad(bernoulli_log_likelihood)(jnp.zeros(3), none)
    assert np.array_equal(gradient, -np.ones(3))
    ts = jnp.arange(4.0)
    value = lambda r: jump_log_likelihood(lambda t, z, a: a, ts, jnp.zeros((4, 2)), none, r)
    assert jax.grad(value)(jnp.array(0.0)) == -3.0
    assert bernoulli_log_likelihood(jnp.zeros(1), jnp.ones(1, bool)) == -np.inf


def test_lengths_must_match():
    with pytest.raises(ValueError, match=r"4 times, 4 states and 4 event counts; n steps have"):
        jump_log_likelihood(
            lambda t, z, args: 1.0, jnp.zeros(4), jnp.zeros((4, 2)), jnp.zeros(4, bool)
        )
