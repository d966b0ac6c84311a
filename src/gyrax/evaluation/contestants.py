"""The forecasters of a comparison that train: how each is made, trained as the others, and kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax.random as jr

from gyrax._errors import InputError
from gyrax.evaluation.baselines import FlatTwin, Network
from gyrax.evaluation.baselines.flat_twin import flat_settings
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.encoded import Encoded
from gyrax.evaluation.feature_space import FEATURE, FEATURE_CURVATURE
from gyrax.model.forecaster import WORLD_MODEL, AbstractForecaster
from gyrax.model.system import System
from gyrax.nn.frozen import group_size
from gyrax.runtime.console import make_progress
from gyrax.training.build import build_system, build_world_model
from gyrax.training.fit import DivergedError, Epochs, fit_each
from gyrax.training.phases import Phase, make_phases
from gyrax.training.settings import Settings

MODEL = "model"
NETWORKS = ("mlp", "gru")
LEARNED = (*NETWORKS, "flat_twin")
ON_FEATURES = tuple(FEATURE + name for name in NETWORKS)
Make = Callable[[int], AbstractForecaster]


def fresh_system(settings: Settings, system: System, seed: int) -> System:
    """`system` with a freshly initialised world model; the atlas' jump operator is kept."""
    features = system.encoder.first.weight.shape[-1]
    fresh = build_system(settings, features, key=jr.fold_in(jr.key(seed), 0)).world_model
    operator = system.world_model.fields.jump_operator
    fresh = eqx.tree_at(lambda w: w.fields.jump_operator, fresh, operator)
    return System(system.encoder, system.decoder, fresh)


def fresh_twin(settings: Settings, system: System, seed: int) -> FlatTwin:
    """The flat twin of the world model that starts from `seed`."""
    ball = fresh_system(settings, system, seed).world_model
    flat = flat_settings(settings)
    # Only the shapes and the curvature of this one are used; its arrays are those of `ball`.
    shapes = build_world_model(flat, ball.fields.jump_operator.center, key=jr.key(0))
    return FlatTwin.of(ball, shapes)


def makers(encoded: Encoded) -> dict[str, Make]:
    """How to make each forecaster, untrained, from a seed; networks have the model's size."""
    settings, system = encoded.settings, encoded.trained.system
    count = group_size(system, system.groups(), WORLD_MODEL)
    made: dict[str, Make] = {
        MODEL: lambda seed: fresh_system(settings, system, seed),
        "flat_twin": lambda seed: fresh_twin(settings, system, seed),
    }
    for prefix, dim, c in (
        ("", settings.encoder.latent_dim, settings.encoder.curvature),
        (FEATURE, encoded.dataset.features, FEATURE_CURVATURE),
    ):
        for name in NETWORKS:
            network = Network.of_size(
                count, dim, settings.data.action_width, remembers=name == "gru", c=c
            )
            made[prefix + name] = lambda seed, make=network: make(jr.fold_in(jr.key(seed), 0))
    return made


def contest_phase(settings: Settings, last_phase: int) -> Phase:
    """Phase 2, with as many epochs as a run up to `last_phase` spends on windows.

    Raises `InputError` where that is none.
    """
    phase, joint = make_phases(settings)[2], settings.training.phase3.epochs
    epochs = phase.epochs + (joint if last_phase == 3 else 0)
    if epochs == 0:
        raise InputError(
            "the checkpoint's settings have no epochs of phases 2 and 3, so nothing says how long its "
            "baselines are to be trained; train the world model first, or add --no-baselines."
        )
    return replace(phase, epochs=epochs)


@dataclass(frozen=True)
class Contest:
    """Trains forecasters on the latents of a run's cache with one budget, or takes them from it."""

    cache: Cache

    def train(
        self, names: Sequence[str], seeds: Sequence[int]
    ) -> dict[str, list[AbstractForecaster]]:
        """Every named forecaster, one for each seed; those not in the cache are trained."""
        encoded, make = self.cache.encoded, makers(self.cache.encoded)
        phase = contest_phase(encoded.settings, encoded.trained.phase)
        made: dict[str, list[AbstractForecaster]] = {}
        missing: dict[str, list[int]] = {}
        for name in names:
            made[name], missing[name] = [], []
            for i, seed in enumerate(seeds):
                fresh = make[name](seed)
                stored = self.cache.load(name, seed, phase.epochs, fresh)
                made[name].append(fresh if stored is None else stored)
                if stored is None:
                    missing[name].append(i)
        data = encoded.training_data() if any(missing.values()) else None
        with make_progress(self.cache.console) as progress:
            for name in (name for name in names if missing[name]):
                rows = missing[name]
                task = progress.add_task(
                    f"training {name}", total=phase.epochs * len(rows), note="compiling"
                )
                fresh, chosen = [made[name][i] for i in rows], [seeds[i] for i in rows]
                assert data is not None
                fits = fit_each(encoded.settings, phase, data, fresh, chosen)
                for i, epochs in zip(rows, fits, strict=True):
                    for _, state, metrics in _converging(epochs, name, seeds[i]):
                        progress.update(task, advance=1, note=f"loss {metrics['loss']:.4f}")
                        made[name][i] = state.system
                    self.cache.save(name, seeds[i], phase.epochs, made[name][i])
        return made


def _converging(epochs: Epochs, name: str, seed: int) -> Epochs:
    """The same epochs; one that diverges is the end of the comparison."""
    try:
        yield from epochs
    except DivergedError as error:
        remedy = "its learning rate (--lr-wm of the checkpoint) is too high for it."
        if name in ON_FEATURES:
            remedy = "its learning rate is too high for these features; add --no-baselines."
        raise InputError(f"{name} of seed {seed}: {error}; {remedy}") from None
