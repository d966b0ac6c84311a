"""Splitting words: what is a word, what its stages are, and how often a step asks for the force."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest
from problems import PALINDROMES, start

from gyrax import GeodesicSplitting, langevin_terms, solver_by_name
from gyrax.dynamics import integrate
from gyrax.dynamics.splitting import parse_word


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("BAXB", "stray letters 'X'"),
        ("", "empty"),
        ("baoab ", "stray letters ' '"),
        ("BAOAB\n", "stray letters"),
        ("V R O R V", "stray letters"),
        ("BOB", "has no A"),
        ("AOA", "has no B"),
        ("O", "has no A"),
    ],
)
def test_a_bad_word_is_refused_with_the_remedy(word, says):
    with pytest.raises(ValueError, match=says) as error:
        parse_word(word)
    assert 'such as "BAOAB"' in str(error.value)


def test_every_word_shares_each_letters_time_equally():
    for word in (*PALINDROMES, "BAOABO", "AAABO", "OBABAABO"):
        stages = parse_word(word)
        assert "".join(stage.letter for stage in stages) == word.upper()
        for letter in set(word.upper()):
            of_letter = [stage for stage in stages if stage.letter == letter]
            assert sum(stage.duration for stage in of_letter) == pytest.approx(1.0)
            assert of_letter[0].start == 0.0 and of_letter[-1].stop == 1.0
            for one, other in pairwise(of_letter):
                assert one.stop == other.start


def test_case_of_a_word_does_not_matter():
    assert GeodesicSplitting("BaOab") == GeodesicSplitting("baoab")


def test_order_is_two_for_palindromes_only():
    assert [solver_by_name(word).order(None) for word in PALINDROMES] == [2] * 6
    assert solver_by_name("bao").order(None) == 1
    assert solver_by_name("obab").order(None) == 1


@pytest.mark.parametrize(
    ("word", "per_step", "first"),
    [
        *[(word, 1, 1) for word in ("baoab", "obabo", "bab", "bbaobb")],
        *[(word, 1, 0) for word in ("aboba", "aoboa", "oabao")],
        ("babab", 2, 1),
    ],
)
def test_a_step_evaluates_one_force_for_each_new_position(word, per_step, first):
    calls = []

    def gradient(t, z, args):
        jax.debug.callback(lambda: calls.append(1))
        return z

    terms = langevin_terms(gradient, friction=0.0, temperature=0.0, path=None)
    jax.block_until_ready(integrate(terms, GeodesicSplitting(word), 0.0, 0.1, 7, start(2)))
    jax.effects_barrier()
    assert len(calls) == first + 7 * per_step


def test_made_jump_makes_the_stale_force_fresh(x64):
    terms = langevin_terms(lambda t, z, args: z, friction=0.0, temperature=0.0, path=None)
    solver, y, elsewhere = GeodesicSplitting(), start(2), start(2).z[::-1]
    state = solver.init(terms, 0.0, 0.1, y, None)
    moved = type(y)(elsewhere, y.p)
    fresh = solver.init(terms, 0.0, 0.1, moved, None)
    step = lambda state, jumped: solver.step(terms, 0.0, 0.1, moved, None, state, jumped)[0].p
    expected = step(fresh, False)
    assert jnp.array_equal(step(state, True), expected)
    assert jnp.array_equal(step(state, jnp.asarray(True)), expected)
    assert not jnp.allclose(step(state, jnp.asarray(False)), expected)
