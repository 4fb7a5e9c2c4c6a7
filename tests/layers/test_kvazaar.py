"""HEVC by Kvazaar."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdac.bitstream.hevc.parameters import PPS_UNIT, SPS_UNIT, read_pps, read_slice, read_sps
from hdac.bitstream.nal import NalCompressor, split
from hdac.bitstream.rangecoder import Writer
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode
from hdac.codec.plan import choose_base, hevc_encoder
from hdac.errors import ToolError, UsageError
from hdac.layers.base import BaseConfig
from hdac.layers.base import kvazaar_cascade as cascade
from hdac.layers.hevc import HevcEncoder
from hdac.layers.kvazaar import DELAY, Kvazaar, first_access_unit
from hdac.layers.libav import LibavDecoder
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.ffmpeg import has_encoder
from hdac.video.picture import Picture
from tests.conftest import Run, synthetic

_LACKING = not has_encoder("libkvazaar")
pytestmark = pytest.mark.skipif(_LACKING, reason="this FFmpeg has no libkvazaar")

CONFIG = BaseConfig(176, 144, Fraction(30), 34, 40, cascade(40), encoder="kvazaar")


def coded(pictures: list[Picture], config: BaseConfig = CONFIG) -> list[bytes]:
    """Access units."""
    coder = Kvazaar(config)
    return [unit for picture in pictures for unit in coder.code(picture)] + coder.finish()


def test_any_decoder_agrees_and_nothing_is_late(head: list[Picture]) -> None:
    encoder, decoder, given = HevcEncoder(CONFIG), LibavDecoder("hevc"), []
    for i, picture in enumerate(head):
        out = encoder.push(picture)
        assert len(out) == (i >= DELAY)
        given += out
    given += encoder.flush()
    assert len(given) == len(head)
    for one in given:
        (picture,) = decoder.push(one.data)
        assert all(np.array_equal(a, b) for a, b in zip(picture, one.picture, strict=True))
    assert mean_psnr_y(head, [one.picture for one in given]) > 30


def test_same_bytes_in_every_run(head: list[Picture]) -> None:
    assert coded(head[:8]) == coded(head[:8])


@pytest.mark.parametrize("qp", [10, 26, 28, 30, 32, 36, 40, 47, 51])
def test_slices_have_the_qps_of_the_cascade(qp: int) -> None:
    config = replace(CONFIG, width=64, height=48, qp_intra=max(0, qp - 6), qp_base=qp)
    config = replace(config, cascade=cascade(qp))
    found = []
    for unit in (u.payload for data in coded(synthetic(9), config) for u in split(data) or []):
        kind = unit[0] >> 1 & 63
        if kind == SPS_UNIT:
            sps = read_sps(unit)
        elif kind == PPS_UNIT:
            pps = read_pps(unit)
        elif kind < 32:
            found.append(read_slice(unit, sps, pps).qp)
    assert found == [config.qp(i) for i in range(9)]


@pytest.mark.parametrize("size", [(66, 50), (34, 16), (16, 16), (63, 47)])
def test_pictures_of_any_size_come_back_cropped(size: tuple[int, int]) -> None:
    pictures = synthetic(3, size[0] + size[0] % 2, size[1] + size[1] % 2)
    config = EncoderConfig("base", 30, base_encoder="kvazaar")
    frames = [frame.picture for frame in decode(encode(pictures, *size, 25, config))]
    assert [frame.y.shape for frame in frames] == [picture.y.shape for picture in pictures]
    assert mean_psnr_y(pictures, frames) > 30


def test_headers_are_known_beforehand(head: list[Picture]) -> None:
    """A picture's header takes less than a byte from the start, where others take that long to
    learn."""
    compressor, headers, slices = NalCompressor("hevc", 4, (176, 144)), Writer(), Writer()
    units, spent = coded(head), []
    for unit in units:
        before = headers.spent
        assert compressor.write(headers, slices, unit) == b""
        spent.append(headers.spent - before)
    assert sum(spent[1:]) < 8 * len(units)


def test_access_units_end_where_the_next_one_starts(head: list[Picture]) -> None:
    units = coded(head[:3])
    data = b"".join(units)
    assert first_access_unit(data) == len(units[0])
    assert first_access_unit(data[: len(units[0]) + 3]) == 0  # the next NAL header is not there
    assert first_access_unit(units[2]) == 0


def test_a_closed_encoder_leaves_no_process(head: list[Picture]) -> None:
    coder = Kvazaar(CONFIG)
    coder.code(head[0])
    coder.close()
    assert coder._process.poll() is not None
    with Encoder(176, 144, 30, EncoderConfig("base", 40, base_codec="hevc")) as encoder:
        encoder.push(head[0])
        for picture in head[1:6]:
            encoder.push(picture)
        base = encoder._base
    assert isinstance(base, HevcEncoder)
    assert isinstance(base._coder, Kvazaar)
    assert base._coder._process.poll() is not None


def test_a_process_that_ends_is_an_error(head: list[Picture]) -> None:
    coder = Kvazaar(CONFIG)
    coder.code(head[0])
    coder._process.kill()
    with pytest.raises(ToolError, match=r"libkvazaar gave 0 of \d pictures of 176x144"):
        _ = [coder.code(picture) for picture in head[1:]]


def _without_kvazaar(folder: Path) -> Path:
    """An FFmpeg that has only x265."""
    path = folder / "ffmpeg"
    path.write_text("#!/bin/sh\necho ' V..... libx265 x265'\n")
    path.chmod(0o755)
    return path


def test_without_it_base_layers_are_those_of_x265(
    tmp_path: Path, clip: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDAC_FFMPEG", str(_without_kvazaar(tmp_path)))
    assert hevc_encoder(EncoderConfig()) == "x265"
    with pytest.raises(ToolError, match="no libkvazaar: use --base-encoder x265, or set"):
        encode(synthetic(2), 64, 48, 25, EncoderConfig("base", base_encoder="kvazaar"))
    out = tmp_path / "a.hdac"
    code, _, error = hdac("encode", clip, "-o", out, "--mode", "base", "--base-encoder", "kvazaar")
    assert (code, out.exists()) == (1, False)
    assert "libkvazaar" in error


def test_auto_is_kvazaar_where_it_can() -> None:
    assert hevc_encoder(EncoderConfig()) == "kvazaar"
    for settings in (
        {"live": True}, {"preset": "fast"}, {"tune": "perceptual"}, {"cascade": (2, 0)},
        {"mode": "animation"}, {"base_codec": "vvc"},
    ):  # fmt: skip
        assert hevc_encoder(EncoderConfig(**settings)) == "x265"  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"--base-encoder kvazaar with .*: use --base-enc"):
            EncoderConfig(base_encoder="kvazaar", **settings)  # type: ignore[arg-type]


def test_first_pictures_are_vvc_where_kvazaar_codes_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    assert choose_base(EncoderConfig()).codec == "mixed"
    for settings in (
        {"live": True}, {"preset": "fast"}, {"tune": "perceptual"}, {"base_encoder": "x265"},
        {"base_codec": "hevc"},
    ):  # fmt: skip
        assert choose_base(EncoderConfig(**settings)).codec == "hevc"  # type: ignore[arg-type]
    monkeypatch.setattr("hdac.video.ffmpeg.encoders", lambda _: {"libx265", "libkvazaar"})
    assert choose_base(EncoderConfig()).codec == "hevc"


def test_a_rate_while_pictures_come_is_for_x265(face: list[Picture]) -> None:
    with Encoder(176, 144, 30, EncoderConfig("base", kbps=20)) as encoder:
        assert encoder.plan.base.encoder == "x265"
    with pytest.raises(UsageError, match="20 kbps while pictures come: use --base-encoder x265"):
        Encoder(176, 144, 30, EncoderConfig("base", kbps=20, base_encoder="kvazaar"))
    data = encode(face[:12], 96, 80, 30, EncoderConfig("base", kbps=8, base_encoder="kvazaar"))
    assert len(list(decode(data))) == 12
