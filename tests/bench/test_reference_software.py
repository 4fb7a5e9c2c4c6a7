"""Configurations of the reference software: every key is an option that the program knows.

`options/`: names in HM 16.25's and VTM 23.6's tables of options, and `PPSInitialQPOffset`, which
VTM 23.13 has.
"""

import re
from pathlib import Path

import pytest

from hdac.bench.codecs import load_codec
from hdac.bench.experiment import load_experiment

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
def test_points(name: str, points: str) -> None:
    assert " ".join(map(str, load_codec(name).recipe.points)) == points


def test_generative_face_video_has_the_qps_of_its_group() -> None:
    """Of its software: VTM and base layers 37, 42, 47, 52, base pictures 22, 32, 42, 52; hdac's
    scale ends at 51."""
    experiment = load_experiment("gfvc")
    assert {37, 42, 47, 52} <= set(experiment.points["vtm-ldb"])
    assert {22, 32, 42, 51} <= set(experiment.points["hdac-face"])
    for name in ("hdac-hybrid-vvc", "hdac-hybrid-vvc-perceptual"):
        assert {37, 42, 47, 51} <= set(experiment.points[name])
    assert {"dists", "lpips-vgg", "psnr-y", "psnr-yuv"} <= set(experiment.recipe.metrics)
    assert experiment.recipe.frames == 250


def given(words: tuple[str, ...], short: dict[str, str]) -> dict[str, str]:
    """Options of a command line by their long names, as the programs read them: `--Name=value`, or
    a hyphen, a short name and the value as the next word. Raises `AssertionError` for others."""
    found: dict[str, str] = {}
    rest = iter(words[1:])  # the first is the program
    for word in rest:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            assert equals, f"{word}: no value"
        else:
            assert word.startswith("-"), f"{word}: an argument that is read as no option"
            assert word[1:] in short, f"{word}: no short option"
            name, value = short[word[1:]], next(rest)
            assert not value.startswith("-"), f"{word} {value}: no value"
        assert name not in found, f"{name} is given twice"
        found[name] = value
    return found


#: Short names in the tables of options of both encoders and of both decoders.
ENCODER = {
    "c": "configuration", "i": "InputFile", "b": "BitstreamFile", "o": "ReconFile",
    "wdt": "SourceWidth", "hgt": "SourceHeight", "fr": "FrameRate", "f": "FramesToBeEncoded",
    "q": "QP",
}  # fmt: skip
DECODER = {"b": "BitstreamFile", "o": "ReconFile", "d": "OutputBitDepth"}


@pytest.mark.parametrize("software", ["hm", "vtm"])
def test_command_lines_are_those_of_the_software(software: str) -> None:
    recipe = load_codec(f"{software}-ldb").recipe
    known = set((OPTIONS / f"{software}.txt").read_text().split())
    encoding, decoding = given(recipe.encode, ENCODER), given(recipe.decode, DECODER)
    assert encoding.pop("configuration") == f"{{recipe}}/{software}-ldb.cfg"
    assert encoding == {
        "InputFile": "{source}", "SourceWidth": "{width}", "SourceHeight": "{height}",
        "FrameRate": "{fps_round}", "FramesToBeEncoded": "{frames}", "QP": "{value}",
        "InputBitDepth": "8", "BitstreamFile": "{stream}", "ReconFile": "/dev/null",
    }  # fmt: skip
    assert set(encoding) <= known
    assert decoding == {
        "BitstreamFile": "{stream}", "ReconFile": "{decoded}", "OutputBitDepth": "8"
    }  # fmt: skip
    assert recipe.needs == (recipe.encode[0], recipe.decode[0])
    configured = settings((BASELINES / f"{software}-ldb.cfg").read_text())
    assert not encoding.keys() & configured.keys(), "said twice"


@pytest.mark.parametrize(
    "line", ["-x 1", "-q", "-q -f", "37", "--QP", "-q 37 --QP=38", "--QP=37 --QP=38"]
)
def test_command_lines_that_the_check_refuses(line: str) -> None:
    with pytest.raises((AssertionError, StopIteration)):
        given(("program", *line.split()), ENCODER)
