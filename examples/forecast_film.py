"""A film of forecasts beside the truth: the simulated arm, and the same in the ball.

Needs a run on the data that comes with the package (python cli.py train --phase 2), or on other data of the
simulated arm:

    python examples/forecast_film.py outputs/vla/joint forecast.webp [data]
"""

import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from PIL import Image

from gyrax.data.frames import load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.envs.arm.columns import FIRST_CUBE
from gyrax.envs.arm.shapes import arm_bodies, arm_poses, cube_solid, rotation_of
from gyrax.evaluation.encoded import Encoded
from gyrax.report.view.content import make_forecasts
from gyrax.runtime.drawing import INK, draw_disk, principal_plane
from gyrax.training.checkpoint import open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.trainer import Trained

FORECAST, CUBE, ARM = "#d1495b", "#4477aa", "#aab0be"


def draw_arm(ax, values, outlined):
    cube = values[FIRST_CUBE : FIRST_CUBE + 7]
    parts = [(s, *pose) for body, pose in zip(arm_bodies(), arm_poses(values[:6]), strict=True)
             for s in body.solids]  # fmt: skip
    for solid, rotation, position in (*parts, (cube_solid(), rotation_of(cube[3:]), cube[:3])):
        corners = solid.vertices @ rotation.T + position
        colour = CUBE if solid is cube_solid() else "#46485a" if solid.dark else ARM
        style = dict(fc=(0.82, 0.29, 0.36, 0.1), ec=FORECAST, lw=0.7) if outlined else dict(
            fc=colour, ec=colour, lw=0.3, shade=True)  # fmt: skip
        ax.add_collection3d(Poly3DCollection([corners[list(f)] for f in solid.faces], **style))


def draw(left, right, truth, forecast, path, points, h, radius):
    left.clear()
    left.set(xlim=(-0.05, 0.33), ylim=(-0.19, 0.19), zlim=(0, 0.3), box_aspect=(1, 1, 0.8))
    left.view_init(24, -52)
    left.set_axis_off()
    left.plot_surface(*np.meshgrid([-0.1, 0.4], [-0.25, 0.25]), np.zeros((2, 2)), color="#f2f3f7")
    draw_arm(left, truth[h], outlined=False)
    draw_arm(left, forecast[h], outlined=True)
    left.set_title(f"{h + 1} frames ahead: truth, and forecast in red", fontsize=10, color=INK)
    right.clear()
    draw_disk(right, radius)
    for line, colour in ((path, INK), (points, FORECAST)):
        right.plot(*line.T, color=colour, lw=1.2, alpha=0.3)
        right.plot(*line[: h + 1].T, color=colour, lw=2.5, solid_capstyle="round")
        right.plot(*line[h], "o", color=colour, ms=7, mec="white")
    middle, reach = path.mean(0), 1.3 * np.abs(path - path.mean(0)).max() + 1e-3
    right.set(
        xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach)
    )
    right.set_title("in the ball, two of its directions", fontsize=10, color=INK)


def film(encoded, file, horizon=30, shown=3, dpi=90):
    """Of the starts, in different test episodes, from which the cube goes farthest."""
    found, _ = make_forecasts(encoded, "test", horizon=horizon, episodes=100, samples=0)
    restored = encoded.dataset.normaliser.restored
    truth, forecast = restored(found.chosen.truth), restored(found.features)
    way = np.linalg.norm(np.ptp(truth[..., FIRST_CUBE : FIRST_CUBE + 2], axis=1), axis=-1)
    best = {found.chosen.episode[row]: row for row in np.argsort(way)}
    figure = plt.figure(figsize=(8, 3.8))
    left, right = (
        figure.add_axes((0, 0, 0.55, 0.92), projection="3d"),
        figure.add_axes((0.58, 0.03, 0.4, 0.87)),
    )
    pictures, durations, last = [], [], found.horizon - 1
    for row in list(best.values())[-shown:]:
        target = np.asarray(found.chosen.window.target)[row]
        plane = principal_plane(target)
        for h in range(found.horizon):
            draw(
                left,
                right,
                truth[row],
                forecast[row],
                target @ plane,
                found.points[row] @ plane,
                h,
                found.chosen.c**-0.5,
            )
            figure.savefig(buffer := BytesIO(), dpi=dpi, format="png")
            pictures.append(Image.open(buffer).convert("RGB"))
            durations.append(1200 if h == last else 80)
    plt.close(figure)
    pictures[0].save(
        file, save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=75
    )
    print(
        f"{len(pictures)} pictures of {shown} forecasts, {Path(file).stat().st_size / 1e6:.1f} MB: {file}"
    )


if __name__ == "__main__":
    run, out, *data = sys.argv[1:]
    trained = Trained.of(open_checkpoint(Path(run)))
    frames = load_frames(*data or [DEFAULT_FOLDER])
    film(Encoded.of(trained, Dataset.of(frames, trained.settings, trained.normaliser)), out)
