"""Slices of VVC, taken apart into bins and put together again."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.mixing import VIEWS
from hdac.bitstream.nal import split
from hdac.bitstream.noting import Bins
from hdac.bitstream.rangecoder import Reader as CodeReader
from hdac.bitstream.rangecoder import Writer
from hdac.bitstream.vvc import cabac
from hdac.bitstream.vvc.bins import MODELS
from hdac.bitstream.vvc.cabac import CONTEXTS, initial_states
from hdac.bitstream.vvc.header import Slice, read_slice
from hdac.bitstream.vvc.maps import shape
from hdac.bitstream.vvc.mixing import PRIORS
from hdac.bitstream.vvc.parameters import (
    PPS_UNIT,
    PREFIX_APS_UNIT,
    SPS_UNIT,
    SUFFIX_APS_UNIT,
    Aps,
    Pps,
    Sps,
    read_aps,
)
from hdac.bitstream.vvc.recoder import VvcSliceRecoder
from hdac.bitstream.vvc.scans import scan
from hdac.bitstream.vvc.state import VvcState
from hdac.errors import DamagedError
from hdac.layers.vvc import PARAMS, THREADS
from hdac.video.ffmpeg import has_encoder, run_ffmpeg
from hdac.video.picture import Picture
from tests.bitstream.cabac import Cabac
from tests.conftest import synthetic

_LIMIT = 40_000  # bins of a slice


class Reader:
    """Parameter sets as they come, and the slices between them."""

    def __init__(self) -> None:
        self.sps: Sps | None = None
        self.pps: Pps | None = None
        self.sets: dict[int, Aps] = {}
        self.state = VvcState()

    def read(self, payload: bytes) -> tuple[Slice, Bins | None] | None:
        """What a NAL unit's slice is, if it carries one; no bins if it does not come back from
        them."""
        kind = payload[1] >> 3
        if kind == SPS_UNIT:
            self.sps = Sps(payload)
        elif kind == PPS_UNIT:
            self.pps = Pps(payload)
        elif kind in (PREFIX_APS_UNIT, SUFFIX_APS_UNIT):
            number, found = read_aps(payload)
            if found is not None:
                self.sets[number] = found
        elif kind < 12 and self.sps and self.pps:
            head = read_slice(payload, self.sps, self.pps, self.sets)
            return head, self.state.parse(payload[head.first :], head, _LIMIT)
        return None


def coded(
    pictures: list[Picture], preset: str, qp: int, folder: Path, extra: str = ""
) -> list[bytes]:
    """NAL units of our base layer. (A file: libvvenc writes its warnings to standard output.)"""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    height, width = pictures[0].y.shape
    target = folder / f"{preset}-{qp}-{width}x{height}.vvc"
    run_ffmpeg(
        [
            "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "25",
            "-i", "-", "-pix_fmt", "yuv420p10le", "-c:v", "libvvenc", "-threads", str(THREADS),
            "-preset", preset, "-qp", str(qp), "-qpa", "0",
            "-vvenc-params", f"{PARAMS}:IntraQPOffset=-4{extra}", "-f", "vvc", str(target),
        ],
        data=b"".join(picture.tobytes() for picture in pictures),
    )  # fmt: skip
    units = split(target.read_bytes(), limit=10_000)
    assert units
    return [unit.payload for unit in units]


def recoded(units: list[bytes]) -> list[Slice]:
    """The slices' headers; asserts that all would come back from their bins."""
    reader, heads = Reader(), []
    for payload in units:
        found = reader.read(payload)
        if found is not None:
            assert found[1] is not None
            heads.append(found[0])
    return heads


def restored(units: list[bytes], width: int, height: int) -> tuple[float, int]:
    """Bytes of slice data, recoded and as they are; asserts that a second recoder reads the same
    units."""
    writer, one, before = Writer(), VvcSliceRecoder(width, height), 0
    for payload in units:
        if payload[1] >> 3 < 12:
            parsed = one.parse(payload)
            assert parsed is not None
            before += len(payload) - parsed.head.first
            one.write(writer, parsed)
        else:
            one.parameters(payload)
    reader, two, walker = (
        CodeReader(writer.finish(), writer.bits),
        VvcSliceRecoder(width, height),
        Reader(),
    )
    for payload in units:
        found = walker.read(payload)
        if found is None:
            two.parameters(payload)
        else:
            header = payload[: found[0].first]
            assert header + two.read(reader, header) == payload
    assert reader.bits_left == 0
    return writer.spent / 8, before


