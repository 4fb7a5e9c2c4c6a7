"""What is wrong with a stream is said in few words, however much it is."""

import pytest

from hdac.damage import Damage, incomplete


def damaged(count: int) -> Damage:
    damage = Damage()
    for place in range(count):
        damage.append(f"place {place}")
    return damage


@pytest.mark.parametrize(("count", "more"), [(0, 0), (1, 0), (100, 0), (101, 1), (250, 150)])
def test_the_first_hundred_are_kept(count: int, more: int) -> None:
    damage = damaged(count)
    assert (len(damage), damage.more) == (count - more, more)
    lines = damage.lines()
    assert lines[: len(damage)] == [f"place {place}" for place in range(count - more)]
    assert lines[len(damage) :] == ([f"and {more} places more"] if more else [])


def test_joined() -> None:
    damage = damaged(90).joined(damaged(150))
    assert (len(damage), damage.more) == (100, 140)
    assert damage[89:91] == ["place 89", "place 0"]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "place 0"),
        (5, "place 0; place 1; place 2; place 3; place 4"),
        (7, "place 0; place 1; place 2; place 3; place 4 (and 2 places more)"),
        (250, "place 0; place 1; place 2; place 3; place 4 (and 245 places more)"),
    ],
)
def test_incomplete(count: int, words: str) -> None:
    error = incomplete(3, damaged(count))
    assert str(error) == f"3 frames were decoded; some are missing: {words}"
