"""The bench: its yardsticks compute what ours computes, and its measures measure."""

import subprocess
import sys
import time

import cli
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from typer.testing import CliRunner

from gyrax.atlas.centers import spread_centers
from gyrax.bench import fixed_steps, yardsticks
from gyrax.bench.growth import AXES, Sizes, dominant_term, predicted_operations
from gyrax.bench.growth_figure import draw_growth
from gyrax.bench.programs import count_operations
from gyrax.bench.table import bench_tables
from gyrax.bench.timing import Timing, time_together
from gyrax.training.build import build_world_model
from gyrax.training.presets import make_settings

SMALL = dict(latent_dim=4, num_charts=3, wm_d_model=8, hidden_dim=16, wm_dt=0.3, wm_token_init=0.7,
             wm_servo=8, wm_memory=5)  # fmt: skip


@pytest.fixture(scope="module")
def rollouts():
    """Noisy rollouts with jumps, in float64, by ours and by every yardstick."""
    with jax.enable_x64(True):
        config = make_settings("document", dict(SMALL))
        model = build_world_model(config, spread_centers(3, 4, c=1.0, key=jr.key(0)), key=jr.key(1))
        z = 0.2 * jr.normal(jr.key(2), (5, 4))
        actions, w = jr.normal(jr.key(3), (5, 4, 6)), jnp.full((5, 3), 1 / 3)
        keys = jr.split(jr.key(4), 5)
        models = {"ours": model} | {
            kind: yardsticks.like(model, kind) for kind in yardsticks.WORLD_MODELS
        }
        return {
            name: jax.jit(
                jax.vmap(lambda z, a, w, k, m=model: m.rollout(z, a, w, key=k))
            )(z, actions, w, keys)
            for name, model in models.items()
        }  # fmt: skip


@pytest.mark.parametrize("kind", yardsticks.WORLD_MODELS)
def test_yardsticks_roll_out_what_ours_does(rollouts, kind):
    ours = rollouts["ours"]
    assert ours.jump_mask.any() and not ours.jump_mask.all()
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(rollouts[kind]), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-8, atol=1e-10)


def test_operations_of_a_matrix_product_are_counted():
    a = jnp.ones((64, 32))
    count = count_operations(lambda: jax.jit(lambda x, y: x @ y), a, a.T)
    assert count.flops == pytest.approx(2 * 64 * 64 * 32, rel=0.01)


def test_every_step_of_a_loop_is_counted():
    a = jnp.ones((64, 64))
    powers = lambda x: jax.lax.scan(lambda y, _: (y @ x, None), x, length=5)[0]
    count = count_operations(lambda: jax.jit(powers), a)
    assert count.flops == pytest.approx(5 * 2 * 64**3, rel=0.01)


def test_programs_are_timed_in_turn_after_a_warm_up(monkeypatch):
    """On a clock that each program moves by its own time, and twice as far when it first runs."""
    now, calls = [0.0], []

    def program(name, seconds):
        def run():
            now[0] += seconds if name in calls else 2 * seconds
            calls.append(name)

        return run

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    times = time_together({"a": program("a", 0.01), "b": program("b", 0.02)}, 5)
    assert calls == ["a", "b"] * 6
    assert times["a"].each == pytest.approx([10.0] * 5) and times["b"].ms == pytest.approx(20.0)
    assert times["b"].ratio_to(times["a"]) == pytest.approx(2.0)
    assert times["a"].report() == pytest.approx({"ms": 10.0, "ms_low": 10.0, "ms_high": 10.0})


def test_a_slow_stretch_falls_on_both_sides_of_a_ratio():
    """Ours takes half of theirs in all rounds but one, the machine a third of its speed in half of them."""
    ours, theirs = Timing((1.0, 1.0, 3.0, 3.0, 3.0)), Timing((2.0, 2.0, 6.0, 6.0, 2.0))
    assert ours.ms / theirs.ms == 1.5
    assert ours.ratio_to(theirs) == 0.5 and theirs.ratio_to(ours) == 2.0


def test_terms_of_the_cost_grow_as_the_mathematics_says():
    def slope(axis, term, low, high):
        cost = [predicted_operations(Sizes()._replace(**{axis: v}))[term] for v in (low, high)]
        return np.log(cost[1] / cost[0]) / np.log(high / low)

    assert slope("batch", "scores: heads x slots x features", 64, 128) == pytest.approx(1)
    assert slope("dimension", "scores: heads x slots x features", 64, 128) == pytest.approx(2, 0.05)
    assert slope("dimension", "rotation: D³ solve", 64, 128) == pytest.approx(3)
    assert slope("charts", "jump rotations: K² D³", 64, 128) == pytest.approx(2)


def test_growth_is_drawn_and_tabulated(tmp_path):
    rows = [
        {"ms": 2.0 * v, "value": v, "terms": predicted_operations(Sizes(batch=v))}
        for v in (64, 128)
    ]
    growth = {"rows": rows} | dominant_term(rows)
    assert growth["slope"] == pytest.approx(1) and "of the operations" in growth["text"]
    axes = dict.fromkeys(AXES, growth)
    assert draw_growth(axes, tmp_path / "growth.png").stat().st_size > 20_000
    machine = {"device": "cpu", "cores": 2, "gflops": 1.0, "gbytes": 1.0}
    report = {"preset": "document", "settings": {}, "machine": machine, "growth": {"axes": axes}}
    (table,) = bench_tables(report)
    assert table.row_count == len(AXES)


def test_the_timed_command_is_there():
    command = [sys.executable, "-m", "gyrax", "train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "phase1" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--what", "speed"], "--what is 'speed'"),
        (["--rounds", "0"], "--rounds is 0"),
        (["--what", "train", "--out", "x"], "--out is for the figure"),
        (["--preset", "fast"], "--preset is 'fast'"),
    ],
)
def test_bad_flags_are_one_line(flags, words):
    result = CliRunner().invoke(cli.app, ["bench", *flags])
    assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output


def test_the_ways_of_fixed_steps_solve_one_equation(monkeypatch, x64):
    """Those whose noise is handed in to the bit of rounding; the others in the mean of their law."""
    monkeypatch.setattr(fixed_steps, "REPEATS", 1)
    noise = jr.normal(jr.key(0), (fixed_steps.STEPS,)) * fixed_steps.DT**0.5
    x0, a = jnp.asarray(1.0), jnp.asarray(0.7)
    for solve in (lambda f: f, fixed_steps._with_gradient):
        one, other = (solve(f)(x0, a, noise) for f in (fixed_steps._ours, fixed_steps._scan))
        assert np.allclose(jax.tree.leaves(one), jax.tree.leaves(other), rtol=1e-10)
    keys = jr.split(jr.key(1), 400)
    for solve in (fixed_steps._scan_with_keys, fixed_steps._unsafe_path):
        ends = jax.jit(jax.vmap(lambda key, solve=solve: solve(x0, a, key)))(keys)
        assert ends.mean() == pytest.approx(np.exp(0.07), abs=4 * float(ends.std()) / 20)
    report = fixed_steps.bench_fixed_steps(1, lambda _: None)
    assert set(report["forward"]) - set(report["gradient"]) == {
        "ms_unsafe_path", "ratio_to_unsafe_path"
    }  # fmt: skip
    assert all(value > 0 for value in report["gradient"].values())
    machine = dict(device="cpu", cores=2, gflops=1.0, gbytes=1.0)
    report = dict(machine=machine, preset="document", settings={}, fixed_steps=report)
    (facts,) = bench_tables(report)
    assert facts.row_count == 2 + 5 + 4
