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
    placed = [(solid, *pose) for body, pose in zip(arm_bodies(), arm_poses(values[:6]), strict=True)
              for solid in body.solids]  # fmt: skip
    faces, colours = [], []
    for solid, rotation, position in (*placed, (cube_solid(), rotation_of(cube[3:]), cube[:3])):
        corners = solid.vertices @ rotation.T + position
        faces += [corners[list(face)] for face in solid.faces]
        colour = CUBE if solid is cube_solid() else "#46485a" if solid.dark else ARM
        colours += [colour] * len(solid.faces)
    outline = dict(facecolors=(0.82, 0.29, 0.36, 0.08), edgecolors=FORECAST, lw=0.7, zorder=3)
    full = dict(facecolors=colours, edgecolors=colours, lw=0.3, shade=True, zorder=2)
    ax.add_collection3d(Poly3DCollection(faces, **(outline if outlined else full)))


def draw(left, right, truth, forecast, path, points, h, radius):
    left.clear()
    left.set(xlim=(-0.05, 0.35), ylim=(-0.2, 0.2), zlim=(0, 0.28))
    left.set_box_aspect((4, 4, 2.8), zoom=1.45)
    left.computed_zorder = False
    left.view_init(26, -52)
    left.set_axis_off()
    for at in np.linspace(-0.2, 0.2, 5):
        left.plot([-0.05, 0.35], [at, at], 0, color="#dfe3ea", lw=1, zorder=1)
        left.plot([0.15 + at, 0.15 + at], [-0.2, 0.2], 0, color="#dfe3ea", lw=1, zorder=1)
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
