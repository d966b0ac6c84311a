"""Training: freezing, resuming, and what a checkpoint holds."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from rich.console import Console

from commandline import compilations
from gyrax.data.frames import load_frames
from gyrax.nn import SpectralLinear
from gyrax.training.build import build_system
from gyrax.training.checkpoint import checkpoints_in, open_checkpoint
from gyrax.training.dataset import Dataset
from gyrax.training.phases import make_phases
from gyrax.training.presets import make_settings
from gyrax.training.trainer import Trainer
from tiny import TINY

BARE = dict(wm_servo=0, wm_memory=0, wm_use_boris=False, wm_use_jump=False)
"""Parts of the world model that some tests can do without, and compile faster."""


@pytest.fixture(scope="module")
def frames(tiny_folder):
    return load_frames(tiny_folder)


def run(frames, out, planned, resume=None, **changes):
    config = make_settings("default", TINY | changes)
    resumed = None if resume is None else open_checkpoint(resume)
    dataset = Dataset.of(frames, config, None if resumed is None else resumed.normaliser)
    return Trainer(config, dataset, out, Console(quiet=True), resumed).train(planned)


@pytest.fixture
def whole(trained):
    """A run of all three phases, with a checkpoint every epoch."""
    return trained.out


def arrays_of(tree):
    return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def same(a, b):
    pairs = zip(arrays_of(a), arrays_of(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_phases_train_only_their_own(whole):
    """Phase 2 leaves encoder, decoder and jump operator as they are, to the bit, and saves them."""
    one, two, three = (open_checkpoint(whole / f"p{n}_epoch_00001").system() for n in (1, 2, 3))
    for part in ("encoder", "decoder"):
        assert same(getattr(one, part), getattr(two, part)), part
        assert not same(getattr(two, part), getattr(three, part)), part
    assert same(one.world_model.jump_operator, two.world_model.jump_operator)
    assert not same(one.world_model.control, two.world_model.control)
    assert not same(two.world_model.control, three.world_model.control)
    config = make_settings("default", TINY)
    fresh = build_system(config, 8, key=jr.fold_in(jr.key(0), 0))
    assert same(fresh.world_model.control, one.world_model.control)
    assert not same(fresh.encoder, one.encoder)


def test_saved_layers_do_not_stretch(whole):
    """The true largest singular value of every spectral layer of a trained system is at most one."""
    system = open_checkpoint(whole).system()
    is_layer = lambda node: isinstance(node, SpectralLinear)
    layers = [n for n in jax.tree.leaves(system, is_leaf=is_layer) if is_layer(n)]
    assert len(layers) > 15
    for layer in layers:
        assert np.linalg.svd(np.asarray(layer.matrix), compute_uv=False).max() <= 1 + 1e-3


def test_frozen_buffers_never_train():
    config = make_settings("default", TINY)
    system = build_system(config, 8, key=jr.key(0))
    for phase in make_phases(config).values():
        trained = phase.trainable(system)
        assert not trained.world_model.jump_operator.base.value
        assert not trained.encoder.first.u.value
    joint = make_phases(config)[3].labels(system)
    assert joint.encoder.first.weight == "encoder"
    assert joint.world_model.control.head.weight == "world_model"
    assert joint.world_model.jump_operator.center == "encoder"


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_resuming_equals_not_stopping(whole, frames, tmp_path, phase):
    """To the bit, and not only the system: all that training goes on from."""
    with compilations() as compiled:
        trained = run(frames, tmp_path / "run", [phase], resume=whole / f"p{phase}_epoch_00000")
    assert compiled.count == 1
    straight = open_checkpoint(whole / f"p{phase}_epoch_00001")
    assert same(trained.system, straight.system())
    again = open_checkpoint(trained.path)
    # Where the data is was told by the command alone.
    assert again.meta._replace(source="", asked="") == straight.meta._replace(source="", asked="")
    assert again.arrays.keys() == straight.arrays.keys()
    for name, array in straight.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)


def test_a_temperature_is_trained_where_sampled_forecasts_are_scored(frames, tmp_path):
    """Here with a batch larger than the data, which is then one batch."""
    noisy = dict(wm_T_c=0.05, wm_learn_temperature=True, w_energy_score=1.0, **BARE)
    trained = run(frames, tmp_path / "run", [2], batch_size=10_000, **noisy)
    assert int(open_checkpoint(trained.path).arrays[".step"]) == TINY["phase2_epochs"]
    temperature = float(trained.system.world_model.temperature.value)
    assert temperature > 0 and temperature != pytest.approx(0.05, abs=1e-5)
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").open()]
    assert all(np.isfinite(record["energy_score"]) for record in records)


@pytest.mark.parametrize(("minutes", "saved"), [(10.0, [0, 2]), (1e-9, [0, 1, 2])])
def test_checkpoints_come_early_and_by_time(frames, tmp_path, minutes, saved):
    run(frames, tmp_path / "run", [1], phase1_epochs=3, save_every=100, save_every_minutes=minutes)
    names = [path.name for path in checkpoints_in(tmp_path / "run")]
    assert names == [f"p1_epoch_0000{epoch}" for epoch in saved]


def test_log_has_every_epoch(whole):
    records = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [(r["phase"], r["epoch"]) for r in records] == [
        (p, e) for p in (1, 2, 3) for e in (0, 1)
    ]
    assert all(np.isfinite(r["loss"]) for r in records)
    assert {"val_geodesic", "val_persistence", "geodesic"} <= set(records[2])
    assert records[0]["loss"] > records[1]["loss"]


def test_targets_are_detached(frames):
    """In phase 3 no gradient of the dynamics reaches the encoder through the frames to be predicted:
    with rollouts that do not depend on their start, it gets none at all."""
    config = make_settings(
        "default",
        TINY | dict(encoder_scale=0.0, wm_context=1, sequence_length=3, **BARE),
    )
    system = build_system(config, 8, key=jr.key(0))
    phase = make_phases(config)[3]
    data = Dataset.of(frames, config).blocks(phase, system, config).start()

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(system):
        frozen = eqx.tree_at(
            lambda s: s.encoder,
            system,
            replace_fn=lambda e: StopFirst(e),
        )
        return phase.loss(frozen, data, jnp.arange(8), jnp.asarray(0), jr.key(0))[0]

    grads = jax.tree.leaves(eqx.filter(gradient(system).encoder, eqx.is_inexact_array))
    assert all(jnp.all(g == 0) for g in grads)


class StopFirst(eqx.Module):
    """An encoder through which no gradient passes where it encodes the known frames.

    The joint loss encodes the known frames first, then those to be predicted."""

    inner: eqx.Module
    calls: list = eqx.field(static=True, default_factory=list)

    def __call__(self, x):
        self.calls.append(None)
        encoding = self.inner(x)
        return jax.lax.stop_gradient(encoding) if len(self.calls) == 1 else encoding

    def __getattr__(self, name):
        return getattr(self.inner, name)
