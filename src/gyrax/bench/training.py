"""A training step of every phase, timed beside the yardsticks', and what an epoch takes beyond its steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gyrax.bench.programs import compile_program
from gyrax.bench.setup import Bench, Note, epoch_arguments
from gyrax.bench.timing import compare, time_together
from gyrax.training.step import batches_of, exact_norms

BATCHES = 4
"""Steps of a timed epoch."""


def bench_training(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """One training step of every phase, beside the naive form's and the plain scan's in phase 2."""
    reports, programs, ours = {}, {}, {}
    for number in (1, 2, 3):
        note(f"compiling phase {number}")
        make, fit, state = epoch_arguments(bench, number, "ours", BATCHES)
        program = compile_program(make, fit.data, state, phase=number)
        reports[f"phase{number}"] = program.report()
        ours[number] = partial(program.call, fit.data)
        programs[f"phase{number}"] = _stepper(ours[number], [state])
    for kind in ("naive", "scan"):
        note(f"compiling phase 2, {kind}")
        _, fit, state = epoch_arguments(bench, 2, kind, BATCHES)
        programs[kind] = _stepper(partial(fit.compiled(state).epoch, fit.data), [state])
    note("timing training steps")
    times = {name: t.over(BATCHES) for name, t in time_together(programs, rounds).items()}
    for name in reports:
        reports[name] |= times[name].report()
    compare(reports["phase2"], times, "phase2")
    note("timing a whole epoch")
    reports["phase2"]["epoch_overhead"] = _epoch_overhead(bench, ours[2], rounds)
    return reports


def _stepper(epoch: Callable[[Any], tuple], latest: list) -> Callable[[], Any]:
    """A call that runs one epoch from the state in `latest`, and leaves the new one there."""

    def run() -> Any:
        latest[0], metrics = epoch(latest[0])
        return metrics

    return run


def _epoch_overhead(bench: Bench, steps: Callable[[Any], tuple], rounds: int) -> float:
    """What a whole epoch of phase 2 takes beyond its steps, as a share of them: dispatch, the order of
    the batches, the exact spectral norms, and reading the losses. `steps` runs `BATCHES` of them from a
    state, as often as make an epoch. Both are timed in turn on one state, which decides how a momentum
    is rotated: fields grow strong as they train."""
    _, fit, state = epoch_arguments(bench, 2, "ours", None)
    epoch = fit.compiled(state).epoch
    batches, _ = batches_of(len(fit.data.index), bench.settings.training.batch_size)
    repeats = max(1, batches // BATCHES)
    latest = [state]

    def whole_epoch() -> Any:
        state, metrics = epoch(fit.data, latest[0])
        latest[0] = exact_norms(state, fit.trainable)
        return {name: float(value) for name, value in metrics.items()}

    run_steps = _stepper(steps, latest)
    only_steps = lambda: [run_steps() for _ in range(repeats)]
    times = time_together({"epoch": whole_epoch, "steps": only_steps}, rounds)
    return times["epoch"].ratio_to(times["steps"]) * repeats * BATCHES / batches - 1.0
