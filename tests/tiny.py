"""A data folder and settings small enough to train on in seconds."""

import numpy as np

from gyrax.data.lerobot.schema import Feature
from gyrax.data.lerobot.writer import write_folder

TINY = dict(latent_dim=3, num_charts=3, codes_per_chart=4, hidden_dim=16, wm_d_model=8,
            batch_size=32, sequence_length=4, phase1_epochs=2, phase2_epochs=2,
            phase3_epochs=2, save_every=1, log_every=1)  # fmt: skip


def tiny_episodes(count=6, length=24, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        phase, speed = rng.uniform(0, 6, 6), rng.uniform(0.1, 0.3, 6)
        t = np.arange(length)[:, None]
        state = np.sin(phase + speed * t)
        action = np.sin(phase + speed * (t + 2))
        environment = np.cos(phase + speed * t)[:, :2]
        yield (
            {
                "observation.state": state.astype(np.float32),
                "observation.environment_state": environment.astype(np.float32),
                "action": action.astype(np.float32),
            },
            "move",
        )


def write_tiny(path, **kwargs):
    joints = ("joint_0", "joint_1", "joint_2", "tip.x", "tip.y", "tip.z")
    features = {
        "observation.state": Feature("float32", (6,), joints),
        "observation.environment_state": Feature("float32", (2,), ("x", "y")),
        "action": Feature("float32", (6,), joints),
    }
    write_folder(path, robot="tiny", fps=30, features=features, episodes=tiny_episodes(**kwargs))
    return path
