"""FFmpeg's metrics see which clip is the source; what their tools cannot do is theirs alone."""

from fractions import Fraction

import numpy as np
import pytest

from hdac.metrics.contract import Clip
from hdac.metrics.registry import METRICS
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
