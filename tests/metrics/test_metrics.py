import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.metrics.ms_ssim import ms_ssim_y, window
from hdac.metrics.psnr import mean_psnr_y, psnr_y
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from tests.conftest import synthetic, write_video


def noisy(pictures: list[Picture]) -> list[Picture]:
    rng = np.random.default_rng(0)
    return [p._replace(y=(p.y + rng.integers(-9, 10, p.y.shape)).clip(0, 255).astype(np.uint8)) for p in pictures]


def test_psnr_against_ffmpeg(tmp_path, head: list[Picture]) -> None:
    ours = mean_psnr_y(head[:4], noisy(head[:4]))
    for name, pictures in (("a.mkv", head[:4]), ("b.mkv", noisy(head[:4]))):
        write_video(tmp_path / name, pictures)
    log = tmp_path / "psnr.log"
    run_ffmpeg(["-i", str(tmp_path / "b.mkv"), "-i", str(tmp_path / "a.mkv"), "-lavfi", f"psnr=stats_file={log}", "-f", "null", "-"])
    theirs = [float(line.split("psnr_y:")[1].split()[0]) for line in log.read_text().splitlines()]
    assert ours == pytest.approx(np.mean(theirs), abs=0.01)


def test_identical_pictures() -> None:
    a = synthetic(1)[0]
    assert psnr_y(a, a) == 100


def test_ms_ssim(head: list[Picture]) -> None:
    assert ms_ssim_y(head[:3], head[:3]) == pytest.approx(1)
    assert 0.5 < ms_ssim_y(head[:3], noisy(head[:3])) < 0.99
    assert [window(s) for s in (49, 144, 160, 161, 1000)] == [3, 9, 9, 11, 11]
    with pytest.raises(UsageError, match="64x48 pictures; both sides must be at least 49"):
        ms_ssim_y(synthetic(1), synthetic(1))
