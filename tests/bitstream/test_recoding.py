"""Slices of HEVC, taken apart into bins and put together again."""

import hashlib
import random
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac.bitstream import compiled
from hdac.bitstream.hevc import bins as hevc_bins
from hdac.bitstream.hevc import cabac
from hdac.bitstream.hevc.parameters import P_SLICE, Slice
from hdac.bitstream.mixing import _NODES, _SQUASH, _STRETCH, VIEWS
from hdac.bitstream.models import Mixer, ParsedSlice
from hdac.bitstream.nal import NalCompressor, Unit, is_slice, split
from hdac.bitstream.noting import Bins
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.bitstream.recoding import (
    PRIORS,
    HevcMixer,
    HevcState,
    SliceRecoder,
    bin_limit,
    least_size,
    slice_limit,
)
from hdac.errors import DamagedError, ToolError
from hdac.layers.base import BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.video.ffmpeg import find_ffmpeg, has_encoder
from hdac.video.picture import Picture
from tests.bitstream.cabac import Cabac


def coded(pictures: list[Picture], qp: int = 40, first: int = 32) -> list[bytes]:
    """Access units of our base layer."""
    encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), first, qp, (8, 6, 8, 0)))
    return [unit.data for picture in pictures for unit in encoder.push(picture)]


def by_ffmpeg(pictures: list[Picture], codec: str, *options: str) -> list[Unit]:
    """The NAL units of a stream of another encoder, or of x265 as others set it."""
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg has no {codec}")
    source = ["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "176x144", "-i", "-"]
    command = [find_ffmpeg(), *source, "-c:v", codec, *options, "-f", "hevc", "-"]
    raw = b"".join(p.tobytes() for p in pictures)
    data = subprocess.run(command, input=raw, capture_output=True, check=True).stdout
    units = split(data, limit=10_000)
    assert units
    return units


def recoded(units: list[Unit]) -> tuple[int, int]:
    """How many slices there are, and how many of them are recoded; asserts that these come back
    from their bins."""
    writer, one, slices, marks = Writer(), SliceRecoder(176, 144), [], 0
    for unit in units:
        if not is_slice(unit.payload[0], unit.payload[1], "hevc"):
            one.parameters(unit.payload)
            continue
        parsed = one.parse(unit.payload)
        slices.append(parsed)
        if parsed is not None:
            one.write(writer, parsed)
            marks += 1
    reader, two, i = Reader(writer.finish(), writer.bits), SliceRecoder(176, 144), 0
    for unit in units:
        if not is_slice(unit.payload[0], unit.payload[1], "hevc"):
            two.parameters(unit.payload)
            continue
        parsed, i = slices[i], i + 1
        if parsed is None:
            two.skip()
            continue
        header = unit.payload[: parsed.head.first]
        assert header + two.read(reader, header) == unit.payload
    assert reader.bits_left == 0
    return len(slices), marks


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, cabac.CONTEXTS), st.booleans()), max_size=300),
    st.integers(0, 51),
    st.integers(0, 2),
)
def test_cabac_reads_what_it_wrote(bins: list[tuple[int, bool]], qp: int, kind: int) -> None:
    coder = Cabac(cabac, cabac.initial_states(kind, qp))
    coder.write(bins, flags=True)
    assert coder.read([context for context, _ in bins], flags=True) == [v for _, v in bins]


@pytest.mark.parametrize("qp", [28, 40, 51])
def test_all_slices_of_our_base_layer(head: list[Picture], qp: int) -> None:
    units = [unit for data in coded(head[:10], qp) for unit in split(data) or []]
    assert recoded(units) == (10, 10)


