"""A data set of the simulated arm's columns, made without a simulator, and a model that is not trained."""

import jax.random as jr
import numpy as np

from gyrax.data.store import Frames
from gyrax.envs.arm.columns import features
from gyrax.envs.arm.kinematics import tip_position
from gyrax.evaluation.encoded import Encoded
from gyrax.training.build import build_system
from gyrax.training.dataset import Dataset
from gyrax.training.presets import make_settings
from gyrax.training.trainer import Trained
from tiny import TINY


def arm_frames(episodes=6, length=20):
    """The arm waves, and drags its cube along."""
    rng, parts = np.random.default_rng(0), []
    for _ in range(episodes):
        t = np.arange(length)[:, None]
        joints = 0.6 * np.sin(rng.uniform(0, 6, 6) + rng.uniform(0.1, 0.3, 6) * t)
        pose = lambda x: np.concatenate([x, np.tile([1.0, 0, 0, 0], (length, 1))], axis=1)
        cube = 0.2 + 0.1 * joints[:, :3] * [1, 1, 0] - [0, 0.2, 0.18]
        tip = tip_position(joints)
        parts.append(np.concatenate([joints, np.cos(joints), pose(tip), pose(cube)], axis=1))
    named = features(1)
    names = {key: tuple(f"{key}.{n}" for n in feature.names) for key, feature in named.items()}
    state, environment, action = names.values()
    x = np.concatenate(parts).astype(np.float32)
    offsets = np.arange(episodes + 1) * length
    return Frames(x, x[:, :6], offsets, (*state, *environment), action, "waves")


def untrained(frames, tmp_path):
    settings = make_settings(None, TINY | dict(latent_dim=5, wm_use_jump=True))
    dataset = Dataset.of(frames, settings)
    system = build_system(settings, dataset.x.shape[1], key=jr.key(0))
    trained = Trained(tmp_path / "run" / "p2_epoch_00000", settings, 2, system, dataset.normaliser)
    return Encoded.of(trained, dataset)
