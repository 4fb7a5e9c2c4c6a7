"""A clip of `val` that the network has never seen."""

import itertools
from pathlib import Path

import numpy as np

from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode, inspect
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader


def test_fusion_improves_on_its_base_layer(data: Path) -> None:
    reader = VideoReader(data / "val" / "tv_id063_0.mp4")
    pictures, shown = list(itertools.islice(reader, 60)), list[Picture]()

    def watch(encoder: Encoder) -> None:
        shown.extend(encoder.shown.popleft().picture for _ in range(len(encoder.shown)))

    stream = encode(pictures, 256, 256, reader.info.fps, EncoderConfig(qp_base=44), frames=60, watch=watch)
    fused, base = ([f.picture for f in decode(stream, level)] for level in ("fused", "base"))
    assert all(np.array_equal(a, b) for s, f in zip(shown, fused, strict=True) for a, b in zip(s, f, strict=True))
    assert mean_psnr_y(pictures, fused) > mean_psnr_y(pictures, base) + 0.05
    assert inspect(stream).bits.motion / 60 < 60  # bits a frame


def test_animation_follows_the_head(data: Path) -> None:
    """Closer to the source than the reference picture held still."""
    reader = VideoReader(data / "val" / "tv_id063_0.mp4")
    pictures = list(itertools.islice(reader, 60))
    stream = encode(pictures, 256, 256, reader.info.fps, EncoderConfig(mode="animation", qp_ref=36), frames=60)
    moved = [f.picture for f in decode(stream)]
    late = slice(20, 60)
    assert mean_psnr_y(pictures[late], moved[late]) > mean_psnr_y(pictures[late], [moved[0]] * 40) + 0.5
