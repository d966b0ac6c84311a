"""The geometry against an independent PyTorch implementation of the document."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gyrax.geometry as geometry

FUNCTIONS = {
    "mobius_add": (geometry.mobius_add, "zy"),
    "exp_map": (geometry.exp_map, "zv"),
    "distance": (geometry.distance, "zy"),
    "christoffel": (geometry.christoffel, "zv"),
    "conformal_factor": (geometry.conformal_factor, "z"),
    "temperature_dk8": (lambda z: geometry.temperature(z, 8), "z"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_geometry_equals_the_reference(name, reference, x64):
    function, arguments = FUNCTIONS[name]
    inputs = [jnp.asarray(reference[f"inputs/{argument}"]) for argument in arguments]
    value = np.asarray(jax.jit(function)(*inputs))
    expected = reference[f"geometry/{name}"].reshape(value.shape)  # scalars there keep an axis
    difference, scale = value - expected, expected
    if name in ("mobius_add", "exp_map", "christoffel"):
        # Vector by vector: a coordinate that happens to be small carries no digits of its own.
        difference, scale = (np.linalg.norm(a, axis=-1) for a in (difference, scale))
    assert np.all(abs(difference) < 1e-4 * abs(scale))


def test_every_geometry_entry_of_the_reference_is_tested(reference):
    stored = {key.removeprefix("geometry/") for key in reference if key.startswith("geometry/")}
    assert stored == set(FUNCTIONS)
