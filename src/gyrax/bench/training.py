"""Training steps and rollouts of one configuration, ours and the yardsticks', as programs to time."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from rich.console import Console

from gyrax.bench import yardsticks
from gyrax.bench.measure import (
    Operations,
    Timing,
    compile_program,
    count_operations,
    time_together,
)
from gyrax.data.frames import load_frames
from gyrax.data.lerobot.folder import DEFAULT_FOLDER
from gyrax.model.system import System
from gyrax.runtime.device import compiled
from gyrax.training.build import build_system
from gyrax.training.loop import Trainer
from gyrax.training.phases import Data, Phase, make_phases
from gyrax.training.settings import TrainConfig
from gyrax.training.step import batches_of, encode_all, exact_norms

Note = Callable[[str], None]


class Bench(NamedTuple):
    """What all programs of one configuration share: the default data set, and an untrained system."""

    config: TrainConfig
    trainer: Trainer
    system: System

    def system_of(self, kind: str) -> System:
        """The system itself for `ours`, else with its world model replaced by a yardstick."""
        if kind == "ours":
            return self.system
        yardstick = yardsticks.like(self.system.world_model, kind)
        return eqx.tree_at(lambda s: s.world_model, self.system, yardstick)

    def phase(self, number: int) -> Phase:
        """A phase of the configuration."""
        return make_phases(self.config)[number]


def make_bench(config: TrainConfig, console: Console) -> Bench:
    """Load the default data and build a system."""
    trainer = Trainer(config, load_frames(DEFAULT_FOLDER), Path(tempfile.gettempdir()), console)
    return Bench(config, trainer, build_system(config, trainer.x.shape[1], key=jr.key(config.seed)))


def epoch_arguments(bench: Bench, number: int, kind: str, batches: int | None) -> tuple:
    """`(make, data, state, trainable)`: `make()` is the jitted epoch of so many batches (all of them
    if None), to be called with `data` and `state`."""
    samples = None if batches is None else batches * bench.config.batch_size
    phase, system = bench.phase(number), bench.system_of(kind)
    prepared = bench.trainer.prepare(phase, system, samples)
    make = lambda: bench.trainer.prepare(phase, system, samples).epoch
    return make, prepared.data, prepared.state, prepared.trainable


def rollout_arguments(bench: Bench, kind: str) -> tuple:
    """`(make, *arguments)` of one rollout of a batch of windows, with the noise of the preset."""
    config, trainer = bench.config, bench.trainer
    index = trainer.windows["train"].index[: config.batch_size]
    z, w, _ = encode_all(bench.system, jnp.asarray(trainer.x))
    known = index[:, : config.wm_context]
    acts = trainer.actions[index[:, config.wm_context - 1 : -1]]
    keys = jr.split(jr.key(1), len(index)) if config.wm_T_c else None
    make = lambda: eqx.filter_jit(lambda system, *args: system.rollout(*args))
    return make, bench.system_of(kind), z[known], w[known[:, -1]], acts, keys


BATCHES = 4  # of a timed epoch


def bench_training(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """One training step of every phase, beside the naive form's and the plain scan's in phase 2."""
    reports, programs, ours = {}, {}, {}
    for number in (1, 2, 3):
        note(f"compiling phase {number}")
        make, data, state, _ = epoch_arguments(bench, number, "ours", BATCHES)
        program = compile_program(make, data, state, phase=number)
        reports[f"phase{number}"] = program.report()
        ours[number] = partial(program.call, data)
        programs[f"phase{number}"] = _stepper(ours[number], [state])
    for kind in ("naive", "scan"):
        note(f"compiling phase 2, {kind}")
        make, data, state, _ = epoch_arguments(bench, 2, kind, BATCHES)
        programs[kind] = _stepper(partial(compiled(make(), data, state, phase=2), data), [state])
    note("timing training steps")
    times = {name: t.over(BATCHES) for name, t in time_together(programs, rounds).items()}
    for name, report in reports.items():
        report |= times[name].report()
    compare(reports["phase2"], times, "phase2")
    note("timing a whole epoch")
    reports["phase2"]["epoch_overhead"] = _epoch_overhead(bench, ours[2], rounds)
    return reports


def compare(report: dict[str, Any], times: dict[str, Timing], ours: str) -> None:
    """Add the yardsticks' times and the ratios: to naive, how many times faster ours is; to the others,
    our time over theirs."""
    mine = times[ours]
    for kind in ("naive", "scan", "diffeqsolve"):
        if kind in times:
            other = times[kind]
            report[f"ms_{kind}"] = other.ms
            report[f"ratio_to_{kind}"] = (
                other.ratio_to(mine) if kind == "naive" else mine.ratio_to(other)
            )


def bench_rollout(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """The forward rollout of a batch of windows, by ours and all yardsticks."""
    programs = {}
    note("compiling rollouts")
    make, *args = rollout_arguments(bench, "ours")
    program = compile_program(make, *args)
    programs["ours"] = partial(program.call, *args)
    for kind in ("naive", "scan", "diffeqsolve"):
        make, *args = rollout_arguments(bench, kind)
        programs[kind] = partial(compiled(make(), *args), *args)
    note("timing rollouts")
    times = time_together(programs, 3 * rounds)
    report = program.report() | times["ours"].report()
    compare(report, times, "ours")
    return report


def bench_data(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """How fast windows reach the step: the gather of a batch's latents and actions, on the device."""
    note("timing windows")
    _, data, _, _ = epoch_arguments(bench, 2, "ours", BATCHES)
    size = bench.config.batch_size

    @eqx.filter_jit
    def gather(data: Data, rows: Any) -> Any:
        index = data.index[rows]
        return jax.tree.map(lambda x: x[index], (data.latents, data.actions)), data.mask[rows]

    rows = jr.permutation(jr.key(0), len(data.index))[:size]
    timing = time_together({"gather": lambda: gather(data, rows)}, 10 * rounds)["gather"]
    return timing.report() | {"windows_per_second": 1e3 * size / timing.ms}


