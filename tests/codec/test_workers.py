"""Same input, same options: same bytes, on any number of cores."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdac.codec import synthesiser
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode, inspect
from hdac.video.ffmpeg import has_encoder
from hdac.video.picture import Picture


def worsening(frames: int = 90, side: int = 64) -> list[Picture]:
    """A still picture whose noise grows, so that the rate-distortion rule asks for a refresh."""
    rng, (y, x) = np.random.default_rng(1), np.mgrid[0:side, 0:side]
    still = 90 + 60 * np.sin(x / 9) + 30 * np.cos(y / 7)
    chroma = [np.full((side // 2, side // 2), value, np.uint8) for value in (120, 130)]
    pictures = []
    for t in range(frames):
        noise = min(14, max(0, t - 30) * 0.5) * rng.standard_normal((side, side))
        pictures.append(Picture((still + noise).clip(16, 235).astype(np.uint8), *chroma))
    return pictures


def test_bytes_do_not_depend_on_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refresh policy once saw statistics that lagged by the number of workers."""
    made = {}
    for workers in (1, 2, 16):
        monkeypatch.setattr(synthesiser, "CORES", workers)
        made[workers] = encode(worsening(), 64, 64, Fraction(25), EncoderConfig(qp_base=44))
    assert len(set(made.values())) == 1
    assert inspect(made[1]).refreshes == 1
    pictures = {}
    for workers in (1, 4):
        monkeypatch.setattr(synthesiser, "CORES", workers)
        pictures[workers] = b"".join(f.picture.tobytes() for f in decode(made[1]))
    assert pictures[1] == pictures[4]


@pytest.mark.parametrize("settings", [{"qp_base": 44}, {"kbps": 20.0}])
@pytest.mark.parametrize("preset", ["fast", None])
@pytest.mark.parametrize("live", [True, False])
def test_bytes_of_pushed_pictures_do_not_depend_on_cores(
    face: list[Picture],
    live: bool,
    preset: str | None,
    settings: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a bit rate the size of a picture decides the QP of the next ones."""
    made = set()
    for workers in (1, 2, 16):
        monkeypatch.setattr(synthesiser, "CORES", workers)
        config = EncoderConfig(live=live, preset=preset, refresh=7, **settings)  # type: ignore[arg-type]
        with Encoder(96, 80, 25, config) as encoder:
            packets = [packet for p in face[:10] for packet in encoder.push(p)] + encoder.flush()
            made.add(b"".join(packet.tobytes() for packet in packets))
    assert len(made) == 1


def test_bytes_of_vvc_do_not_depend_on_cores(head: list[Picture]) -> None:
    """libvvenc's do, on the number of its threads: with 8 they are others than with 2."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    command = " ".join(
        [
            "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});",
            "from tests.codec.test_workers import vvc; sys.stdout.buffer.write(vvc())",
        ]
    )
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no way to use one core only on this system")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=root, capture_output=True, check=True
    )
    assert done.stdout == vvc()


def vvc() -> bytes:
    config = EncoderConfig(mode="base", base_codec="vvc", qp_base=38, preset="fast")
    return encode(worsening(9), 64, 64, Fraction(25), config)


def test_the_number_format_is_no_race(head: list[Picture]) -> None:
    """It is what somebody asks for, or else what the model and the device say; whoever decodes
    takes it from the stream."""
    cases = {("auto", "cpu"): "INT8", ("auto", "torch"): "FP32"}
    cases |= {(name, "cpu"): name.upper() for name in ("int8", "fp32", "bf16")}
    for (asked, device), name in cases.items():
        config = EncoderConfig(qp_base=46, precision=asked, device=device, preset="medium")  # type: ignore[arg-type]
        data = encode(head[:2], 176, 144, Fraction(25), config)
        assert inspect(data).header.number_format.name == name
        assert len(list(decode(data))) == 2
