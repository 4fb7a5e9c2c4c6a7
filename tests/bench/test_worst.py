"""Quality over time."""

import numpy as np
import pytest

from hdac.bench.worst import ranges, strips, worst_frames, worst_of
from hdac.metrics.contract import Clip
from tests.conftest import synthetic


def test_worst_frames() -> None:
    scores = [30.0] * 40
    scores[7], scores[21] = 20.0, 25.0
    assert worst_frames(scores, up=True) == [7, 21]
    assert worst_frames([-s for s in scores], up=False) == [7, 21]
    assert worst_frames([None, 3.0, None, 1.0], up=True) == [3]
    assert worst_frames([None, None], up=True) == []


@pytest.mark.parametrize(
    ("frames", "text"), [([], ""), ([4], "4"), ([9, 3, 5, 4], "3-5 9"), ([1, 3, 5], "1 3 5")]
)
def test_ranges(frames: list[int], text: str) -> None:
    assert ranges(frames) == text


def test_worst_of() -> None:
    """A first picture of 40 dB, then a fall from 32 to 28 dB."""
    scores = [40.0, *np.linspace(32, 28, 99)]
    found = worst_of(scores, up=True)
    assert found is not None
    assert found.frames == [99, 98, 97, 96, 95]
    assert found.worst == pytest.approx(np.mean(scores[95:]))
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.drift == pytest.approx(np.mean(scores[75:]) - np.mean(scores[25:50]))
    assert worst_of([None] * 50 + [1.0] * 7, up=True) is None


def test_strips_show_frames_that_lie_apart() -> None:
    pictures = synthetic(60, 32, 32)
    clip = Clip(pictures, 25)
    scores: list[float | None] = [30.0 - (i in (20, 21, 22)) - 0.5 * (i == 50) for i in range(60)]
    shown = strips(clip, ["source", "hdac"], [pictures, pictures], 1, scores, True)
    assert [s["frame"] for s in shown] == [20]
    assert shown[0]["score"] == 29.0
    assert shown[0]["codec"] == "hdac"
    assert shown[0]["data"].startswith(b"\xff\xd8\xff")