def cropped(picture: Picture, width: int, height: int) -> Picture:
    return Picture(
        np.ascontiguousarray(picture.y[:height, :width]),
        np.ascontiguousarray(picture.u[: height // 2, : width // 2]),
        np.ascontiguousarray(picture.v[: height // 2, : width // 2]),
    )


@pytest.fixture(scope="module")
def units(head: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    pictures = [cropped(picture, 128, 96) for picture in head[:6]]
    return coded(pictures, "fast", 40, tmp_path_factory.mktemp("vvc"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, CONTEXTS), st.booleans()), max_size=300),
    st.integers(0, 63),
    st.integers(0, 2),
)
def test_cabac_reads_what_it_wrote(bins: list[tuple[int, bool]], qp: int, kind: int) -> None:
    coder = Cabac(cabac, initial_states(kind, qp))
    coder.write(bins)
    assert coder.read([context for context, _ in bins]) == [value for _, value in bins]


def test_cabac_golden_bytes() -> None:
    dice, digests = random.Random(7), []
    for kind in range(3):
        bins = [(dice.randrange(CONTEXTS + 1), dice.random() < 0.3) for _ in range(2000)]
        written = Cabac(cabac, initial_states(kind, 30 + 5 * kind)).write(bins)
        digests.append(hashlib.sha256(written).hexdigest()[:8])
    assert digests == ["cb06f0dd", "2acd9791", "d469e68a"]


def test_slices_come_back(units: list[bytes]) -> None:
    heads = recoded(units)
    assert [found.intra for found in heads] == [True] + 5 * [False]
    assert all(found.bidirectional for found in heads[1:])


def test_slices_come_back_from_a_recoder(units: list[bytes]) -> None:
    after, before = restored(units, 128, 96)
    assert after < 0.98 * before


def test_priors_are_there() -> None:
    with np.load(PRIORS, allow_pickle=False) as tables:
        models, weights = tables["models"], tables["weights"]
    assert models.shape[1] == 3
    assert len(models) > 1000
    assert 0 < models[:, 1].min() <= models[:, 1].max() < 65536
    assert weights.shape[1] == 2 + VIEWS
    digest = hashlib.sha256(
        models.astype("<u4").tobytes() + weights.astype("<i4").tobytes()
    ).hexdigest()
    assert digest[:16] == "937d12bc2809cb0b", "other first guesses are another format"


def test_recoder_without_parameter_sets(units: list[bytes]) -> None:
    """Those of pictures of another size do not count."""
    recoder = VvcSliceRecoder(128, 112)
    for payload in units:
        if payload[1] >> 3 < 12:
            assert recoder.parse(payload) is None
        else:
            recoder.parameters(payload)
    with pytest.raises(DamagedError, match="without parameter sets for pictures of 128x112"):
        recoder.read(CodeReader(b"", 100), units[-1][:8])


def test_damaged_recoded_slices_are_named(units: list[bytes]) -> None:
    dice, named = random.Random(3), 0
    writer, one = Writer(), VvcSliceRecoder(128, 96)
    headers = []
    for payload in units:
        if payload[1] >> 3 < 12:
            parsed = one.parse(payload)
            assert parsed is not None
            one.write(writer, parsed)
            headers.append(payload[: parsed.head.first])
        else:
            one.parameters(payload)
    data = writer.finish()
    for _ in range(8):
        broken = bytearray(data)
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        reader, two = CodeReader(bytes(broken), writer.bits), VvcSliceRecoder(128, 96)
        for payload in units:
            if payload[1] >> 3 >= 12:
                two.parameters(payload)
        try:
            for header in headers:
                two.read(reader, header)
        except DamagedError:
            named += 1
    assert named


@pytest.mark.parametrize(("preset", "qp"), [("medium", 27), ("medium", 46), ("slow", 42)])
def test_slices_of_other_presets(head: list[Picture], preset: str, qp: int, tmp_path: Path) -> None:
    pictures = [cropped(picture, 104, 72) for picture in head[:4]]
    assert len(recoded(coded(pictures, preset, qp, tmp_path))) == 4


@pytest.mark.parametrize("size", [(64, 48), (200, 136), (136, 264)])
def test_slices_of_other_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    """Sizes that are no multiple of coding tree units."""
    assert len(recoded(coded(synthetic(3, *size), "faster", 34, tmp_path))) == 3


TOOLS = {
    "all tools": (
        ":SBT=1:CIIP=1:BCW=2:SMVD=1:MTS=1:ISP=1:MIP=1:LFNST=1:Geo=1:BDPCM=1:TransformSkip=1:IBC=1"
    ),
    "one tree, sign hiding": ":DualITree=0:DepQuant=0:SignHideFlag=1:MTSImplicit=0",
    "small units, adaptive QP": ":CTUSize=32:QPA=1",
    "no tools": (
        ":MIP=0:ISP=0:LFNST=0:MMVD=0:Affine=0:AMVR=0:JointCbCr=0:DepQuant=0:ALF=0:CCALF=0:BDPCM=0"
        ":TransformSkip=0:IBC=0:SAO=0:DualITree=0"
    ),
}


@pytest.mark.parametrize("name", TOOLS)
def test_slices_with_other_tools(head: list[Picture], name: str, tmp_path: Path) -> None:
    pictures = [cropped(picture, 128, 96) for picture in head[:4]]
    assert len(recoded(coded(pictures, "faster", 30, tmp_path, TOOLS[name]))) == 4


def test_wavefronts_are_refused(head: list[Picture], tmp_path: Path) -> None:
    units = coded([cropped(head[0], 128, 96)], "faster", 40, tmp_path, ":WaveFrontSynchro=1")
    with pytest.raises(UnsupportedError, match="wavefronts"):
        recoded(units)


def test_damaged_units_are_named(units: list[bytes]) -> None:
    """Whatever bits change, wherever units end: `UnsupportedError` or `DamagedError`, or slices, in
    bounded time."""
    dice, named = random.Random(5), 0
    for turn in range(60):
        reader = Reader()
        for payload in units:
            broken = bytearray(payload)
            if dice.random() < 0.4:
                for _ in range(dice.choice([1, 1, 4])):
                    broken[dice.randrange(2, len(broken))] ^= 1 << dice.randrange(8)
            if turn % 3 == 0 and dice.random() < 0.2:
                del broken[dice.randrange(2, len(broken)) :]
            try:
                found = reader.read(bytes(broken))
                assert found is None or found[1] is None or len(found[1]) <= _LIMIT
            except (UnsupportedError, DamagedError):
                named += 1
                reader.state = VvcState()
    assert named > 20


def test_random_slices_end(units: list[bytes]) -> None:
    """Noise in place of slice data."""
    dice = random.Random(9)
    for _ in range(20):
        reader = Reader()
        for payload in units:
            if payload[1] >> 3 < 12 and reader.sps and reader.pps:
                first = read_slice(payload, reader.sps, reader.pps, reader.sets).first
                payload = payload[:first] + dice.randbytes(dice.choice([1, 20, 400]))
            try:
                reader.read(payload)
            except (UnsupportedError, DamagedError):
                reader.state = VvcState()


def test_keys_of_models_fit() -> None:
    """A key has 32 bits: views have 19, kinds of views, of bins and of slices the rest."""
    assert ((((1 << 19) - 1) * 5 + 4) * MODELS + MODELS - 1) * 3 + 2 < 1 << 32
    sides = [2, 4, 8, 16, 32, 64, 128]
    assert {shape(width, height) for width in sides for height in sides} == set(range(49))


def test_scans_go_along_diagonals() -> None:
    assert scan(1, 1) == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert scan(2, 1)[:4] == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert all(len(set(scan(w, h))) == 1 << w + h for w in range(5) for h in range(5))
