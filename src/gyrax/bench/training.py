"""A training step of every phase, timed beside the yardsticks', and what an epoch takes beyond its steps."""

from collections.abc import Callable
from typing import Any

from gyrax.bench.programs import compile_program
from gyrax.bench.setup import Bench, Note, epoch_arguments
from gyrax.bench.timing import compare, time_together
from gyrax.training.fit import Fit
from gyrax.training.step import batches_of

BATCHES = 4
"""Steps of a timed epoch."""


def bench_training(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """One training step of every phase, beside the naive form's and the plain scan's in phase 2."""
    reports, programs, ours = {}, {}, {}
    for number in (1, 2, 3):
        note(f"compiling phase {number}")
        make, fit, state = epoch_arguments(bench, number, "ours", BATCHES)
        program = compile_program(make, *fit.arguments(state), phase=number)
        reports[f"phase{number}"] = program.report()
        ours[number] = _pass(program.call, fit)
        programs[f"phase{number}"] = _stepper(ours[number], [state])
    for kind in ("naive", "scan"):
        note(f"compiling phase 2, {kind}")
        _, fit, state = epoch_arguments(bench, 2, kind, BATCHES)
        programs[kind] = _stepper(_pass(fit.compiled(state).run, fit), [state])
    note("timing training steps")
    times = {name: t.over(BATCHES) for name, t in time_together(programs, rounds).items()}
    for name in reports:
        reports[name] |= times[name].report()
    compare(reports["phase2"], times, "phase2")
    note("timing a whole epoch")
    reports["phase2"]["epoch_overhead"] = _epoch_overhead(bench, ours[2], rounds)
    return reports


def _pass(run: Callable[..., tuple], fit: Fit) -> Callable[[Any], tuple]:
    """A pass over the first block from a state, in one order."""
    return lambda state: run(*fit.arguments(state))


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
    fit = fit.compiled(state)
    batches, _ = batches_of(fit.blocks.samples, bench.settings.training.batch_size)
    repeats = max(1, batches // BATCHES)
    latest = [state]

    def whole_epoch() -> Any:
        _, latest[0], metrics = next(fit(latest[0]))
        return metrics

    run_steps = _stepper(steps, latest)
    only_steps = lambda: [run_steps() for _ in range(repeats)]
    times = time_together({"epoch": whole_epoch, "steps": only_steps}, rounds)
    return times["epoch"].ratio_to(times["steps"]) * repeats * BATCHES / batches - 1.0
