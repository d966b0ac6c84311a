"""`python cli.py simulate`: the law it samples, what it leaves behind, and every mistake's one line."""

import inspect
import json
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from commandline import call, refused
from gyrax.commands.simulate import simulate
from gyrax.data.normaliser import Normaliser
from gyrax.runtime.checksums import write_sums
from gyrax.simulation import plan as plans
from gyrax.simulation.chains import run_chains
from gyrax.simulation.law import exact_law
from gyrax.simulation.plan import make_plan
from gyrax.simulation.potentials import POTENTIALS
from gyrax.simulation.setup import SimulationConfig, resolve
from gyrax.training.build import build_system
from gyrax.training.checkpoint import Meta, checkpoints_in, open_checkpoint
from gyrax.training.presets import make_settings
from gyrax.training.saver import Saver
from gyrax.training.state import TrainState
from gyrax.training.support import Support
from tiny import TINY

SMALL = ["--steps", 20, "--chains", 3]


def simulated(out, *flags):
    """The arrays and parameters that a command leaves in `out`, and what it printed."""
    result = call("simulate", "--out", out, *flags)
    assert result.exit_code == 0, (result.output, result.exception)
    assert (out / "simulation.png").stat().st_size > 50_000
    assert sorted(p.name for p in out.iterdir()) == ["simulation.npz", "simulation.png"]
    with np.load(out / "simulation.npz") as file:
        arrays = dict(file)
    return arrays, json.loads(str(arrays.pop("parameters"))), result.output


def squares(arrays, c=1.0):
    """d(0, z)², by the textbook formula."""
    radius = np.linalg.norm(arrays["positions"].astype(float), axis=-1)
    return (2 / c**0.5 * np.arctanh(c**0.5 * radius)) ** 2


