"""Configurations of the reference software: every key is an option that the program knows.

`options/`: names in HM 16.25's and VTM 23.6's tables of options, and `PPSInitialQPOffset`, which
VTM 23.13 has.
"""

import re
from pathlib import Path

import pytest

from hdac.bench.codecs import load_codec

BASELINES = Path(__file__).parents[2] / "baselines"
OPTIONS = Path(__file__).parent / "options"
FRAME = re.compile(r"Frame([1-9]\d*)")


def settings(text: str) -> dict[str, str]:
    """As the programs read them: `Name : value`, comments from a #."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    pairs = [line.split(":", 1) for line in lines if line]
    assert len({name.strip() for name, _ in pairs}) == len(pairs), "a name stands twice"
    return {name.strip(): value.strip() for name, value in pairs}


@pytest.mark.parametrize("software", ["hm", "vtm"])
def test_keys_are_options_of_the_software(software: str) -> None:
    known = set((OPTIONS / f"{software}.txt").read_text().split())
    found = settings((BASELINES / f"{software}-ldb.cfg").read_text())
    assert len(found) > 30
    assert not {n for n in found if (FRAME.sub("Frame", n)) not in known}
    assert all(found.values())
    assert "EncoderConfig" not in known, "VTM 23.13: Unknown option"


@pytest.mark.parametrize("software", ["hm", "vtm"])
def test_low_delay_b(software: str) -> None:
    found = settings((BASELINES / f"{software}-ldb.cfg").read_text())
    frames = {n: v.split() for n, v in found.items() if FRAME.fullmatch(n)}
    assert len(frames) == int(found["GOPSize"]) == 8
    for number, (kind, poc, *_) in enumerate(frames.values(), 1):
        assert (kind, poc) == ("B", str(number)), "pictures in order"
    assert found["TemporalFilter"] == found["SEIDecodedPictureHash"] == "0"


@pytest.mark.parametrize(
    ("name", "points"), [("hm-ldb", "27 32 37 42 47"), ("vtm-ldb", "30 36 41 46 51")]
)
def test_options_on_the_command_line(name: str, points: str) -> None:
    recipe = load_codec(name).recipe
    assert " ".join(map(str, recipe.points)) == points
    words = [w.split("=")[0].lstrip("-") for w in recipe.encode if w.startswith("--")]
    known = (OPTIONS / f"{name.split('-')[0]}.txt").read_text().split()
    assert words
    assert set(words) <= set(known)
