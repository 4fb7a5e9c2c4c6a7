"""`hdac bench`: rows and what they say, not how fast."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run


def test_rows(hdac: Run, clip: Path) -> None:
    arguments = ("bench", clip, "--frames", 3, "--runs", 2, "--preset", "fast")
    code, out, _ = hdac(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["size"], found["frames"], found["runs"]) == ("176x144", 3, 2)
    rows = [(r["stage"], r["precision"], r["device"]) for r in found["rows"]]
    coding = [("int8", "cpu"), ("fp32", "cpu"), ("fp32", "torch")]
    assert rows == [
        *((stage, "", "") for stage in ("slices", "base decoder", "conversion")),
        *((stage, *each) for each in coding for stage in ("network", "decoder", "encoder")),
    ]
    for row in found["rows"]:
        assert 0 < row["least"] <= row["milliseconds"] <= row["most"]
        assert abs(row["pictures_per_second"] * row["milliseconds"] - 1000) < 1e-6


@pytest.mark.parametrize("model", ["", "hdac-s"])
def test_mode_animation(model: str, hdac: Run, clip: Path) -> None:
    """By another kind of network, and by that of keypoints."""
    arguments = ["bench", clip, "--frames", 3, "--runs", 1, "--mode", "animation", "--json"]
    code, out, err = hdac(*arguments, *(["--model", model] if model else []))
    assert code == 0, err
    found = json.loads(out)
    assert (found["model"], found["qp_intra"]) == (model or "hdac-face", 44)
    stages = [r["stage"] for r in found["rows"]]
    assert stages == [
        "slices",
        "base decoder",
        "conversion",
        *["network", "decoder", "encoder"] * 3,
    ]


def test_a_network_of_another_mode(hdac: Run, clip: Path) -> None:
    code, _, err = hdac("bench", clip, "--frames", 3, "--runs", 1, "--model", "hdac-face")
    assert code == 2
    assert "hdac-face" in err


def test_bad_input(hdac: Run, clip: Path) -> None:
    for arguments in (("--frames", 1), ("--runs", 0)):
        code, _, err = hdac("bench", clip, *arguments)
        assert code == 2
        assert "at least 2 and 1 are needed" in err