def count_step(bench: Bench, note: Note) -> dict[str, Operations]:
    """XLA's counts of a phase-1 step, a phase-2 step and a rollout.

    XLA counts the body of a loop once, so rollouts of one and of two frames are compiled without a
    loop, and the counts continued in a straight line to the horizon.
    """
    note("counting operations")
    counts = {"phase1": _count(bench, lambda b: epoch_arguments(b, 1, "ours", 1)[:3])}
    for name, arguments in (
        ("phase2", lambda b: epoch_arguments(b, 2, "ours", 1)[:3]),
        ("rollout", lambda b: rollout_arguments(b, "ours")),
    ):
        one, two = (_count(with_horizon(bench, h), arguments) for h in (1, 2))
        more = bench.config.horizon - 1
        counts[name] = Operations(*(a + more * (b - a) for a, b in zip(one, two, strict=True)))
    return counts


def with_horizon(bench: Bench, horizon: int) -> Bench:
    """The same bench with windows of another horizon."""
    config = replace(bench.config, sequence_length=horizon + 1)
    return make_bench(config, bench.trainer.console)


def _count(bench: Bench, arguments: Callable[[Bench], tuple]) -> Operations:
    make, *args = arguments(bench)
    with mock.patch.object(jax.lax, "scan", partial(jax.lax.scan, unroll=True)):
        jax.clear_caches()
        return count_operations(make, *args)


def _stepper(epoch: Callable[[Any], tuple], held: list) -> Callable[[], Any]:
    """A call that runs one epoch from the state in `held`, and leaves the new one there."""

    def run() -> Any:
        held[0], metrics = epoch(held[0])
        return metrics

    return run


def _epoch_overhead(bench: Bench, steps: Callable[[Any], tuple], rounds: int) -> float:
    """What a whole epoch of phase 2 takes beyond its steps, as a share of them: dispatch, the order of
    the batches, the exact spectral norms, and reading the losses. `steps` runs `BATCHES` of them from a
    state, as often as make an epoch. Both are timed in turn on one state, which decides how a momentum
    is rotated: fields grow strong as they train."""
    make, data, state, trainable = epoch_arguments(bench, 2, "ours", None)
    epoch = compiled(make(), data, state, phase=2)
    batches, _ = batches_of(len(data.index), bench.config.batch_size)
    often = max(1, batches // BATCHES)
    held = [state]

    def whole() -> Any:
        state, metrics = epoch(data, held[0])
        held[0] = exact_norms(state, trainable)
        return {name: float(value) for name, value in metrics.items()}

    few = _stepper(steps, held)
    several = lambda: [few() for _ in range(often)]
    times = time_together({"epoch": whole, "steps": several}, rounds)
    return times["epoch"].ratio_to(times["steps"]) * often * BATCHES / batches - 1.0
