"""What encoding alone loses, without a forecast: beside PCA and a plain autoencoder."""

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Float

from gyrax.evaluation.baselines.autoencoder import Autoencoder, updates_of
from gyrax.evaluation.cache import Cache
from gyrax.evaluation.encoded import Encoded
from gyrax.evaluation.forecasts import in_blocks

PCA, AUTOENCODER = "encoded_feature_rmse_pca", "encoded_feature_rmse_autoencoder"


def pca_rmse(train: Float[np.ndarray, "N F"], x: Float[np.ndarray, "M F"], dim: int) -> float:
    """RMSE of `x` projected on the `dim` principal directions of `train`; 0 where all of them are kept."""
    if dim >= x.shape[1]:
        return 0.0
    mean = train.mean(0, dtype=np.float64)
    _, directions = np.linalg.eigh(np.cov(train, rowvar=False))
    lost = (x - mean) @ directions[:, :-dim]
    return float(np.sqrt(np.sum(lost**2) / x.size))


def trained_autoencoder(cache: Cache) -> Autoencoder:
    """The autoencoder of the run's seed, trained on the training frames or taken from the cache."""
    encoded = cache.encoded
    settings, x = encoded.settings, _frames(encoded, "train")
    seed = settings.training.run.seed
    updates, size = updates_of(settings, len(x))
    fresh = Autoencoder.create(x.shape[1], settings.encoder.latent_dim, key=jr.key(seed))
    stored = cache.load("autoencoder", seed, updates, fresh)
    if stored is None:
        cache.console.print("training autoencoder ...")
        stored = fresh.trained(x, updates, size, seed)
        cache.save("autoencoder", seed, updates, stored)
    return stored


def reconstruction_report(
    encoded: Encoded, split: str, autoencoder: Autoencoder | None
) -> dict[str, float]:
    """RMSE of the split's features, encoded and decoded by others with as many numbers a frame."""
    train, x = _frames(encoded, "train"), _frames(encoded, split)
    report = {PCA: pca_rmse(train, x, encoded.settings.encoder.latent_dim)}
    if autoencoder is not None:
        back = in_blocks(jax.jit(jax.vmap(autoencoder)), x)
        report[AUTOENCODER] = float(np.sqrt(np.mean((back - x) ** 2)))
    return report


def _frames(encoded: Encoded, split: str) -> Float[np.ndarray, "M F"]:
    dataset = encoded.dataset
    return dataset.x[dataset.frames.rows(dataset.split[split])]
