"""`hdac bench`: rows and what they say, not how fast."""

import json
from pathlib import Path

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


def test_bad_input(hdac: Run, clip: Path) -> None:
    for arguments in (("--frames", 1), ("--runs", 0)):
        code, _, err = hdac("bench", clip, *arguments)
        assert code == 2
        assert "at least 2 and 1 are needed" in err