FOREIGN = {
    "libx265 veryslow": (
        "libx265", 12, "-preset", "veryslow",
        "-x265-params", "bframes=0:amp=1:rect=1:tskip=1:weightp=0:wpp=0:log-level=none",
    ),
    "libx265 adaptive QP": (
        "libx265", 12,
        "-x265-params", "bframes=0:aq-mode=2:cu-lossless=0:weightp=0:wpp=0:log-level=none",
    ),
    "libx265 small blocks": (
        "libx265", 12,
        "-x265-params", "bframes=0:ctu=16:min-cu-size=8:weightp=0:wpp=0:sao=0:log-level=none",
    ),
    "libx265 large blocks": (
        "libx265", 12,
        "-x265-params", "bframes=0:ctu=64:min-cu-size=16:weightp=0:wpp=0:log-level=none",
    ),
    "libx265 small transforms": (
        "libx265", 12, "-x265-params",
        "bframes=0:max-tu-size=8:tu-inter-depth=3:tu-intra-depth=3:wpp=0:weightp=0:log-level=none",
    ),
    "libx265 as it comes": ("libx265", 0),
    "libx265 B slices": (
        "libx265", 12, "-x265-params",
        "bframes=4:b-pyramid=1:weightp=0:weightb=0:amp=1:rect=1:wpp=0:log-level=none",
    ),
    "libkvazaar": ("libkvazaar", 0),
    "libkvazaar low delay B": (
        "libkvazaar", 12, "-kvazaar-params",
        "preset=slow,gop=lp-g8d4t1,bipred=1,ref=4,smp=1,amp=1,period=0,qp=38,wpp=0,owf=0,threads=0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_other_streams_come_back_too(head: list[Picture], name: str) -> None:
    """The second figure: slices that are recoded at least; wavefronts and weighted prediction are
    stored as they are."""
    codec, least, *options = FOREIGN[name]
    slices, done = recoded(by_ffmpeg(head[:12], codec, *options))
    assert slices >= 12
    assert done >= least


def test_less_than_cabac(head: list[Picture]) -> None:
    """On this clip, which is in nobody's training set: 10 % of the slices' bytes at least, 20 % at
    QP 51."""
    for qp, least in ((40, 0.1), (51, 0.2)):
        units = coded(head, qp)
        writer, recoder, before = Writer(), SliceRecoder(176, 144), 0
        for unit in (u for data in units for u in split(data) or []):
            if is_slice(unit.payload[0], unit.payload[1], "hevc"):
                parsed = recoder.parse(unit.payload)
                assert parsed is not None
                if not parsed.head.intra:
                    before += len(unit.payload) - parsed.head.first
                    recoder.write(writer, parsed)
            else:
                recoder.parameters(unit.payload)
        assert writer.spent / 8 <= (1 - least) * before


def test_damaged_slices_are_named(head: list[Picture]) -> None:
    """Whatever bits change: access units come, or `DamagedError`, in bounded time."""
    writer, slices, compressor = Writer(), Writer(), NalCompressor("hevc", 4, (176, 144))
    units = coded(head[:6])
    stored = b"".join(compressor.write(writer, slices, unit) for unit in units)
    kept, dice = (writer.finish(), slices.finish()), random.Random(3)
    named = 0
    for which in [0, 1] * 15:
        broken = [bytearray(data) for data in kept]
        for _ in range(dice.randint(1, 3)):
            broken[which][dice.randrange(len(broken[which]))] ^= 1 << dice.randrange(8)
        back, rest = NalCompressor("hevc", 4, (176, 144)), memoryview(stored + bytes(200))
        reader = Reader(bytes(broken[0]))
        recoded = Reader(bytes(broken[1]), bin_limit(6, 176 * 144, len(broken[1])))
        try:
            for _ in units:
                _, taken = back.read(reader, recoded, rest)
                rest = rest[taken:]
        except DamagedError:
            named += 1
    assert named


def test_damaged_headers_are_stored(head: list[Picture]) -> None:
    """Units that only look like HEVC: nothing but `None` or what comes back."""
    units = [unit.payload for data in coded(head[:3]) for unit in split(data) or []]
    dice = random.Random(5)
    for _ in range(80):
        recoder = SliceRecoder(176, 144)
        for payload in units:
            broken = bytearray(payload)
            for _ in range(dice.choice([0, 0, 1, 4])):
                broken[dice.randrange(2, len(broken))] ^= 1 << dice.randrange(8)
            if is_slice(broken[0], broken[1], "hevc"):
                parsed = recoder.parse(bytes(broken))
                assert parsed is None or parsed.bins
            else:
                recoder.parameters(bytes(broken))


def test_tables_are_the_same_everywhere() -> None:
    """Integers decide what is coded; these come from a formula, listed so that no machine computes
    them."""
    x = np.arange(-2048, 2049, 128) / 256
    assert list(_NODES) == [max(1, min(4095, round(v))) for v in 4096 / (1 + np.exp(-x))]
    assert sorted(_SQUASH) == _SQUASH
    assert all(abs(_SQUASH[s + 2048] - p) <= 4 for p, s in enumerate(_STRETCH) if 2 <= p <= 4090)


@pytest.mark.parametrize("wider", [False, True])
def test_models_learn(wider: bool) -> None:
    """The first view of a bin never changes; with `wider` only another one tells what it will
    be."""
    parameters = cast(Any, None)  # a mixer looks at none
    head = Slice(parameters, parameters, P_SLICE, 1, 40, False, False, (1, 1), False, 1, 0)
    writer, mixer, costs = Writer(), HevcMixer(), []
    for i in range(400 if wider else 200):
        before, value = writer.spent, i % 2 if wider else 1
        first = 8 * 3 + 2 * wider + value  # model, number of wider views, bin
        mixer.write(writer, ParsedSlice(head, Bins([first, 250, i % 2, 0, 0])))
        costs.append(writer.spent - before)
    assert np.mean(costs[-20:]) < 0.05


def test_priors_are_there() -> None:
    with np.load(PRIORS, allow_pickle=False) as tables:
        models, weights = tables["models"], tables["weights"]
    assert models.shape[1] == 3
    assert len(models) > 1000
    assert 0 < models[:, 1].min() <= models[:, 1].max() < 65536
    assert weights.shape[1] == 1 + VIEWS
    digest = hashlib.sha256(
        models.astype("<u4").tobytes() + weights.astype("<i4").tobytes()
    ).hexdigest()
    assert digest[:16] == "249434d5b555693d", "other first guesses are another format"


def test_two_pictures_in_an_access_unit(head: list[Picture]) -> None:
    first, *others = coded(head[:4])
    units = [first, b"".join(others)]
    writer, slices, compressor = Writer(), Writer(), NalCompressor("hevc", 4, (176, 144))
    assert b"".join(compressor.write(writer, slices, unit) for unit in units) == b""
    reader, recoded = Reader(writer.finish()), Reader(slices.finish(), slices.bits)
    back = NalCompressor("hevc", 4, (176, 144))
    assert [back.read(reader, recoded, memoryview(b""))[0] for _ in units] == units


@pytest.mark.parametrize("size", [(176, 152), (168, 144), (352, 288), (64, 64)])
def test_only_pictures_of_the_right_size_are_recoded(
    head: list[Picture], size: tuple[int, int]
) -> None:
    """A small header and a sequence of 4160x4160: no work is done for that."""
    units = coded(head[:2])
    slices = Writer()
    compressor = NalCompressor("hevc", 4, size)
    assert all(compressor.write(Writer(), slices, unit) for unit in units)  # stored
    assert slices.bits == 0

    writer, compressor = Writer(), NalCompressor("hevc", 4, (176, 144))
    for unit in units:
        compressor.write(writer, slices, unit)
    reader = Reader(slices.finish(), slices.bits)
    with pytest.raises(DamagedError, match=f"parameter sets for pictures of {size[0]}x{size[1]}"):
        NalCompressor("hevc", 4, size).read(Reader(writer.finish()), reader, memoryview(b""))
    assert reader.bits_left == slices.bits


def test_sizes_are_padded_to_smallest_blocks() -> None:
    """Padding belongs to the sequence, not to another size."""
    planes = (np.full(size, 90, np.uint8) for size in ((138, 170), (69, 85), (69, 85)))
    pictures = [Picture(*planes)] * 2
    encoder = HevcEncoder(BaseConfig(170, 138, Fraction(30), 32, 40, (0,)))
    units = [unit.data for picture in pictures for unit in encoder.push(picture)]
    compressor, slices = NalCompressor("hevc", 1, (170, 138)), Writer()
    assert not any(compressor.write(Writer(), slices, unit) for unit in units)


def p_slice(head: list[Picture]) -> tuple[list[bytes], bytes, ParsedSlice]:
    """Parameter sets, and the header and the bins of a P slice that follows them."""
    first, second = (split(data) or [] for data in coded(head[:2]))
    recoder, sets = SliceRecoder(176, 144), [unit.payload for unit in first[:-1]]
    for payload in sets:
        recoder.parameters(payload)
    parsed = recoder.parse(second[-1].payload)
    assert parsed is not None
    return sets, second[-1].payload[: parsed.head.first], parsed


def test_bins_of_a_packet_are_bounded(head: list[Picture]) -> None:
    """Zeros behind the end are slices without end; the reading stops at the bin behind the limit,
    and more bytes allow more bins."""
    sets, header, _ = p_slice(head)
    frames, pixels = 20, 176 * 144

    def read(slices: Reader) -> int:
        recoder = SliceRecoder(176, 144)
        for payload in sets:
            recoder.parameters(payload)
        for _ in range(frames):
            recoder.read(slices, header)
        return 10**6 - slices.bits_left

    bins = read(Reader(b"", 10**6))
    assert bins > 2 * bin_limit(frames, pixels, 0)
    slices = Reader(b"", bin_limit(frames, pixels, 0))
    with pytest.raises(DamagedError, match="more bins than their bytes and pictures allow"):
        read(slices)
    assert slices.bits_left == -1
    size = least_size(frames, pixels, bins)
    read(Reader(bytes(size), bin_limit(frames, pixels, size)))
    with pytest.raises(DamagedError):
        read(Reader(bytes(size - 1), bin_limit(frames, pixels, size - 1)))


def test_bins_of_a_slice_are_bounded(head: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    """All the coefficients that there can be: bins that an attacker chooses, 1 in these contexts
    (bypass bins: 0)."""
    sets, header, parsed = p_slice(head)
    ones = set(range(cabac.CONTEXTS)) - {*range(cabac.SKIP, cabac.SKIP + 3)}
    with monkeypatch.context() as patched:
        patched.setattr(compiled._chooser, "codes", dict(compiled.INTERPRETED))
        patched.setattr(hevc_bins, "read_bin", lambda s, tape, context: int(context in ones))
        patched.setattr(hevc_bins, "read_bypass", lambda s, tape: 0)
        patched.setattr(hevc_bins, "terminate", lambda s, tape, last: None)
        patched.setattr("hdac.bitstream.hevc.tree.terminate", lambda s, tape, last: None)
        patched.setattr("hdac.bitstream.hevc.tree.exact", lambda s, tape: True)
        chosen = HevcState().parse(b"", cast(Slice, parsed.head), 10**6)
    assert chosen is not None
    writer = Writer()
    HevcMixer().write(writer, ParsedSlice(parsed.head, chosen))
    assert writer.bits > slice_limit(176 * 144)
    slices, recoder = Reader(writer.finish(), 10**6), SliceRecoder(176, 144)
    for payload in sets:
        recoder.parameters(payload)
    with pytest.raises(DamagedError, match="more bins than"):
        recoder.read(slices, header)
    assert slices.bits_left == -1


def test_padding_makes_room_for_bins() -> None:
    for bins in (0, 1, 1000, 5000, 77_777, 10**6):
        for frames, pixels in ((1, 256), (60, 65536), (16, 1920 * 1088)):
            size = least_size(frames, pixels, bins)
            assert bin_limit(frames, pixels, size) >= bins
            assert size == 0 or bin_limit(frames, pixels, size - 1) < bins
    assert slice_limit(16 * 16) == 2048
    assert slice_limit(1920 * 1080) == 80_000


@pytest.mark.parametrize("damage", [None, 0, 1000], ids=["missing", "empty", "cut short"])
def test_missing_priors(damage: int | None, tmp_path: Path) -> None:
    code, path = compiled.INTERPRETED["hevc"], tmp_path / "priors.npz"
    if damage is not None:
        path.write_bytes(PRIORS.read_bytes()[:damage])
    with pytest.raises(ToolError, match=r"priors.npz is missing .*install hdac again"):
        Mixer("hevc", path, hevc_bins.MODELS, hevc_bins.EVEN, None).memory(code, 1)
