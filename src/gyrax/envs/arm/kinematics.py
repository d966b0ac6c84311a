"""Where the arm's tip is, and which joint angles bring it somewhere: closed forms for `arm.xml`."""

import numpy as np

JOINTS = (
    "shoulder_pan",
    "shoulder_lift",
    "elbow_flex",
    "wrist_flex",
    "wrist_roll",
    "gripper",
)
LOWER = np.array([-1.92, -1.75, -1.69, -1.66, -2.74, -0.17])
UPPER = np.array([1.92, 1.75, 1.69, 1.66, 2.74, 1.75])

_PIVOT_RADIUS, _PIVOT_HEIGHT = 0.03, 0.12
_UPPER_ARM, _FOREARM, _HAND = 0.115, 0.135, 0.13


def tip_position(joints: np.ndarray) -> np.ndarray:
    """Tip position (..., 3) in metres for joint angles (..., 6)."""
    pan, lift, elbow, wrist = (joints[..., i] for i in range(4))
    forearm, hand = lift + elbow, lift + elbow + wrist
    radius = _PIVOT_RADIUS + _UPPER_ARM * np.sin(lift)
    radius = radius + _FOREARM * np.cos(forearm) + _HAND * np.cos(hand)
    height = _PIVOT_HEIGHT + _UPPER_ARM * np.cos(lift)
    height = height - _FOREARM * np.sin(forearm) - _HAND * np.sin(hand)
    return np.stack([radius * np.cos(pan), radius * np.sin(pan), height], axis=-1)


def tip_quaternion(joints: np.ndarray) -> np.ndarray:
    """Unit quaternion (..., 4) w x y z of the hand for joint angles (..., 6): roll, pitch, then pan."""
    pan, pitch, roll = joints[..., 0], joints[..., 1:4].sum(axis=-1), joints[..., 4]
    (c1, c2, c3), (s1, s2, s3) = ([f(a / 2) for a in (pan, pitch, roll)] for f in (np.cos, np.sin))
    return np.stack(
        [
            c1 * c2 * c3 + s1 * s2 * s3,
            c1 * c2 * s3 - s1 * s2 * c3,
            c1 * s2 * c3 + s1 * c2 * s3,
            s1 * c2 * c3 - c1 * s2 * s3,
        ],
        axis=-1,
    )


def reach(tip: np.ndarray, pitch: float, roll: float, gripper: float) -> np.ndarray | None:
    """Joint angles (6,), elbow up, with the tip there and the hand `pitch` below level.

    `None` where the arm is too short or a joint would leave its range.
    """
    radius = np.hypot(tip[0], tip[1]) - _PIVOT_RADIUS - _HAND * np.cos(pitch)
    height = tip[2] - _PIVOT_HEIGHT + _HAND * np.sin(pitch)
    cosine = radius**2 + height**2 - _UPPER_ARM**2 - _FOREARM**2
    cosine = cosine / (2 * _UPPER_ARM * _FOREARM)
    if abs(cosine) > 0.995:  # short of the singular stretched and folded poses
        return None
    bend = np.arccos(cosine)
    raised = np.arctan2(_FOREARM * np.sin(bend), _UPPER_ARM + _FOREARM * np.cos(bend))
    lift = np.pi / 2 - np.arctan2(height, radius) - raised
    elbow = bend - np.pi / 2
    pan = np.arctan2(tip[1], tip[0])
    joints = np.array([pan, lift, elbow, pitch - lift - elbow, roll, gripper])
    inside = np.all(joints > LOWER + 0.02) and np.all(joints < UPPER - 0.02)
    return joints if inside else None
