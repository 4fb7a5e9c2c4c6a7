"""`hdac measure`: how both clips are read, and what is asked of it."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from hdac.video.colour import resolve_matrix
from tests.conftest import Run, synthetic, write_video


@pytest.mark.parametrize(
    ("size", "matrices"),
    [
        *(((64, 48), m) for m in ((1, 2), (2, 1), (6, 2), (2, 6), (9, 1), (1, 6), (5, 9))),
        *(((1280, 720), m) for m in ((1, 2), (6, 2))),
    ],
)
def test_the_matrix_of_the_source_holds_for_both(
    matrices: tuple[int, int], size: tuple[int, int], tmp_path: Path, hdac: Run
) -> None:
    """The same samples are the same colours, whatever the files' tags."""
    pictures = synthetic(2, *size)
    files = [write_video(tmp_path / f"{i}.mkv", pictures, matrix=m) for i, m in enumerate(matrices)]
    code, out, err = hdac("measure", *files, "--metrics", "psnr-rgb,psnr-y", "--json")
    assert code == 0
    assert json.loads(out)["metrics"] == {"psnr-rgb": 100, "psnr-y": 100}
    differ = len({resolve_matrix(m, size[1]) for m in matrices}) > 1
    assert ("the source's holds for both" in err) == differ


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((25, 30), True), ((Fraction(30000, 1001), 30), True), ((50, 25), True), ((25, 25), False),
        ((Fraction(30000, 1001), Fraction(30000, 1001)), False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["measure", "compare"])
def test_different_frame_rates_are_said(
    verb: str, rates: tuple[Fraction, Fraction], said: bool, tmp_path: Path, hdac: Run
) -> None:
    files = [
        write_video(tmp_path / f"{i}.mkv", synthetic(3), fps=Fraction(r))
        for i, r in enumerate(rates)
    ]
    options = ("--metrics", "psnr-y") if verb == "measure" else ("-o", tmp_path / "o.png")
    code, _, err = hdac(verb, *files, *options)
    assert code == 0
    assert ("frames per second" in err) == said
    assert not said or str(rates[1]) in err
