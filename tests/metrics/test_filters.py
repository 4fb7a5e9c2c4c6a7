"""FFmpeg's metrics see which clip is the source; what their tools cannot do is theirs alone."""

import math
from fractions import Fraction

import numpy as np
import pytest

from hdac.errors import ToolError
from hdac.metrics.contract import Clip, Scores, UnavailableError
from hdac.metrics.registry import METRICS, measure
from hdac.video.picture import Picture

SIZES = ((64, 64), (176, 144), (320, 180))


def clip(lumas: list[np.ndarray]) -> Clip:
    height, width = lumas[0].shape
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    return Clip([Picture(y, grey, grey) for y in lumas], Fraction(25))


def smooth_and_rough(width: int, height: int) -> tuple[Clip, Clip]:
    """Two clips of three pictures: a ramp, and the same under noise that stands still."""
    ramp = np.tile(np.linspace(60, 180, width), (height, 1))
    noise = np.random.default_rng(width).integers(-20, 21, ramp.shape)
    planes = (ramp, ramp + noise)
    smooth, rough = ([p.round().astype(np.uint8)] * 3 for p in planes)
    return clip(smooth), clip(rough)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_xpsnr_takes_its_weights_from_the_source(width: int, height: int) -> None:
    """An error hides in a rough source and shows on a smooth one, at the same MSE."""
    if reason := METRICS["xpsnr"].unavailable():
        pytest.skip(reason)
    smooth, rough = smooth_and_rough(width, height)
    noise_on_smooth = METRICS["xpsnr"].measure(smooth, rough).value
    rough_made_smooth = METRICS["xpsnr"].measure(rough, smooth).value
    assert noise_on_smooth < rough_made_smooth - 3
    assert METRICS["psnr-y"].measure(smooth, rough) == METRICS["psnr-y"].measure(rough, smooth)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_vmaf_is_of_the_decoded_clip(width: int, height: int) -> None:
    """Lost detail costs more than added noise: the filter's inputs are the other way round."""
    if reason := METRICS["vmaf"].unavailable():
        pytest.skip(reason)
    smooth, rough = smooth_and_rough(width, height)
    noisy, blurred = (METRICS["vmaf"].measure(*p).value for p in ((smooth, rough), (rough, smooth)))
    assert noisy > blurred + 3


def test_pooling_is_what_the_contract_says() -> None:
    x, x_hat = smooth_and_rough(64, 64)
    mixed = Clip([*x_hat.pictures[:2], x.pictures[0]], x.fps)
    for key in ("xpsnr", "vmaf"):
        if METRICS[key].unavailable():
            continue
        scores = METRICS[key].measure(x, mixed)
        assert scores.frames is not None
        assert max(scores.frames) > min(scores.frames) + 3
        assert scores.value == pytest.approx(np.mean(scores.frames), abs=1e-3)
        assert "mean over frames" in METRICS[key].contract.averaging


@pytest.mark.parametrize(("width", "height"), [(16, 16), (2, 2), (16, 64), (44, 44), (30, 34)])
def test_a_tool_that_fails_takes_no_other_metric_with_it(width: int, height: int) -> None:
    """libvmaf crashes at 16 pixels; xpsnr gives plain PSNR under its name below 2025 pixels."""
    x, x_hat = smooth_and_rough(width, height)
    found = measure(x, x_hat, ["vmaf", "xpsnr", "psnr-y", "flicker"])
    assert isinstance(found["psnr-y"], Scores)
    assert isinstance(found["flicker"], Scores)
    if isinstance(found["vmaf"], UnavailableError) and not METRICS["vmaf"].unavailable():
        failed = f"it failed on pictures of {width}x{height} (ToolError: FFmpeg failed"
        assert str(found["vmaf"]).startswith(failed)
        assert "/" not in str(found["vmaf"])
    if not METRICS["xpsnr"].unavailable():
        assert str(found["xpsnr"]) == f"pictures of {width}x{height}; XPSNR needs 2025 pixels"


@pytest.mark.parametrize(
    "error",
    [
        ToolError("FFmpeg failed (-8): x\nlast line"), RuntimeError("shape"), ValueError(""),
        ZeroDivisionError(), MemoryError("4 GiB"), OSError(28, "No space left"), KeyError("vmaf"),
    ],
)  # fmt: skip
def test_any_failure_is_the_metrics_own(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("hdac.metrics.flicker.Flicker._measure", fail)
    x, x_hat = smooth_and_rough(64, 64)
    found = measure(x, x_hat, ["flicker", "psnr-y"])
    assert type(error).__name__ in str(found["flicker"])
    assert isinstance(found["psnr-y"], Scores)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdac.metrics.flicker.Flicker._measure", lambda *_: Scores(value))
    x, x_hat = smooth_and_rough(64, 64)
    assert str(measure(x, x_hat, ["flicker"])["flicker"]) == f"its value is {value}"
