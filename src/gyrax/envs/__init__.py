"""Worlds to act in and to record. Importing this registers the arm and the mazes with Gymnasium, if that is
installed."""

import contextlib

with contextlib.suppress(ImportError):  # Gymnasium is optional (extra `sim`)
    import gymnasium

    gymnasium.register(
        id="gyrax/ArmPush-v0",
        entry_point="gyrax.envs.arm.environment:ArmPush",
        max_episode_steps=300,
    )
    gymnasium.register(
        id="gyrax/TreeMaze-v0",
        entry_point="gyrax.envs.point_maze:TreeMaze",
        max_episode_steps=3000,
    )
