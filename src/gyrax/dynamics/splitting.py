"""Splitting words, such as "BAOAB", parsed once into validated stages.

A is the free geodesic flow, B the kick and rotation of the momentum, O the thermostat. Each letter's
time is one step in all, shared equally among its occurrences.
"""

from dataclasses import dataclass

from gyrax._errors import InputError

LETTERS = "ABO"
LONGEST = 32
"""Letters of a word: each is compiled anew."""


@dataclass(frozen=True)
class Stage:
    """One flow of a step: its `letter`, and, as fractions of the step, its `duration`, its `start`
    and `stop` on its own letter's clock, and the `clock` of the position (the share of A already
    made)."""

    letter: str
    duration: float
    start: float
    stop: float
    clock: float


def is_word(text: str) -> bool:
    """Whether `text` is spelt in the letters A, B, O alone (of either case)."""
    return bool(text) and set(text.upper()) <= set(LETTERS)


def parse_word(word: str) -> tuple[Stage, ...]:
    """The stages of a splitting word.

    **Raises:** `InputError` (a `ValueError`) where the word is empty, has other letters than A, B, O,
    or lacks A or B (without either of which it is not a splitting of the Langevin equation).
    """
    remedy = 'write a word over A (geodesic), B (kick), O (thermostat), such as "BAOAB"'
    if not word:
        raise InputError(f"splitting word {word!r} is empty; {remedy}.")
    if not is_word(word):
        stray = "".join(sorted(set(word.upper()) - set(LETTERS)))
        raise InputError(f"splitting word {word!r} has the stray letters {stray!r}; {remedy}.")
    if len(word) > LONGEST:
        raise InputError(f"a splitting word has {len(word)} letters; give at most {LONGEST}.")
    letters = word.upper()
    for needed in "AB":
        if needed not in letters:
            raise InputError(f"splitting word {word!r} has no {needed}; {remedy}.")
    done = dict.fromkeys(LETTERS, 0)
    stages = []
    for letter in letters:
        count = letters.count(letter)
        start, stop = done[letter] / count, (done[letter] + 1) / count
        stages.append(Stage(letter, 1.0 / count, start, stop, done["A"] / letters.count("A")))
        done[letter] += 1
    return tuple(stages)


def is_palindrome(word: str) -> bool:
    """Whether the word reads the same backwards: then the splitting is symmetric, of order two."""
    return word.upper() == word.upper()[::-1]
