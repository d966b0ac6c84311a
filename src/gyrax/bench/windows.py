"""How fast windows reach a training step."""

from typing import Any

import equinox as eqx
import jax.random as jr

from gyrax.bench.setup import Bench, Note, epoch_arguments
from gyrax.bench.timing import time_together
from gyrax.model.window import Window, gather_windows
from gyrax.training.phases import Data


def bench_windows(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """How fast windows reach the step: the gather of a batch's latents and actions, on the device."""
    note("timing windows")
    data = epoch_arguments(bench, 2, "ours", 1)[1].blocks.first()
    size = bench.settings.training.batch_size

    @eqx.filter_jit
    def gather(data: Data, rows: Any) -> Window:
        assert data.latents is not None
        return gather_windows(*data.latents, data.actions, data.index[rows], data.mask[rows])

    rows = jr.permutation(jr.key(0), len(data.index))[:size]
    timing = time_together({"gather": lambda: gather(data, rows)}, 10 * rounds)["gather"]
    return timing.report() | {"windows_per_second": 1e3 * size / timing.ms}
