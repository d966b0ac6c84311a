"""The forward rollout of a batch of windows, timed beside the yardsticks'."""

from functools import partial
from typing import Any

from gyrax.bench.programs import compile_program
from gyrax.bench.setup import Bench, Note, rollout_arguments
from gyrax.bench.timing import compare, time_together
from gyrax.bench.yardsticks import WORLD_MODELS
from gyrax.runtime.device import compiled


def bench_rollout(bench: Bench, rounds: int, note: Note) -> dict[str, Any]:
    """The forward rollout of a batch of windows, by ours and all yardsticks."""
    programs = {}
    note("compiling rollouts")
    make, *args = rollout_arguments(bench, "ours")
    program = compile_program(make, *args)
    programs["ours"] = partial(program.call, *args)
    for kind in WORLD_MODELS:
        make, *args = rollout_arguments(bench, kind)
        programs[kind] = partial(compiled(make(), *args), *args)
    note("timing rollouts")
    times = time_together(programs, 3 * rounds)
    report = program.report() | times["ours"].report()
    compare(report, times, "ours")
    return report
