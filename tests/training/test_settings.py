"""Settings against the specification's tables."""

import dataclasses

import pytest

from gyrax._errors import InputError
from gyrax.training.settings import TrainConfig, changes, from_json, make_config, to_json

# The tables of the specification, flag by flag.
SPECIFIED = {
    "--latent-dim": 3, "--num-charts": 16, "--wm-d-model": 128, "--action-dim": 6,
    "--hidden-dim": 256, "--codes-per-chart": 64,
    "--wm-dt": 0.01, "--wm-gamma-friction": 1.0, "--wm-T-c": 0.1, "--wm-alpha-potential": 0.5,
    "--wm-beta-curl": 0.1, "--wm-gamma-risk": 0.01, "--wm-use-boris": True, "--wm-use-jump": True,
    "--phase1-epochs": 100, "--phase2-epochs": 50, "--phase3-epochs": 50,
    "--lr": 1e-3, "--lr-wm": 1e-3, "--lr-joint-encoder": 1e-4, "--lr-joint-wm": 1e-3,
    "--batch-size": 256, "--sequence-length": 8, "--grad-clip": 1.0,
}  # fmt: skip
WEIGHTS = {
    "recon": 1.0, "vq": 1.0, "entropy": 0.1, "consistency": 0.1, "diversity": 0.1,
    "uniformity": 0.1, "radial_cal": 0.1, "codebook_spread": 0.05, "codebook_center": 0.01,
    "chart_collapse": 1.0, "code_collapse": 0.5, "window": 0.5, "jump": 0.1,
    "geodesic": 1.0, "chart_transition": 0.5, "momentum_reg": 0.01,
    "energy_conservation": 0.01, "jump_dynamics": 0.1,
}  # fmt: skip


def test_document_preset_is_the_specification():
    config = make_config("document", {})
    for flag, value in SPECIFIED.items():
        assert getattr(config, flag[2:].replace("-", "_")) == value, flag
    assert config.weights == WEIGHTS | {"jump_likelihood": 0.0, "energy_score": 0.0}
    assert (config.encoder_scale, config.dynamics_scale) == (0.1, 1.0)
    assert (config.solver, config.wm_context, config.wm_substeps, config.wm_force) == (
        "baoab", 1, 1, "direct",
    )  # fmt: skip
    assert changes(config) == {}


def test_presets_and_overrides():
    config = make_config("default", {"latent_dim": 5, "w_geodesic": 2.0})
    assert config.latent_dim == 5 and config.weights["geodesic"] == 2.0
    assert changes(config)["latent_dim"] == (3, 5)
    assert from_json(to_json(config), "here") == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_dim": 0}, "--latent-dim is 0"),
        ({"batch_size": -1}, "--batch-size is -1"),
        ({"phase1_epochs": -1}, "--phase1-epochs is -1"),
        ({"wm_dt": float("nan")}, "--wm-dt is nan"),
        ({"sequence_length": 1}, "--sequence-length is 1"),
        ({"wm_context": 3}, "--wm-context is 3"),
        ({"hidden_dim": 20}, "multiple of 8"),
        ({"wm_memory": 8}, "--wm-memory 8 is a memory of the servo force, and --wm-servo is 0"),
        ({"val_fraction": 0.5}, "--val-fraction is 0.5"),
        ({"solver": "baxb"}, "solver 'baxb' is unknown"),
        ({"solver": "bab"}, "--solver bab has no thermostat"),
        ({"wm_force": "magic"}, "--wm-force is 'magic'"),
        ({"schedule": "step"}, "--schedule is 'step'"),
        ({"w_recon": -1.0}, "--w-recon is -1.0"),
    ],
)
def test_unusable_settings(settings, message):
    with pytest.raises(InputError, match=message):
        make_config("document", settings)


def test_unknown_preset():
    with pytest.raises(InputError, match="--preset is 'x'"):
        make_config("x", {})


def test_every_setting_has_help():
    for field in dataclasses.fields(TrainConfig):
        assert field.name == "weights" or field.metadata["help"]
