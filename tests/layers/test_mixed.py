"""First pictures of VVC, the others of HEVC."""

import random
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from hdac.bitstream.hevc.parameters import UnsupportedError, read_pps, read_sps
from hdac.bitstream.hevc.pcm import pcm_picture, with_flags
from hdac.bitstream.hevc.rewriting import allow_pcm
from hdac.bitstream.nal import NalCompressor, Unit, is_parameters, join, split
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.errors import DamagedError, StreamError, ToolError
from hdac.layers.base import BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.layers.libav import LibavDecoder
from hdac.layers.mixed import MixedDecoder, MixedEncoder, PlainHevc
from hdac.layers.resample import downsample
from hdac.video.ffmpeg import has_encoder
from hdac.video.fidelity import luma_mse
from hdac.video.picture import Picture

CONFIG = BaseConfig(176, 144, Fraction(30), 30, 36, (8, 6, 8, 0))


def equal(a: Picture, b: Picture) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def cropped(picture: Picture, width: int, height: int) -> Picture:
    return Picture(
        picture.y[:height, :width],
        picture.u[: height // 2, : width // 2],
        picture.v[: height // 2, : width // 2],
    )


@pytest.fixture(scope="module")
def units(head: list[Picture]) -> list[bytes]:
    """Access units of a mixed base layer."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    encoder = MixedEncoder(replace(CONFIG, preset="fast"))
    return [coded.data for picture in head[:8] for coded in encoder.push(picture)]


@pytest.mark.parametrize(
    ("width", "height", "qp", "preset"),
    [(176, 144, 24, None), (136, 104, 12, "medium"), (176, 144, 43, "fast")],
)
def test_pictures_after_pcm(
    head: list[Picture], width: int, height: int, qp: int, preset: str | None
) -> None:
    """x265's stream with its first picture as PCM and flags in the others: libavcodec shows exactly
    what it shows of x265's own."""
    config = replace(CONFIG, width=width, height=height, qp_base=qp, preset=preset)
    encoder, decoder, changed = HevcEncoder(config), LibavDecoder("hevc"), 0
    for index, picture in enumerate(cropped(p, width, height) for p in head):
        (coded,) = encoder.push(picture)
        found = split(coded.data)
        assert found
        if index == 0:
            sets = [u for u in found if is_parameters(u.payload[0])]
            sets[1] = Unit(sets[1].long_start, allow_pcm(sets[1].payload))
            sps, pps = read_sps(sets[1].payload), read_pps(sets[2].payload)
            data = join([*sets, Unit(True, pcm_picture(coded.picture, sps, pps))])
        else:
            data = join([Unit(u.long_start, with_flags(u.payload, sps, pps)) for u in found])
            changed += data != coded.data
        (shown,) = decoder.push(data)
        assert equal(shown, coded.picture)
    assert changed  # pictures with intra blocks


@pytest.mark.parametrize(("width", "height"), [(176, 144), (130, 98), (64, 16)])
def test_pcm_is_exact(head: list[Picture], width: int, height: int) -> None:
    """Sizes that are no multiple of the smallest block too."""
    picture = cropped(head[3], width, height)
    found = split(
        HevcEncoder(replace(CONFIG, width=width, height=height))
        .push(cropped(head[0], width, height))[0]
        .data
    )
    assert found
    sets = [u for u in found if is_parameters(u.payload[0])]
    sets[1] = Unit(True, allow_pcm(sets[1].payload))
    sps, pps = read_sps(sets[1].payload), read_pps(sets[2].payload)
    assert (sps.pcm[0], sps.pcm[-1]) == (3, min(5, sps.tree_block))
    (shown,) = LibavDecoder("hevc").push(join([*sets, Unit(True, pcm_picture(picture, sps, pps))]))
    assert equal(shown, picture)
    with pytest.raises(UnsupportedError, match="PCM blocks already"):
        allow_pcm(sets[1].payload)
    with pytest.raises(UnsupportedError, match=rf"for a picture of {width}x{height - 8}"):
        pcm_picture(cropped(picture, width, height - 8), sps, pps)


def test_first_picture_is_vvc(head: list[Picture], units: list[bytes]) -> None:
    """It is VVC's picture to the bit, and the pictures after it are predicted from it."""
    decoder = MixedDecoder(176, 144)
    shown = [decoder.push(unit)[0] for unit in units]
    first = split(units[0])
    assert first
    vvc = LibavDecoder("vvc")
    (still,) = vvc.push(join([u for u in first if not is_parameters(u.payload[0])])) + vvc.flush()
    assert equal(shown[0], still)
    assert sum(map(len, units[1:])) < 0.6 * len(units[0]) * len(units[1:])
    for picture, source in zip(shown, head, strict=False):
        assert 10 * np.log10(255**2 / luma_mse(picture, source)) > 30


def test_first_picture_may_be_larger(head: list[Picture]) -> None:
    """It is shown as it is; what is half as wide and high is predicted from its averages."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    config = replace(CONFIG, width=88, height=72, preset="fast", first_scale=2)
    encoder, decoder = MixedEncoder(config), MixedDecoder(88, 72, 2)
    coded = encoder.push(head[0])
    coded += [c for picture in head[1:6] for c in encoder.push(downsample(picture, 2))]
    coded += encoder.flush()
    shown = [decoder.push(each.data)[0] for each in coded]
    assert all(equal(a, b.picture) for a, b in zip(shown, coded, strict=True))
    assert [(p.width, p.height) for p in shown] == [(176, 144)] + 5 * [(88, 72)]
    assert 10 * np.log10(255**2 / luma_mse(shown[0], head[0])) > 33
    assert sum(len(c.data) for c in coded[1:]) < 0.4 * len(coded[0].data) * 5
    plain, hevc = PlainHevc(88, 72, 2), LibavDecoder("hevc")
    again = [hevc.push(plain.convert(each.data))[0] for each in coded]
    assert equal(again[0], downsample(shown[0], 2))
    assert all(map(equal, again[1:], shown[1:]))
    with pytest.raises(DamagedError, match=r"176x144 instead of 88x72"):
        PlainHevc(88, 72).convert(coded[0].data)


def test_compressed(units: list[bytes]) -> None:
    writer, slices, compressor = Writer(), Writer(), NalCompressor("mixed", 4, (176, 144))
    stored = [compressor.write(writer, slices, unit) for unit in units]
    reader, recoded = Reader(writer.finish()), Reader(slices.finish(), slices.bits)
    back, rest = NalCompressor("mixed", 4, (176, 144)), memoryview(b"".join(stored))
    for unit, kept in zip(units, stored, strict=True):
        restored, taken = back.read(reader, recoded, rest)
        assert (restored, taken) == (unit, len(kept))
        rest = rest[taken:]
    assert not any(stored[1:])  # recoded


def test_parameter_sets_cost_little(head: list[Picture]) -> None:
    """At 256x256 and 25 frames a second, in the presets that use VVC."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    picture = Picture(
        *(
            np.pad(p, [(0, side - n) for n in p.shape], mode="reflect")
            for p, side in zip(head[0], (256, 128, 128), strict=True)
        )
    )
    for preset in ("medium", "slow"):
        (coded,) = MixedEncoder(BaseConfig(256, 256, Fraction(25), 34, 40, preset=preset)).push(
            picture
        )
        units = split(coded.data)
        assert units
        slices = sum(len(u.payload) for u in units if u.payload[:2] == b"\0\x41")
        writer = Writer()
        stored = NalCompressor("mixed", 4, (256, 256)).write(writer, Writer(), coded.data)
        assert (
            len(writer.finish()) + len(stored) - slices
            < 24
            < sum(len(u.payload) for u in units) - slices
        )


def test_damaged(units: list[bytes]) -> None:
    first = split(units[0])
    assert first
    sets, vvc = (
        [u for u in first if is_parameters(u.payload[0])],
        [u for u in first if not is_parameters(u.payload[0])],
    )
    for broken in (sets, vvc, sets[:1] + vvc, sets[:2] + vvc, sets + vvc[:2], sets + vvc + vvc):
        with pytest.raises(DamagedError, match="mixed base layer"):
            PlainHevc(176, 144).convert(join(broken))
    with pytest.raises(DamagedError, match=r"176x144 instead of 64x64"):
        PlainHevc(64, 64).convert(units[0])
    sps = read_sps(sets[1].payload)
    text = "".join(f"{byte:08b}" for byte in sets[1].payload[2:])
    sizes = text.index("1", sps.pcm_at + 9 + 1) + 1  # behind the smallest size's code, which is "1"
    for other in ("1", "010"):  # blocks of one size, of two
        changed = text[:sizes] + other + text[sizes + 3 :]
        body = int(changed.ljust(-(-len(changed) // 8) * 8, "0"), 2).to_bytes(
            -(-len(changed) // 8), "big"
        )
        sets[1] = Unit(True, sets[1].payload[:2] + body)
        with pytest.raises(DamagedError, match=r"PCM blocks of all sizes|does not decode"):
            PlainHevc(176, 144).convert(join(sets + vvc))
    chance = random.Random(5)
    for _ in range(40):
        data = bytearray(units[0])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            pictures = MixedDecoder(176, 144).push(bytes(data))
        except (StreamError, av.error.FFmpegError):
            continue
        assert len(pictures) <= 1


@pytest.mark.parametrize(("width", "height"), [(66, 50), (130, 98)])
def test_padded_sizes(head: list[Picture], width: int, height: int) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    encoder = MixedEncoder(replace(CONFIG, width=width, height=height, qp_base=30, preset="fast"))
    for picture in (cropped(p, width, height) for p in head[:6]):
        (coded,) = encoder.push(picture)
        assert 10 * np.log10(255**2 / luma_mse(coded.picture, picture)) > 31


def test_bad_input(monkeypatch: pytest.MonkeyPatch, head: list[Picture]) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    monkeypatch.setattr(
        "hdac.layers.x265.FIXED",
        "bframes=0:rc-lookahead=0:keyint=-1:wpp=1:slices=2:repeat-headers=1",
    )
    encoder = MixedEncoder(replace(CONFIG, preset="fast"))
    with pytest.raises(ToolError, match=r"cannot take .*: use --base-codec hevc"):
        [encoder.push(picture) for picture in head[:3]]
