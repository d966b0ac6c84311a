"""A scalar equation in a thousand steps of Euler–Maruyama, forward and with gradients, in several ways: the
problem of diffrax's issue 517."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from gyrax.bench.setup import Note
from gyrax.bench.timing import time_together
from gyrax.dynamics import PresampledPath, simulate

STEPS, END = 1000, 0.1
DT = END / STEPS
REPEATS = 50
"""Calls that are timed as one: a single one takes microseconds."""

Solve = Callable[[Array, Array, Any], Array]
"""The end of dX = aX dt + ½X dW from `(x0, a, noise)`."""


def bench_fixed_steps(rounds: int, note: Note) -> dict[str, Any]:
    """Milliseconds of each way, and ours over the others'. The noise of `ours` and `scan` is handed in, drawn
    before; the rest draw it themselves."""
    key = jr.key(0)
    given = jr.normal(key, (STEPS,)) * DT**0.5
    ways: dict[str, tuple[Solve, Any]] = {
        "ours": (_ours, given),
        "scan": (_scan, given),
        "ours_drawing": (lambda x, a, key: _ours(x, a, _drawn(key)), key),
        "scan_drawing": (lambda x, a, key: _scan(x, a, _drawn(key)), key),
        "scan_with_keys": (_scan_with_keys, key),
        "unsafe_path": (_unsafe_path, key),
        "tree": (_tree, key),
    }
    report: dict[str, Any] = {
        "what": f"{STEPS} steps of Euler–Maruyama for one number",
        "noise": "of ours and scan handed in; the others draw it",
    }
    for kind in ("forward", "gradient"):
        note(f"timing fixed steps, {kind}")
        programs = {
            name: _repeated(solve if kind == "forward" else _with_gradient(solve), noise)
            for name, (solve, noise) in ways.items()
            if kind == "forward" or name != "unsafe_path"  # which has no gradients
        }
        times = {k: t.over(REPEATS) for k, t in time_together(programs, rounds).items()}
        report[kind] = {f"ms_{name}": time.ms for name, time in times.items()} | {
            f"ratio_to_{other}": times["ours" if other == "scan" else "ours_drawing"].ratio_to(time)
            for other, time in times.items()
            if not other.startswith("ours")
        }
    return report


def _with_gradient(solve: Solve) -> Callable[[Array, Array, Any], Any]:
    return jax.value_and_grad(solve, argnums=(0, 1))


def _repeated(solve: Callable[[Array, Array, Any], Any], noise: Any) -> Callable[[], Any]:
    program, x0, a = jax.jit(solve), jnp.asarray(1.0), jnp.asarray(0.7)
    return lambda: [program(x0, a, noise) for _ in range(REPEATS)]


def _drawn(key: Array) -> Array:
    return jr.normal(key, (STEPS,)) * DT**0.5


def _terms(path: Any) -> diffrax.MultiTerm:
    return diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, x, a: a * x),
        diffrax.ControlTerm(lambda t, x, a: 0.5 * x, path),
    )


def _ours(x0: Array, a: Array, increments: Array) -> Array:
    path = PresampledPath.from_increments(0.0, END, increments)
    return simulate(_terms(path), diffrax.Euler(), 0.0, END, DT, x0, a).ys[0]


def _scan(x0: Array, a: Array, increments: Array) -> Array:
    step = lambda x, dw: (x + a * x * DT + 0.5 * x * dw, None)
    return jax.lax.scan(step, x0, increments)[0]


def _scan_with_keys(x0: Array, a: Array, key: Array) -> Array:
    def step(carry: tuple, _: None) -> tuple:
        x, key = carry
        key, own = jr.split(key)
        return (x + a * x * DT + 0.5 * x * DT**0.5 * jr.normal(own), key), None

    return jax.lax.scan(step, (x0, key), None, length=STEPS)[0][0]


def _diffeqsolve(path: Any, x0: Array, a: Array, **options: Any) -> Array:
    solution = diffrax.diffeqsolve(
        _terms(path), diffrax.Euler(), 0.0, END, DT, x0, a, max_steps=STEPS + 1, **options
    )
    assert solution.ys is not None
    return solution.ys[0]


def _tree(x0: Array, a: Array, key: Array) -> Array:
    return _diffeqsolve(diffrax.VirtualBrownianTree(0.0, END, DT / 2, (), key), x0, a)


def _unsafe_path(x0: Array, a: Array, key: Array) -> Array:
    path = diffrax.UnsafeBrownianPath((), key)
    return _diffeqsolve(
        path, x0, a, adjoint=diffrax.DirectAdjoint()
    )  # the default does not take it
