"""The simulation of chains, timed beside the yardsticks'."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr

from gyrax.bench.programs import compile_program
from gyrax.bench.setup import Note
from gyrax.bench.simulation_yardsticks import simulate_by_align, simulate_by_scan
from gyrax.bench.timing import time_together
from gyrax.dynamics import PhaseState
from gyrax.simulation.chains import make_advance, start_chains
from gyrax.simulation.plan import make_plan
from gyrax.simulation.setup import SimulationConfig, resolve


def bench_simulation(rounds: int, note: Note) -> dict[str, Any]:
    """Steps of all chains a second: ours, a plain scan with a key a step, and ALIGN in flat space."""
    config, phi = resolve(SimulationConfig(dim=5, chains=256, steps=20_000))
    plan = make_plan(config)
    start, noise = jr.split(jr.key(0))
    y, _ = start_chains(config, phi, key=start)
    keys, counts = jr.split(noise, config.chains), jnp.zeros((config.chains,), int)
    note("compiling simulate")
    ours = compile_program(lambda: make_advance(config, phi, plan), y, counts, noise)
    by_scan = simulate_by_scan(config, phi, plan.chunk, plan.saves)
    flat = PhaseState(jnp.zeros_like(y.z), jnp.zeros_like(y.p))
    by_align = simulate_by_align(config, plan.chunk)
    note("timing simulate")
    times = time_together(
        {
            "ours": lambda: ours.call(y, counts, noise),
            "scan": lambda: by_scan(y, keys),
            "align": lambda: by_align(flat, keys),
        },
        rounds,
    )
    steps = config.chains * plan.chunk
    return {
        "what": f"{plan.chunk} steps of {config.chains} chains, D = {config.dim}",
        **ours.report(),
        **times["ours"].report(),
        "ms_scan": times["scan"].ms,
        "ms_align": times["align"].ms,
        "ratio_to_scan": times["ours"].ratio_to(times["scan"]),
        "ratio_to_align": times["ours"].ratio_to(times["align"]),
        "steps_per_second": 1e3 * steps / times["ours"].ms,
        "steps_per_second_align": 1e3 * steps / times["align"].ms,
    }
