"""One face for every Gymnasium environment that has a box of actions and observes its state."""

import contextlib
import weakref
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8

from gyrax._errors import InputError
from gyrax.data.lerobot.proprioception import ACTION
from gyrax.envs.interface import SelfDescribed
from gyrax.envs.making import first_line, make_environment
from gyrax.envs.observations import Layout, layout_of
from gyrax.envs.opengl import choose_backend
from gyrax.envs.policies import Policy
from gyrax.envs.snapshots import has_mujoco, restore_mujoco, save_copy, save_mujoco
from gyrax.envs.timing import frames_a_second

Features = Float32[np.ndarray, " F"]


class Step(NamedTuple):
    """What an action led to. `success` is None where the environment does not judge it."""

    features: Features
    reward: float
    terminated: bool
    truncated: bool
    success: bool | None


class _Saved(NamedTuple):
    """The full state of an environment that does not save itself, and what the bridge knows of it."""

    inner: Any
    features: np.ndarray
    goal: np.ndarray | None
    frame: int


class Bridge:
    """An environment with named features and bounded actions, whose full state can be saved. A frame is
    `repeat` steps of it under the same action.

    **Fields:** `id`; `repeat`; `columns` and `action_columns`, named as a data set made of it names them;
    `low` and `high` (A,), the bounds of an action; `fps`, actions a second; `max_frames`, the time limit
    that the environment was registered with, which it no longer obeys; `position_target`, whether an action
    is a target of joint positions; `action_rate` (A,) or None, the largest sensible change of an action from
    one frame to the next; `goal_columns`, where among the features that which a goal is about is; `goal`
    (G,) or None, the goal now, `features[goal_columns]` once it is reached; `goal_radius`, how near each
    body must be to it, or None where only the environment knows; `push`, how a body is brought there by
    pushing (`EFFECTOR:BODIES:DISTANCE`, see [`Push`][gyrax.planning.setup.Push]), or None; `can_restore`,
    whether `save`, `restore` and `rollout` work.
    """

    goal: Float[np.ndarray, " G"] | None

    def __init__(self, env: Any, max_steps: int | None = None, repeat: int = 1):
        """Raises `InputError` where observations are no vector, or actions no box with finite bounds."""
        self._env, self.repeat = env, repeat
        self.max_frames = None if max_steps is None else max(max_steps // repeat, 1)
        inner = env.unwrapped
        self.id = env.spec.id if env.spec is not None else type(inner).__name__
        self._layout = layout_of(self.id, env.observation_space)
        self.low, self.high = _bounds(self.id, env.action_space)
        self._own: SelfDescribed | None = inner if isinstance(inner, SelfDescribed) else None
        described: SelfDescribed | Layout = self._own or self._layout
        self.columns, self.goal_columns = described.columns, described.goal_columns
        names = (f"{ACTION}.{i}" for i in range(len(self.low)))
        self.action_columns = self._own.action_columns if self._own else tuple(names)
        self.position_target = bool(env.metadata.get("position_target", False))
        self.goal_radius: float | None = env.metadata.get("goal_radius")
        self.push: str | None = env.metadata.get("push")
        rate = env.metadata.get("action_rate")
        self.action_rate = None if rate is None else np.broadcast_to(rate, self.low.shape) * 1.0
        self.goal, self._frame, self._begun, self._pictured = None, 0, False, False
        self._features = np.zeros(len(self.columns), np.float32)
        self._mujoco = has_mujoco(env)
        self.fps = self._guarded("step", lambda: frames_a_second(env)) / repeat
        self.can_restore = self._own is not None or self._mujoco or self._can_be_copied()

    @classmethod
    def make(cls, id: str, args: dict[str, Any] | None = None, repeat: int = 1) -> "Bridge":
        """The environment of that id, made with these arguments. Raises `InputError` where it cannot be, or
        where its actions cannot be repeated."""
        if repeat < 1:
            raise InputError(f"--action-repeat is {repeat}; give 1 or more.")
        bridge = cls(*make_environment(id, args or {}), repeat)
        if repeat > 1 and bridge._own:
            raise InputError(
                f"--action-repeat is {repeat}, but {id} has a frame rate of its own; leave it out."
            )
        return bridge

    @property
    def env(self) -> Any:
        """The Gymnasium environment itself."""
        return self._env

    def reset(self, seed: int, state: Any = None) -> Features:
        """Begin an episode that `seed` decides, or at a state that `save` returned."""
        options = {"state": state} if self._own and state is not None else None
        call = lambda: self._env.reset(seed=seed, options=options)
        self._frame = 0
        observation, _ = self._guarded("reset", call)
        self._begun = True
        self.goal = None if self._own else self._layout.goal(observation)
        if state is not None and not self._own:
            return self.restore(state)
        return self._seen(self._layout.features(observation))

    def step(self, action: Float[np.ndarray, " A"]) -> Step:
        """Act for one frame; what is outside the bounds is cut to them."""
        if np.shape(action) != self.low.shape or not np.isfinite(action).all():
            raise ValueError(
                f"action is {action}, expected {len(self.low)} finite numbers; repair the policy."
            )
        action = np.clip(action, self.low, self.high).astype(self._env.action_space.dtype)
        total, observation, terminated, truncated, success = 0.0, None, False, False, None
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self._guarded(
                "step", lambda: self._env.step(action)
            )
            total += float(reward)
            success = info.get("is_success", info.get("success"))
            if terminated or truncated:
                break
        self._frame += 1
        features = self._seen(self._layout.features(observation))
        judged = None if success is None else bool(success)
        return Step(features, total, bool(terminated), bool(truncated), judged)

    def set_goal(self, features: Float[np.ndarray, " F"]) -> None:
        """Want what these features show. Raises `InputError` where the environment knows no goal."""
        if not self.goal_columns:
            raise InputError(f"{self.id}: has no goal to set; choose an environment that has one.")
        self.goal = np.asarray(features, np.float64)[list(self.goal_columns)]
        if self._own:
            self._own.set_goal(features)
        elif hasattr(self._env.unwrapped, "goal"):
            self._env.unwrapped.goal = self.goal.copy()

    def reward_of(
        self, achieved: Float[np.ndarray, "M G"], desired: Float[np.ndarray, "M G"]
    ) -> Float[np.ndarray, " M"]:
        """The environment's reward of what is achieved where that is desired; see `has_goal_reward`."""
        compute = self._env.unwrapped.compute_reward
        return np.asarray(self._guarded("compute_reward", lambda: compute(achieved, desired, {})))

    def way_lengths(
        self, starts: Float[np.ndarray, "N F"], goals: Float[np.ndarray, "N F"]
    ) -> Float[np.ndarray, " N"] | None:
        """How long the shortest way is from what each start shows to what its goal shows; None where the
        environment does not know."""
        known = getattr(self._env.unwrapped, "way_lengths", None)
        if known is None:
            return None
        columns = list(self.goal_columns)
        return np.diagonal(known(starts[:, columns], goals[:, columns]))

    @property
    def has_goal_reward(self) -> bool:
        """Whether the reward is a function of an achieved and a desired goal."""
        return hasattr(self._env.unwrapped, "compute_reward")

    def save(self) -> Any:
        """The full state, for `restore`, `reset` and `rollout`: going on from it is as not stopping."""
        if self._own:
            return self._own.save()
        inner = save_mujoco(self._env) if self._mujoco else save_copy(self.id, self._env)
        return _Saved(inner, self._features, self.goal, self._frame)

    def restore(self, state: Any) -> Features:
        """Go back to a state; returns its features. A goal that was set from outside stays."""
        if not self._begun:
            self.reset(0)
        if self._own:
            return self._seen(self._own.restore(state))
        if self._mujoco:
            restore_mujoco(self._env, state.inner)
        else:
            self._env = save_copy(self.id, state.inner)
        self._features, self.goal, self._frame = state.features, state.goal, state.frame
        return self._features

    def rollout(
        self, state: Any, actions: Float[np.ndarray, "N H A"]
    ) -> Float32[np.ndarray, "N H F"]:
        """The features after each action, for N sequences from `state`: the environment's own answer.

        It is afterwards where it was before. What comes after an end is as at the end.
        """
        if self._own:
            return self._own.rollout(state, actions)
        if not self._begun:
            self.reset(0)
        kept, seen = self.save(), np.empty((*actions.shape[:2], len(self.columns)), np.float32)
        for number, sequence in enumerate(actions):
            self.restore(state)
            for frame, action in enumerate(sequence):
                step = self.step(action)
                seen[number, frame:] = step.features
                if step.terminated or step.truncated:
                    break
        self.restore(kept)
        return seen

    def rest_action(self) -> Float[np.ndarray, " A"]:
        """The action that leaves things most as they are: the held targets, or as near to 0 as may be."""
        return self._own.rest_action() if self._own else np.clip(0.0, self.low, self.high)

    def recorded(self, action: Float[np.ndarray, " A"]) -> Float32[np.ndarray, " A"]:
        """An action as a data set holds it."""
        if self._own:
            return self._own.recorded(action)
        return np.clip(action, self.low, self.high).astype(np.float32)

    def scripted(self) -> Policy | None:
        """The environment's own policy, where it has one."""
        return self._own.scripted() if self._own else None

    def render(self) -> UInt8[np.ndarray, "h w 3"]:
        """A picture of now. Raises `InputError` where the environment makes none."""
        if self._mujoco and not self._pictured:
            choose_backend()
            # What OpenGL holds is to be freed before its modules are gone, at exit too.
            weakref.finalize(self, _close_quietly, self._env)
            self._pictured = True
        picture = self._guarded("render", self._env.render)
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3:
            raise InputError(f"{self.id}: renders no pictures; leave them out.")
        return picture[..., :3]

    def close(self) -> None:
        """Give back what the environment holds."""
        self._env.close()

    def _guarded(self, doing: str, call: Any) -> Any:
        """What `call` returns; an exception of the environment's becomes one line."""
        try:
            return call()
        except InputError:
            raise
        except Exception as error:  # an environment may raise anything
            raise InputError(
                f"{self.id}: {doing} failed at frame {self._frame} ({first_line(error)}); check the "
                "environment and its arguments."
            ) from None

    def _seen(self, features: np.ndarray) -> Features:
        if not np.isfinite(features).all():
            bad = self.columns[int(np.argmin(np.isfinite(features)))]
            raise InputError(
                f"{self.id}: {bad} is not finite at frame {self._frame}; the simulation broke: use "
                "another seed, or smaller actions."
            )
        self._features = features
        return features

    def _can_be_copied(self) -> bool:
        try:
            save_copy(self.id, self._env)
        except InputError:
            return False
        return True


def _close_quietly(env: Any) -> None:
    """Close an environment as the process ends, when OpenGL may be gone already."""
    with contextlib.suppress(Exception):
        env.close()


def _bounds(where: str, space: Any) -> tuple[np.ndarray, np.ndarray]:
    """The bounds (A,) of a box of actions."""
    from gymnasium.spaces import Box

    if isinstance(space, Box) and len(space.shape) == 1 and space.is_bounded("both"):
        return space.low.astype(np.float64), space.high.astype(np.float64)
    text = " ".join(str(space).split())[:80]
    raise InputError(
        f"{where}: its actions are {text}, expected a vector of numbers with finite bounds; choose an "
        "environment with continuous actions."
    )
