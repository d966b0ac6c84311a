"""How the steps of a simulation are divided into chunks, so that noise and saved states fit in memory."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from gyrax._errors import InputError
from gyrax.dynamics import noise_cells, solver_by_name
from gyrax.simulation.setup import SimulationConfig

SAVED_BYTES = 40_000_000  # of states; the file stays below 50 MB
NOISE_BYTES = 32_000_000
CHUNK_CELLS = 8192  # of a Brownian path, whose times float32 must tell apart
CHUNK_JUMPS = 100  # expected, of one chain


class Plan(NamedTuple):
    """How the steps are divided: chunks of `chunk` steps, each with `saves` saves. Every `keep`-th save is
    kept. The last chunk may go past the end; states beyond it are dropped."""

    chunk: int
    saves: int
    keep: int

    @property
    def stride(self) -> int:
        """Steps between states that are kept."""
        return self.chunk // self.saves * self.keep


def make_plan(config: SimulationConfig) -> Plan:
    """Chunks and saves within the bounds of memory. Raises `InputError` where no plan fits."""
    item = jnp.zeros(()).itemsize
    row = config.chains * ((2 * config.dim + 2) * item + 4)
    rows = SAVED_BYTES // row
    if rows < 4:
        raise InputError(
            f"--chains {config.chains} with dimension {config.dim} makes {row / 1e6:.0f} MB a saved "
            f"state of {SAVED_BYTES / 1e6:.0f} MB in all; lower --chains or --dim."
        )
    cells = noise_cells(solver_by_name(config.solver))
    longest = min(
        NOISE_BYTES // (config.chains * config.dim * item * cells),
        CHUNK_CELLS // cells,
        max(50, config.steps // 100),
        config.steps,
    )
    if config.jumps:
        longest = min(longest, int(CHUNK_JUMPS / (config.jump_rate * config.dt)))
    longest = max(longest, 1)
    stride = math.ceil(config.steps / (rows - 1))
    if stride > longest:
        keep = math.ceil(stride / longest)
        return Plan(math.ceil(stride / keep), 1, keep)
    saves = longest // stride
    return Plan(saves * stride, saves, 1)
