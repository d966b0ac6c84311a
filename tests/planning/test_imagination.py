"""What plans are foreseen to lead to: beside the package's own forecasts of the same windows."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gyrax._errors import InputError
from gyrax.data.frames import load_frames
from gyrax.evaluation.baselines.linear import LinearForecaster, Ridge
from gyrax.evaluation.control.contenders import OnlyChart
from gyrax.evaluation.encoded import Encoded
from gyrax.evaluation.feature_space import Identity, features_as_latents
from gyrax.evaluation.forecasts import decode, forecast
from gyrax.planning.agent import Agent
from gyrax.planning.imagination import ForecastImagination, Observed, Scale
from gyrax.planning.settings import PlanSettings
from gyrax.planning.setup import Decoded, imagination_of
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.trainer import Trained


@pytest.fixture(scope="module")
def encoded(trained, tiny_folder):
    own = Trained.of(open_checkpoint(trained.out))
    return Encoded.of(own, Dataset.of(load_frames(tiny_folder), own.settings, own.normaliser))


def observed_at(dataset, last, horizon, context):
    """What an agent knows at frame `last` of a data set, and the actions that follow there."""
    frames = dataset.frames
    known = frames.features[last + 1 - context : last + 1]
    past = frames.actions[last - 2 : last]
    return Observed(known, past, 0), frames.actions[last : last + horizon]


def test_plans_as_recorded_are_foreseen_as_the_evaluation_forecasts_them(trained, encoded):
    """In the units of the data, and the present frame is decoded as it is seen."""
    imagination, dataset = imagination_of(open_checkpoint(trained.out)), encoded.dataset
    chosen = encoded.windows("train", 3)
    context = encoded.settings.integration.context
    row, last = 10, int(dataset.frames.offsets[dataset.split["train"][0]]) + 10 + context - 1
    observed, actions = observed_at(dataset, last, 3, context)
    np.testing.assert_allclose(chosen.window.actions[row], dataset.actions[last : last + 3])
    foreseen = eqx.filter_jit(imagination)(observed, jnp.stack([actions, actions]))
    window = jax.tree.map(lambda a: a[row : row + 1], chosen.window)
    points = forecast(encoded.trained.system, window)
    np.testing.assert_allclose(foreseen.points[1], points[0], atol=2e-5)
    system = encoded.trained.system
    now = dataset.normaliser.restored(decode(system, window.context[:, -1]))[0]
    expected = dataset.normaliser.restored(decode(system, points))[0]
    shifted = expected + dataset.frames.features[last] - now
    np.testing.assert_allclose(foreseen.features[0], shifted, atol=1e-4)


def test_ridge_foresees_what_it_forecasts(trained, encoded):
    view = features_as_latents(encoded)
    train, val = view.windows("train", 3), view.windows("val", 3)
    ridge = Ridge(train.window, val.window, view.settings.encoder.curvature)
    linear = LinearForecaster.of(ridge, train.window.actions.shape[-1])
    expected = ridge(train.window)
    np.testing.assert_allclose(forecast(linear, train.window), expected, atol=1e-4)
    checkpoint = open_checkpoint(trained.out)
    scale = Scale.of(checkpoint.normaliser, checkpoint.support)
    imagination = ForecastImagination(linear, OnlyChart(), Decoded(Identity()), scale)
    dataset, context = encoded.dataset, encoded.settings.integration.context
    last = int(dataset.frames.offsets[dataset.split["train"][0]]) + context - 1 + 5
    observed, actions = observed_at(dataset, last, 3, context)
    foreseen = eqx.filter_jit(imagination)(observed, jnp.asarray(actions)[None])
    restored = dataset.normaliser.restored(expected[5])
    np.testing.assert_allclose(foreseen.features[0], restored, atol=1e-4)


def test_an_agent_acts_from_a_checkpoint_alone(trained, encoded):
    settings = PlanSettings(samples=8, iterations=2, horizon=6, knots=2, replan_every=2)
    agent = Agent(trained.out, goal_columns="joint_[01],x", near=0.05, settings=settings)
    assert agent.robot.relative and agent.robot.joints == (0, 1, 2, 3, 4, 5)
    frames = encoded.dataset.frames
    agent.reset(frames.features[12])
    low, high = (f(np.asarray(agent.checkpoint.support.snippets), (0, 1)) for f in (np.min, np.max))
    actions = np.stack([agent.act(frame) for frame in frames.features[:5]])
    assert np.all((actions >= low - 1e-6) & (actions <= high + 1e-6))
    assert agent.controller.plans == 3
    assert np.abs(np.diff(actions, axis=0)).max() > 0
    # At the goal it holds what it did before.
    agent.reset(frames.features[12])
    holding = agent.act(frames.features[12])
    np.testing.assert_allclose(holding, np.clip(frames.features[12][:6], low, high), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda run: Agent(run, goal_columns="cube.*"), "no feature is called"),
        (lambda run: Agent(run.parent / "none"), "no such checkpoint"),
        (lambda run: Agent(run).reset(np.zeros(3)), "give 8 finite features"),
        (lambda run: PlanSettings(samples=0), "--samples is 0"),
        (lambda run: PlanSettings(planner="best"), "one of cem"),
        (lambda run: PlanSettings(horizon=3), "--plan-horizon is 3"),
    ],
)
def test_what_cannot_be_planned_is_one_line(trained, call, said):
    with pytest.raises(InputError, match=said):
        call(trained.out)
