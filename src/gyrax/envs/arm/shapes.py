"""The arm and its cubes as convex solids, read from `arm.xml`: what draws them needs no simulator."""

from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from gyrax.envs.arm.kinematics import JOINTS

SIDES = 10
"""Of the prism that stands for something round."""


class Solid(NamedTuple):
    """A convex solid. **Fields:** `vertices`; `faces`, each the numbers of its vertices, counted against the
    clock as seen from outside; `dark`, whether it is."""

    vertices: Float[np.ndarray, "V 3"]
    faces: tuple[tuple[int, ...], ...]
    dark: bool = False


class Body(NamedTuple):
    """A part that moves as one. **Fields:** `parent`, the number of the body that it is on, −1 for none;
    `position` there; `axis` and number of the `joint` about which it turns, −1 for none; its `solids`."""

    parent: int
    position: Float[np.ndarray, "3"]
    axis: Float[np.ndarray, "3"]
    joint: int
    solids: tuple[Solid, ...]


@cache
def arm_bodies() -> tuple[Body, ...]:
    """The bodies of the arm, each behind the one it is on; the first stands on the table."""
    world = _worldbody()
    found = [Body(-1, np.zeros(3), np.zeros(3), -1, _solids(world))]

    def add(element: ElementTree.Element, parent: int) -> None:
        joint = element.find("joint")
        if joint is None:  # a cube has a free one
            return
        number = JOINTS.index(joint.get("name", ""))
        axis = _numbers(joint, "axis")
        found.append(Body(parent, _numbers(element, "pos"), axis, number, _solids(element)))
        here = len(found) - 1
        for child in element.findall("body"):
            add(child, here)

    for element in world.findall("body"):
        add(element, 0)
    return tuple(found)


@cache
def cube_solid() -> Solid:
    """A cube about the origin."""
    (cube,) = (b for b in _worldbody().findall("body") if b.get("name") == "cube")
    return _solids(cube)[0]


def arm_poses(joints: Float[np.ndarray, "6"]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotation (3, 3) and position (3,) of each of [`arm_bodies`][] at these joint angles."""
    poses: list[tuple[np.ndarray, np.ndarray]] = []
    for body in arm_bodies():
        rotation, position = poses[body.parent] if body.parent >= 0 else (np.eye(3), np.zeros(3))
        own = turned(body.axis, float(joints[body.joint])) if body.joint >= 0 else np.eye(3)
        poses.append((rotation @ own, position + rotation @ body.position))
    return poses


def turned(axis: Float[np.ndarray, "3"], angle: float) -> Float[np.ndarray, "3 3"]:
    """The rotation about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rotation_of(quaternion: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """The rotation of a quaternion w x y z of any length above zero."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


@cache
def _worldbody() -> ElementTree.Element:
    world = ElementTree.parse(Path(__file__).parent / "arm.xml").getroot().find("worldbody")
    assert world is not None
    return world


def _numbers(element: ElementTree.Element, name: str) -> np.ndarray:
    return np.array(element.get(name, "0 0 0").split(), float)


def _solids(element: ElementTree.Element) -> tuple[Solid, ...]:
    return tuple(_solid(g) for g in element.findall("geom") if g.get("type") != "plane")


def _solid(geom: ElementTree.Element) -> Solid:
    size, kind = _numbers(geom, "size"), geom.get("type")
    dark = geom.get("rgba", "").startswith("0.2 0.2 0.2")
    if kind == "box":
        corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
        return Solid(_numbers(geom, "pos") + corners * size, quads, dark)
    if kind == "cylinder":
        middle, half = _numbers(geom, "pos"), np.array([0.0, 0.0, size[1]])
        return _prism(middle - half, middle + half, size[0], dark)
    begin, end = _numbers(geom, "fromto").reshape(2, 3)
    return _prism(begin, end, size[0], dark)


def _prism(begin: np.ndarray, end: np.ndarray, radius: float, dark: bool) -> Solid:
    along = (end - begin) / np.linalg.norm(end - begin)
    side = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    side /= np.linalg.norm(side)
    angle = np.arange(SIDES) * 2 * np.pi / SIDES
    ring = radius * (np.outer(np.cos(angle), side) + np.outer(np.sin(angle), np.cross(along, side)))
    around = [(i, (i + 1) % SIDES) for i in range(SIDES)]
    sides = [(i, j, SIDES + j, SIDES + i) for i, j in around]
    ends = [tuple(range(SIDES))[::-1], tuple(range(SIDES, 2 * SIDES))]
    return Solid(np.concatenate([begin + ring, end + ring]), (*sides, *ends), dark)
