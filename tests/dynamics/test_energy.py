"""Without friction: energy to second order in the step, no drift, and time reversed step by step."""

import jax.numpy as jnp
import numpy as np
import pytest
from problems import PALINDROMES, bumpy, hamiltonian, run, slope, start, terms_of, twisting_field

from gyrax import DocumentBAOAB, PhaseState, solver_by_name


@pytest.mark.parametrize("c", [1.0, 0.4])
@pytest.mark.parametrize("word", PALINDROMES)
def test_energy_error_falls_as_the_square_of_the_step(word, c, x64):
    terms = terms_of(bumpy, c=c, field=twisting_field, beta=1.5)
    energy = lambda y: hamiltonian(bumpy, y, c)
    steps = np.array([40, 80, 160, 320, 640])
    worst = [run(solver_by_name(word), terms, 4.0 / n, n, start(3, c=c), energy)[1] for n in steps]
    assert 1.85 < slope(4.0 / steps, np.array(worst)) < 2.15


def test_the_documents_solver_does_not_keep_energy(x64):
    terms = terms_of(bumpy)
    steps = np.array([160, 320, 640])
    energy = lambda y: hamiltonian(bumpy, y)
    worst = [run(DocumentBAOAB(), terms, 4.0 / n, n, start(3), energy)[1] for n in steps]
    assert min(worst) > 0.2
    assert abs(slope(4.0 / steps, np.array(worst))) < 0.3


def test_energy_is_bounded_over_a_hundred_thousand_steps(x64):
    terms = terms_of(bumpy)
    energy = lambda y: hamiltonian(bumpy, y)
    solver = solver_by_name("baoab")
    early = run(solver, terms, 0.05, jnp.array(2_000), start(3), energy)[1]
    late = run(solver, terms, 0.05, jnp.array(100_000), start(3), energy)[1]
    assert early < 0.02
    assert late < 2.0 * early


def test_bab_run_backwards_returns(x64):
    terms = terms_of(bumpy)
    solver = solver_by_name("bab")
    there, _ = run(solver, terms, jnp.array(0.05), jnp.array(1_000), start(3))
    back, _ = run(solver, terms, jnp.array(0.05), jnp.array(1_000), PhaseState(there.z, -there.p))
    assert jnp.linalg.norm(there.z - start(3).z) > 0.05
    assert jnp.abs(back.z - start(3).z).max() < 1e-10
    assert jnp.abs(back.p + start(3).p).max() < 1e-10


def test_bab_with_a_field_returns_by_a_negative_step(x64):
    terms = terms_of(bumpy, field=twisting_field, beta=1.5)
    solver = solver_by_name("bab")
    there, _ = run(solver, terms, jnp.array(0.05), jnp.array(1_000), start(3))
    back, _ = run(solver, terms, jnp.array(-0.05), jnp.array(1_000), there)
    assert jnp.abs(back.z - start(3).z).max() < 1e-10
    assert jnp.abs(back.p - start(3).p).max() < 1e-10


def test_a_word_without_o_refuses_friction():
    terms = terms_of(bumpy, friction=0.5)
    with pytest.raises(ValueError, match=r"has no O.*use a word with O, such as BAOAB"):
        solver_by_name("bab").init(terms, 0.0, 0.1, start(2), None)
