"""The full state of an environment that does not save itself: out of MuJoCo, or as a copy of the whole."""

import copy
import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gyrax._errors import InputError

_PLAIN = (bool, int, float, str, np.number, np.bool_, np.random.Generator, type(None))


class MujocoState(NamedTuple):
    """MuJoCo's state, what it derived in the step before, and what the environment keeps beside them."""

    state: np.ndarray
    derived: dict[str, np.ndarray]
    attributes: list[dict[str, Any]]


def has_mujoco(env: Any) -> bool:
    """Whether the environment is one of MuJoCo's: then `model` and `data` are where Gymnasium has them."""
    inner = env.unwrapped
    kinds = [type(getattr(inner, name, None)).__name__ for name in ("model", "data")]
    return kinds == ["MjModel", "MjData"]


def save_mujoco(env: Any) -> MujocoState:
    """Everything that what comes next depends on."""
    mujoco, (model, data) = _module(), (env.unwrapped.model, env.unwrapped.data)
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    arrays = {name: getattr(data, name) for name in dir(data) if not name.startswith("_")}
    derived = {name: x.copy() for name, x in arrays.items() if isinstance(x, np.ndarray)}
    attributes = [
        {name: copy.deepcopy(value) for name, value in vars(part).items() if _is_plain(value)}
        for part in _parts(env)
    ]
    return MujocoState(state, derived, attributes)


def restore_mujoco(env: Any, state: MujocoState) -> None:
    """Put everything back. The state can be used again."""
    mujoco, (model, data) = _module(), (env.unwrapped.model, env.unwrapped.data)
    mujoco.mj_resetData(model, data)
    mujoco.mj_setState(model, data, state.state, mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_forward(model, data)
    # Environments also read what was derived before the last of a frame's steps moved things on.
    for name, values in state.derived.items():
        here = getattr(data, name)
        if here.shape == values.shape:
            here[...] = values
    for part, attributes in zip(_parts(env), state.attributes, strict=True):
        vars(part).update(copy.deepcopy(attributes))


def save_copy(where: str, env: Any) -> Any:
    """A copy of the whole environment. Raises `InputError` where it cannot be copied."""
    try:
        return copy.deepcopy(env)
    except Exception as error:  # whatever the environment's parts raise
        raise InputError(
            f"{where}: its state cannot be saved ({type(error).__name__}: {str(error)[:120]}); use an "
            "environment that can be copied."
        ) from None


def _module() -> Any:
    return importlib.import_module("mujoco")


def _parts(env: Any) -> Iterator[Any]:
    """The wrappers from the outside in, and environments inside environments, in a fixed order."""
    gymnasium = importlib.import_module("gymnasium")
    seen: list[Any] = []
    waiting = [env]
    while waiting:
        part = waiting.pop()
        if any(part is other for other in seen):
            continue
        seen.append(part)
        yield part
        waiting += [value for value in vars(part).values() if isinstance(value, gymnasium.Env)]


def _is_plain(value: Any) -> bool:
    """Whether a value holds nothing but numbers and texts of its own; views follow what they view."""
    if isinstance(value, np.ndarray):
        return value.base is None and value.dtype != object
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)
