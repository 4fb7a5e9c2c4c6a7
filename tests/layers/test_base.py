from fractions import Fraction

import numpy as np
import pytest

from hdac.errors import ToolError
from hdac.layers.base import BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.layers.libav import LibavDecoder
from hdac.layers.resample import downsample, pad_to, to_size, upsample
from hdac.layers.vvc import VvcEncoder
from hdac.layers.x265 import x265_params
from hdac.metrics.psnr import psnr_y
from hdac.video.ffmpeg import has_encoder
from hdac.video.picture import Picture
from tests.conftest import synthetic


def test_qp_cascade() -> None:
    config = BaseConfig(64, 64, Fraction(25), 30, 42, (8, 6, 8, 0))
    assert [config.qp(i) for i in range(9)] == [30, 50, 48, 50, 42, 50, 48, 50, 42]
    assert BaseConfig(64, 64, Fraction(25), 30, 46, (8, 0)).qp(1) == 51


def test_x265_is_told_the_cascade() -> None:
    params = x265_params(BaseConfig(64, 64, Fraction(25), 36, 42, (8, 6, 8, 0)), 6)
    assert "qp=42:ipratio=2.000000000:zones=2,2,q=50/3,3,q=48/4,4,q=50/6,6,q=50" in params


def test_no_delay_and_any_decoder_agrees(head: list[Picture]) -> None:
    encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), 30, 40))
    coded = []
    for picture in head:
        out = encoder.push(picture)
        assert len(out) == 1
        coded += out
    assert encoder.flush() == []
    decoder = LibavDecoder("hevc")
    for unit in coded:
        (picture,) = decoder.push(unit.data)
        assert all(np.array_equal(a, b) for a, b in zip(picture, unit.picture, strict=True))


def test_cascade_and_first_picture_show_in_sizes_and_quality(head: list[Picture]) -> None:
    encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), 24, 36))
    coded = [encoder.push(p)[0] for p in head[:17]]
    quality = [psnr_y(p, c.picture) for p, c in zip(head, coded, strict=False)]
    assert quality[0] == max(quality)
    good, others = (
        [quality[i] for i in (4, 8, 12, 16)],
        [quality[i] for i in (3, 5, 7, 9, 11, 13, 15)],
    )
    assert np.mean(good) > np.mean(others)
    sizes = [len(c.data) for c in coded]
    assert np.mean([sizes[i] for i in (4, 8, 12, 16)]) > 2 * np.mean(
        [sizes[i] for i in (5, 7, 9, 11, 13, 15)]
    )


def test_lower_qp_costs_more_and_looks_better(head: list[Picture]) -> None:
    rows = []
    for qp in (30, 37, 44, 51):
        encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), min(qp, 38), qp))
        coded = [encoder.push(p)[0] for p in head[:9]]
        rows.append(
            (
                sum(len(c.data) for c in coded),
                np.mean([psnr_y(p, c.picture) for p, c in zip(head, coded, strict=False)]),
            )
        )
    assert rows == sorted(rows, reverse=True)
    assert [q for _, q in rows] == sorted((q for _, q in rows), reverse=True)


def test_vvc_behind_the_same_interface(head: list[Picture]) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    encoder = VvcEncoder(BaseConfig(176, 144, Fraction(30), 28, 40))
    assert all(encoder.push(p) == [] for p in head[:9])
    coded = encoder.flush()
    assert len(coded) == 9
    assert len(coded[0].data) > 3 * len(coded[1].data)
    assert min(psnr_y(p, c.picture) for p, c in zip(head, coded, strict=False)) > 25
    assert encoder.flush() == []


def test_vvc_without_libvvenc_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdac.video.ffmpeg.encoders", lambda _: {"libx265"})
    with pytest.raises(ToolError, match="no libvvenc: use --base-codec hevc"):
        VvcEncoder(BaseConfig(64, 64, Fraction(25), 30, 40))


@pytest.mark.parametrize("qp_intra", [0, 12, 30, 51])
def test_the_first_picture_has_its_own_qp(qp_intra: int, head: list[Picture]) -> None:
    """Around every QP of the others, 0 too, which x265 takes for lossless coding."""
    made = {}
    for qp_base in (0, 1, 20, 51):
        config = BaseConfig(176, 144, Fraction(30), qp_intra, qp_base, (8, 0), "fast")
        encoder = HevcEncoder(config, None, 3)
        made[qp_base] = [encoder.push(p)[0] for p in head[:3]]
    first = {coded[0].picture.tobytes() for coded in made.values()}
    assert len(first) == 1
    sizes = [sum(len(c.data) for c in coded[1:]) for coded in made.values()]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_resampling_keeps_flat_and_smooth_pictures(factor: int) -> None:
    flat = Picture(
        np.full((32, 48), 77, np.uint8),
        np.full((16, 24), 120, np.uint8),
        np.full((16, 24), 130, np.uint8),
    )
    assert all(
        np.array_equal(a, b)
        for a, b in zip(upsample(downsample(flat, factor), factor), flat, strict=True)
    )
    ramp = synthetic(1)[0]._replace(y=np.tile(np.linspace(40, 200, 64).astype(np.uint8), (48, 1)))
    assert np.abs(upsample(downsample(ramp, factor), factor).y.astype(int) - ramp.y).max() <= 3


def test_padding() -> None:
    padded = pad_to(synthetic(1, 66, 50)[0], 8)
    assert [p.shape for p in padded] == [(56, 72), (28, 36), (28, 36)]
    assert np.array_equal(padded.y[50:], np.tile(padded.y[49], (6, 1)))


def test_to_size_has_one_factor_for_both_sides() -> None:
    (picture,) = synthetic(1, 64, 48)
    for width, height in ((32, 24), (16, 12), (64, 48), (128, 96)):
        made = to_size(picture, width, height)
        assert (made.width, made.height) == (width, height)
    with pytest.raises(AssertionError, match="one factor"):
        to_size(picture, 32, 48)