def settled(values):
    """Mean over the second half, and its standard error from the chains' own means."""
    means = values[:, values.shape[1] // 2 :].mean(1)
    return means.mean(), means.std(ddof=1) / len(means) ** 0.5


@pytest.fixture(scope="module")
def harmonic(tmp_path_factory):
    flags = ["--chains", 128, "--steps", 1200, "--seed", 4]
    return simulated(tmp_path_factory.mktemp("simulated"), *flags)


def test_the_harmonic_law(harmonic):
    arrays, _, printed = harmonic
    mean, error = settled(squares(arrays))
    assert error < 0.02 and abs(mean - 0.6612) < 5 * error
    assert "0.6612" in printed and f"{mean:.4f}" in printed
    momenta, scale = arrays["momenta"], 2 / (1 - np.sum(arrays["positions"] ** 2, -1))
    mean, error = settled(np.sum(momenta**2, -1) / scale**2 / 2)
    assert error < 0.01 and abs(mean - 0.3) < 5 * error


def test_what_is_saved(harmonic):
    arrays, parameters, printed = harmonic
    assert {k: v.shape for k, v in arrays.items()} == {
        "times": (1201,),
        "positions": (128, 1201, 2),
        "momenta": (128, 1201, 2),
        "potential": (128, 1201),
        "energies": (128, 1201),
        "jump_counts": (128, 1201),
    }
    config = SimulationConfig(chains=128, steps=1200, seed=4)
    assert SimulationConfig(**parameters) == config
    np.testing.assert_allclose(arrays["times"], 0.05 * np.arange(1201))
    np.testing.assert_allclose(arrays["potential"], squares(arrays) / 2, rtol=1e-4, atol=1e-6)
    scale = 2 / (1 - np.sum(arrays["positions"] ** 2, -1))
    kinetic = np.sum(arrays["momenta"] ** 2, -1) / scale**2 / 2
    np.testing.assert_allclose(arrays["energies"] - arrays["potential"], kinetic, atol=1e-5)
    assert not arrays["jump_counts"].any()
    for what in ("figure:", "states:", "chain steps/s"):
        assert what in printed


def test_same_seed_same_numbers(harmonic, tmp_path):
    again, _, _ = simulated(tmp_path, "--chains", 128, "--steps", 1200, "--seed", 4)
    np.testing.assert_array_equal(again["positions"], harmonic[0]["positions"])


def test_chunks_do_not_share_noise(harmonic):
    """Were the key of a chunk not its own, its kicks would be those of the chunk before."""
    p = harmonic[0]["momenta"][..., 0]
    chunk = make_plan(SimulationConfig(chains=128, steps=1200)).chunk
    kicks = np.diff(p, axis=1)[:, : 4 * chunk].reshape(128, 4, chunk)
    assert abs(np.corrcoef(kicks[:, 1].ravel(), kicks[:, 2].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize(("potential", "field"), [("harmonic", 1.0), ("double_well", 0.0)])
def test_energy_is_kept_without_friction(tmp_path, potential, field):
    arrays, _, printed = simulated(
        tmp_path, "--potential", potential, "--field", field, "--friction", 0, "--temperature", 0,
        "--solver", "bab", "--dt", 0.02, "--steps", 500, "--chains", 8, "--jumps", "--dim", 3,
    )  # fmt: skip
    energies, moved = arrays["energies"], np.ptp(arrays["potential"], axis=1)
    assert moved.min() > 0.02
    drift = np.abs(energies - energies[:, :1]).max()
    assert drift < 3e-3 and "max |H - H(0)|" in printed
    assert "no thermostat" in printed


def test_the_field_turns(tmp_path):
    """The harmonic potential alone keeps a chain from rest on its radius; the field does not."""
    still = ["--friction", 0, "--temperature", 0, "--steps", 60, "--chains", 4]
    for field, bent in ((0.0, False), (1.0, True)):
        z = simulated(tmp_path / str(field), *still, "--field", field)[0]["positions"]
        across = np.abs(z[..., 0] * z[:, :1, 1] - z[..., 1] * z[:, :1, 0]).max(1)
        assert np.all(across > 1e-2 if bent else across < 1e-5)


def test_jumps_are_counted_and_keep_the_law(tmp_path):
    """The double well, in which chains hardly change sides but by jumps, in D = 3 with c = 0.5."""
    arrays, _, printed = simulated(
        tmp_path, "--potential", "double-well", "--jumps", "--jump-rate", 0.5, "--dim", 3,
        "--curvature", 0.5, "--chains", 64, "--steps", 400, "--dt", 0.1,
    )  # fmt: skip
    counts = arrays["jump_counts"]
    expected = 0.5 * 40 * 64
    assert abs(counts[:, -1].sum() - expected) < 5 * expected**0.5
    assert (np.diff(counts, axis=1) >= 0).all() and str(counts[:, -1].sum()) in printed
    jumped = np.diff(counts, axis=1) == 1
    z = arrays["positions"]
    turned = np.einsum("nsd,nsd->ns", z[:, 1:], z[:, :-1])[jumped] < 0
    assert turned.mean() > 0.9
    law = exact_law(SimulationConfig(potential="double-well", dim=3, curvature=0.5))
    assert not isinstance(law, str)
    mean, error = settled(squares(arrays, 0.5))
    assert error < 0.05 and abs(mean - law.second_moment) < 5 * error


@pytest.mark.parametrize(("dim", "c"), [(2, 1.0), (5, 0.5)])
def test_the_exact_law_is_the_radial_integral(dim, c):
    law = exact_law(SimulationConfig(dim=dim, curvature=c))
    assert not isinstance(law, str)
    weight = lambda r: np.exp(-r * r / 0.6) * np.sinh(c**0.5 * r) ** (dim - 1)
    moment = lambda f: integrate.quad(lambda r: f(r) * weight(r), 0, 14, limit=200)[0]
    assert law.second_moment == pytest.approx(
        moment(lambda r: r * r) / moment(lambda r: 1), rel=1e-5
    )
    assert law.energy == pytest.approx(law.second_moment / 2 + dim * 0.15)
    middle = len(law.r) // 2
    assert law.density[middle] == pytest.approx(
        weight(law.r[middle]) / moment(lambda r: 1), rel=1e-5
    )


def test_the_law_of_the_double_well_by_a_grid_in_the_disk():
    law = exact_law(SimulationConfig(potential="double-well"))
    assert not isinstance(law, str)
    x = np.linspace(-0.995, 0.995, 1200)
    z = np.stack(np.meshgrid(x, x), -1)
    gap = np.maximum(1 - np.sum(z**2, -1), 0)
    with jax.enable_x64(True):
        phi = jax.vmap(jax.vmap(POTENTIALS["double-well"].phi, (0, None)), (0, None))
        mass = np.exp(-np.asarray(phi(jnp.asarray(z), 1.0)) / 0.3)
    mass = np.where(gap > 1e-3, mass * (2 / np.where(gap > 1e-3, gap, 1)) ** 2, 0)
    r = 2 * np.arctanh(np.sqrt(np.where(gap > 1e-3, 1 - gap, 0)))
    assert law.second_moment == pytest.approx(np.sum(mass * r**2) / np.sum(mass), rel=1e-3)


def test_double_well_is_the_documented_quartic():
    for c in (1.0, 0.5):
        for x in (0.0, 0.7, 1.5, 2.5):
            z = jnp.zeros(3).at[0].set(np.tanh(c**0.5 * x / 2) / c**0.5)
            value = POTENTIALS["double-well"].phi(z, c)
            assert value == pytest.approx((x**2 / 1.5**2 - 1) ** 2, abs=1e-4)


def test_where_there_is_no_law(tmp_path):
    printed = simulated(tmp_path, "--potential", "drive", "--steps", 600, "--chains", 3)[2]
    assert "no finite integral" in printed and "3 of 3 chains ended at the edge" in printed
    far = exact_law(SimulationConfig(dim=30, temperature=1.0))
    assert isinstance(far, str) and "past d = 14.6" in far


def test_memory_is_bounded(monkeypatch):
    """Many steps or many chains: the states kept stay below the bound and the run is whole."""
    for steps, chains in ((10**6, 64), (10**6, 20_000), (7, 20_000), (1, 1), (999_983, 1)):
        config = SimulationConfig(steps=steps, chains=chains, jumps=chains == 64)
        plan = make_plan(config)
        rows = steps // plan.stride + 1
        assert rows >= 2 and rows * chains * 28 <= 45e6
        assert plan.chunk % plan.saves == 0 and (plan.keep == 1 or plan.saves == 1)
        assert plan.chunk * chains * 2 * 4 <= plans.NOISE_BYTES or plan.chunk == 1
    monkeypatch.setattr(plans, "SAVED_BYTES", 8 * 28 * 3)
    monkeypatch.setattr(plans, "NOISE_BYTES", 8 * 3 * 4)
    config, phi = resolve(SimulationConfig(steps=47, chains=3))
    plan = make_plan(config)
    assert plan.keep > 1
    ensemble = run_chains(config, phi, plan)
    rows = 47 // plan.stride + 1
    assert ensemble.positions.shape == (3, rows, 2) and rows <= 8
    monkeypatch.undo()
    whole = run_chains(replace(config, temperature=0.0), phi, make_plan(config))
    thin = run_chains(replace(config, temperature=0.0), phi, plan)
    np.testing.assert_allclose(thin.times, whole.times[:: plan.stride][:rows], rtol=1e-6)
    # At T = 0 nothing is random but the start, so that thinning changes nothing.
    np.testing.assert_allclose(
        thin.positions, whole.positions[:, :: plan.stride][:, :rows], atol=1e-5
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Checkpoints of phases 1 and 2, as training writes them, of a world model as it is initialised."""
    settings = make_settings("document", TINY)
    system, zero = build_system(settings, 8, key=jax.random.key(1)), jnp.zeros((), jnp.int32)
    normaliser = Normaliser(*(np.full(n, x, np.float32) for n in (8, 6) for x in (0.0, 1.0)))
    shapes = (12,), (12,), (1, 12), (1, 12, 12), (1,), (), (1, 2, 6), (8,), (8,)
    support = Support(*(np.zeros(shape, np.float32) for shape in shapes))
    out = tmp_path_factory.mktemp("runs")
    for phase in (1, 2):
        state = TrainState(system, None, zero, zero + 2, jax.random.key(0), phase)
        names = tuple("abcdefgh"), tuple("abcdef")
        meta = Meta(settings, phase, 2, 8, "nowhere", "", (), *names, 1, 32, "")
        publish = lambda: [write_sums(each) for each in checkpoints_in(out)]
        saver = Saver(out, publish, phase, normaliser, support, meta)
        saver(state)
        saver.finish()
    return out


def test_a_trained_world_model(run, tmp_path):
    arrays, parameters, printed = simulated(
        tmp_path, "--potential", "world-model", "--checkpoint", run, *SMALL, "--friction", 0,
        "--solver", "bab", "--steps", 60,
    )  # fmt: skip
    assert arrays["positions"].shape == (3, 61, TINY["latent_dim"])
    assert parameters["dim"] == TINY["latent_dim"] and "no exact law" in printed
    model = open_checkpoint(run).system().world_model
    weights = jnp.full(TINY["num_charts"], 1 / TINY["num_charts"])
    _, phi = model.potential(jnp.asarray(arrays["positions"][0, 0]), weights)
    assert arrays["potential"][0, 0] == pytest.approx(float(phi), rel=1e-4)
    # Φ's own gradient is the force, whatever the checkpoint's --wm-force.
    assert np.abs(arrays["energies"] - arrays["energies"][:, :1]).max() < 2e-3


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--potential", "coulomb"], "--potential is 'coulomb'; give one of harmonic, drive, double"),
        (["--potential", "world-model"], "world-model needs a trained one.*--checkpoint"),
        (["--checkpoint", "x"], "--checkpoint x is not used by --potential harmonic"),
        (["--potential", "world-model", "--checkpoint", "nowhere"], "no such checkpoint"),
        (["--solver", "rk5"], "solver 'rk5' is unknown"),
        (["--solver", "ob"], "splitting word 'ob' has no A"),
        (["--solver", "bab"], "--solver bab has no O.*--friction 1.0.*baoab"),
        (["--dim", "1"], "--dim is 1; give 2 or more"),
        (["--steps", "0"], "--steps is 0; give 1 or more"),
        (["--chains", "-5"], "--chains is -5; give 1 or more"),
        (["--chains", "500000"], "--chains 500000 .* lower --chains"),
        (["--seed", "-1"], "--seed is -1; give 0 or more"),
        (["--seed", str(2**32)], "--seed is 4294967296; give one below"),
        (["--dt", "0"], "--dt is 0.0; give a value above 0"),
        (["--dt", "nan"], "--dt is nan; give a finite number"),
        (["--curvature", "-1"], "--curvature is -1.0; give 1e-06 or more"),
        (["--temperature", "-0.3"], "--temperature is -0.3; give 0 or more"),
        (["--friction", "-1"], "--friction is -1.0; give 0 or more"),
        (["--friction", "inf"], "--friction is inf; give a finite number"),
        (["--field", "nan"], "--field is nan; give a finite number"),
        (["--dt", "1e-300"], "--dt is 1e-300; give 0 or 1e-12 or more"),
        (["--dt", "1e-6"], "--dt is 1e-06; give 8e-06 or more: float32 .*JAX_ENABLE_X64"),
        (["--temperature", "1e-300"], "--temperature is 1e-300; give 0 or 1e-12"),
        (["--temperature", "1e-11"], "--temperature is 1e-11; give 0, or 6e-11 or more"),
        (["--temperature", "1e300"], r"--temperature is 1e\+300; give 1000000000000 or less"),
        (["--temperature", "1e7"], r"--temperature 1e\+07 with --dt 0.05 crosses the whole ball"),
        (["--friction", "1e-5"], "--friction 1e-05 with --dt 0.05 slows by 5e-07 in a step"),
        (["--steps", str(10**20)], "--steps is 1.*0; give 1000000000 or less"),
        (["--dim", str(10**12)], "--dim is 1000000000000; give 10000 or less"),
        (["--solver", "ba" * 20], "a splitting word has 40 letters; give at most 32"),
        (["--steps", "abc"], "'--steps'.*see .* simulate --help"),
        (["--jumps", "--jump-rate", "0"], "--jump-rate is 0.0; give a value above 0"),
        (["--jumps", "--jump-rate", "1e6"], "--jump-rate 1000000.0 .* over 10 jumps a step"),
        (["--device", "tpu"], "--device is 'tpu'"),
    ],
)  # fmt: skip
def test_bad_flags(tmp_path, flags, says):
    refused("simulate", "--out", tmp_path / "s", *flags, says=says)
    assert not (tmp_path / "s").exists()


def test_divergence_is_told(tmp_path):
    says = "the simulation diverged before t = .*: lower --dt, found 1000000000000.0"
    flags = ["--dt", 1e12, "--temperature", 0, "--friction", 0, *SMALL]
    refused("simulate", "--out", tmp_path, *flags, says=says)
    assert not (tmp_path / "simulation.npz").exists()


def test_folders_that_would_lose_something(tmp_path):
    simulated(tmp_path / "s", *SMALL)
    before = (tmp_path / "s/simulation.npz").read_bytes()
    refused(
        "simulate",
        "--out",
        tmp_path / "s",
        *SMALL,
        says="already holds simulation.npz.*--overwrite",
    )
    assert (tmp_path / "s/simulation.npz").read_bytes() == before
    simulated(tmp_path / "s", *SMALL, "--seed", 1, "--overwrite")
    assert (tmp_path / "s/simulation.npz").read_bytes() != before
    (tmp_path / "file").write_text("precious")
    refused("simulate", "--out", tmp_path / "file", *SMALL, says="is a file; give a folder")
    refused("simulate", "--out", tmp_path / "file/in", *SMALL, says="cannot be made")


def test_checkpoints_that_hold_no_world_model(run, tmp_path):
    flags = ["simulate", "--potential", "world-model", "--out", tmp_path / "s", "--checkpoint"]
    refused(*flags, run / "p1_epoch_00001", says="phase 1, before the world model is trained")
    refused(*flags, tmp_path, says="holds no checkpoint")
    shutil.copytree(run / "p2_epoch_00001", tmp_path / "p2_epoch_00001")
    (tmp_path / "p2_epoch_00001/meta/metadata").write_text("{")
    refused(*flags, tmp_path / "p2_epoch_00001", says="p2_epoch_00001: cannot be read")
    assert not (tmp_path / "s").exists()


def test_a_solver_of_diffrax(tmp_path):
    arrays, _, _ = simulated(tmp_path, "--solver", "reversible_heun", *SMALL)
    assert np.isfinite(arrays["energies"]).all()


def test_defaults_are_the_configurations():
    options = inspect.signature(simulate).parameters
    for name, value in vars(SimulationConfig()).items():
        assert options[name].default == value, name
