"""Settings against the document's tables."""

import json

import pytest

from gyrax._errors import InputError
from gyrax.losses.total import TERMS
from gyrax.training.presets import (
    FOLDER,
    PRESETS,
    differences,
    from_dict,
    load_preset,
    make_settings,
    to_dict,
)
from gyrax.training.settings import LEAVES

# The document's tables, flag by flag.
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


def test_the_document_preset_has_the_documents_values():
    settings = load_preset("document")
    by_flag = {leaf.name: leaf.of(settings) for leaf in LEAVES.values()}
    for flag, value in SPECIFIED.items():
        assert by_flag[flag] == value, flag
    assert settings.weights == WEIGHTS | {
        "reach": 0.0,
        "feature": 0.0,
        "jump_likelihood": 0.0,
        "energy_score": 0.0,
    }
    joint, motion = settings.training.phase3, settings.integration
    assert (joint.encoder_scale, joint.dynamics_scale) == (0.1, 1.0)
    assert (motion.solver, motion.context, motion.substeps, motion.force) == (
        "baoab", 1, 1, "direct",
    )  # fmt: skip


def test_presets_and_overrides():
    settings = make_settings("default", {"latent_dim": 5, "w_geodesic": 2.0})
    assert settings.encoder.latent_dim == 5 and settings.weights["geodesic"] == 2.0
    assert differences(load_preset("document"), settings)[LEAVES["latent_dim"]] == (3, 5)
    stored = json.loads(json.dumps(to_dict(settings)))
    assert from_dict(stored, "here") == settings


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_complete_and_name_every_loss_once(name):
    settings = load_preset(name)
    assert list(settings.weights) == [term.name for term in TERMS]
    assert len({leaf.flag for leaf in LEAVES.values()}) == len(LEAVES)


def test_departures_of_the_default_preset_have_their_reason_beside_them():
    lines = (FOLDER / "default.toml").read_text().splitlines()
    reasons = sum(line.startswith("#") for line in lines[1:])
    assert reasons == len(differences(load_preset("document"), load_preset("default")))
    for i, line in enumerate(lines[1:], start=1):
        assert not line.startswith("#") or "=" in lines[i + 1], line


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("latent_dim = 24\n", ""), "encoder lacks latent_dim"),
        (("latent_dim = 24", "latent_dim = 24\nlatent_dims = 2"), "encoder has latent_dims, which"),
        (("latent_dim = 24", "latent_dim = \"x\""), "encoder.latent_dim is 'x', expected .* int"),
        (("gate_charts = true", "gate_charts = 1"), "world_model.gate_charts is 1, expected .* bool"),
        (("recon = 1000.0", "rekon = 1.0"), "weights lacks recon and has rekon, which gyrax does not"),
        (("[encoder]", "[encoders]"), "the whole lacks encoder and has encoders"),
        (("[data]", "[data"), "is no TOML file"),
        (("latent_dim = 24", "latent_dim = 1"), "--latent-dim is 1; give 2 or more"),
    ],
)  # fmt: skip
def test_a_preset_of_ones_own(tmp_path, edit, message):
    text = (FOLDER / "default.toml").read_text()
    (tmp_path / "own.toml").write_text(text)
    assert load_preset(str(tmp_path / "own.toml")) == load_preset("default")
    (tmp_path / "own.toml").write_text(text.replace(*edit))
    with pytest.raises(InputError, match=message):
        load_preset(str(tmp_path / "own.toml"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_dim": 0}, "--latent-dim is 0"),
        ({"batch_size": -1}, "--batch-size is -1"),
        ({"phase1_epochs": -1}, "--phase1-epochs is -1"),
        ({"wm_dt": float("nan")}, "--wm-dt is nan; give a finite number"),
        ({"wm_beta_curl": float("inf")}, "--wm-beta-curl is inf; give a finite number"),
        ({"lr": 1e300}, r"--lr is 1e\+300; give 1000000000000 or less"),
        ({"wm_dt": 1e-300}, "--wm-dt is 1e-300; give 1e-06 or more"),
        ({"action_history": 10**20}, "--action-history is 1.*0; give 1000 or less"),
        ({"phase1_epochs": 10**20}, "--phase1-epochs is .* give 1000000 or less"),
        ({"log_every": 10**20}, "--log-every is .* give 2147483647 or less"),
        (
            {"num_charts": 10**4, "codes_per_chart": 10**5},
            "--batch-size 256 times .* fit|lower one",
        ),
        ({"seed": 2**32}, "--seed is 4294967296; give one below"),
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
        make_settings("document", settings)


def test_unknown_preset():
    with pytest.raises(InputError, match="--preset is 'x'"):
        load_preset("x")


def test_a_run_that_is_gone_on_with_keeps_its_settings():
    base = load_preset("quick")
    assert make_settings(None, {"seed": 3}, base).training.run.seed == 3
    with pytest.raises(InputError, match="leave --preset out"):
        make_settings("quick", {}, base)


def test_every_setting_has_help():
    for leaf in LEAVES.values():
        assert leaf.help and leaf.flag.startswith("--"), leaf
