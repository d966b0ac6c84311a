"""What a page shows of the robot: the simulated arm itself, or features over time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gyrax.envs.arm.columns import FIRST_CUBE, POSE, features
from gyrax.envs.arm.shapes import Solid, arm_bodies, cube_solid
from gyrax.envs.arm.world import MAX_CUBES
from gyrax.planning.robot import short

CURVES = 6
"""Most features that are drawn over time."""


@dataclass(frozen=True)
class Robot:
    """**Fields:** `columns`, the numbers of the features that the picture is made of, of those of the data;
    `scene`, what the page is told besides."""

    columns: np.ndarray
    scene: dict[str, Any]


def cubes_of(columns: tuple[str, ...]) -> int:
    """How many cubes the simulated arm has whose columns these are; 0 where they are not its."""
    for cubes in range(1, MAX_CUBES + 1):
        named = features(cubes)
        expected = (f"{key}.{n}" for key in list(named)[:2] for n in named[key].names or ())
        if columns == tuple(expected):
            return cubes
    return 0


def robot_of(columns: tuple[str, ...], error: Float[np.ndarray, " F"], kept: np.ndarray) -> Robot:
    """The arm where the columns are its; else those features that are forecast worst, by their `error`, of
    those that are `kept`."""
    cubes = cubes_of(columns)
    if cubes:
        poses = FIRST_CUBE + np.arange(len(POSE) * cubes)
        return Robot(np.concatenate([np.arange(6), poses]), arm_scene(cubes))
    worst = np.argsort(np.where(kept, error, -1.0))[::-1][: min(CURVES, int(kept.sum()))]
    worst = np.sort(worst)
    names = [short(columns[i]) for i in worst]
    return Robot(worst, {"kind": "features", "names": names, "of": len(columns)})


def arm_scene(cubes: int) -> dict[str, Any]:
    """The solids of arm and cubes, which a page moves by joint angles and poses."""
    bodies = [
        {
            "parent": body.parent,
            "position": body.position.tolist(),
            "axis": body.axis.tolist(),
            "joint": body.joint,
            "solids": [_solid(solid) for solid in body.solids],
        }
        for body in arm_bodies()
    ]
    return {"kind": "arm", "bodies": bodies, "cube": _solid(cube_solid()), "cubes": cubes}


def _solid(solid: Solid) -> dict[str, Any]:
    vertices = np.round(solid.vertices, 5).tolist()
    return {"vertices": vertices, "faces": solid.faces, "dark": solid.dark}
