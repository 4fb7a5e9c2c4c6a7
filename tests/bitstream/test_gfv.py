"""GFV messages: against the reference software, golden bytes, random ones, bounds."""

import os
import random
import re
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac import gfv
from hdac.bitstream.nal import spans
from hdac.bitstream.vvc.gfv import (
    MAX_ELEMENTS,
    MAX_MATRICES,
    MAX_POINTS,
    MAX_PRECISION,
    MAX_SIDE,
    MAX_TEXT,
    MAX_TYPES,
    References,
)
from hdac.bitstream.vvc.gfv_bits import ElementReader, ElementWriter
from hdac.bitstream.vvc.gfv_syntax import read, read_elements, write
from hdac.bitstream.vvc.pictures import picture_units, unit_type
from hdac.bitstream.vvc.sei import GFV, GfvReader, Payload, read_sei, write_sei
from hdac.errors import DamagedError, StreamError, TruncatedError, UsageError
from tests.fuzz.gfv import SLICES, random_messages, stream

NAMES = (
    "base_then_fusion", "compact4x4", "head3d", "keypoints10", "keypoints10_affine",
    "landmarks68_nopred", "mouth_eyes_key",
)  # fmt: skip
_TENSORS = ("gfv_coordinate_Xtensor", "gfv_coordinate_Ytensor", "gfv_coordinate_Ztensor")
_OTHER_NAMES = {
    "gfv_mode_idc": "gfv_nn_mode_idc",
    "gfv_uri_tag": "gfv_nn_tag_uri",
    "gfv_uri": "gfv_nn_uri",
    "gfv_nn_alignment_zero_bit_a": "gfv_nn_alignment_zero_bit",
}
_NETWORK = gfv.NamedNetwork("tag:example.org,2026:gfv", "urn:example:model-1")


@pytest.fixture
def reference() -> Path:
    """The streams of HDAC_DATA that the reference software wrote; skips where they are absent."""
    root = Path(os.environ.get("HDAC_DATA", "")) / "gfv_sei"
    if "HDAC_DATA" not in os.environ or not root.is_dir():
        pytest.skip("HDAC_DATA is not set: the reference software's streams are not here")
    return root


class Traced(ElementReader):
    """Notes every element."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.found: list[tuple[str, str]] = []

    def bits(self, name: str, count: int, value: int) -> int:
        made = super().bits(name, count, value)
        each = [0] * count if name == "gfv_nn_alignment_zero_bit" else [made]
        self.found += [(name, str(one)) for one in each]
        return made

    def number(self, name: str, *rest: int) -> int:
        made = super().number(name, *rest)
        self.found.append((name, str(made)))
        return made

    def text(self, name: str, value: str) -> str:
        made = super().text(name, value)
        self.found.append((name, made))
        return made


def described(path: Path) -> list[tuple[list[tuple[str, str]], dict[str, list[float]]]]:
    """The elements of each message as the reference software lists them, and what it makes of
    them."""
    out = []
    for text in path.read_text().split("Generative face video SEI message")[1:]:
        elements, tensors, seen = [], {}, defaultdict(int)
        for name, value in re.findall(r"^ *(gfv_\S*?)(?:\[.*?\])?: (.*)$", text, re.MULTILINE):
            seen[name] += 1
            if name in (*_TENSORS, "gfv_MatrixElement"):
                tensors[name] = [float(each) for each in value.split()]
            elif name == "gfv_chroma_key_value" and " " in value.strip():
                continue  # all three again
            elif name.startswith("gfv_chroma_key_thr") and "present" not in name and seen[name] > 1:
                continue
            else:
                name = re.sub(r"_d([xyz]_)", r"_\1", _OTHER_NAMES.get(name, name))
                elements.append((name, value))
        out.append((elements, tensors))
    return out


def payloads(data: bytes) -> list[bytes]:
    """The payloads of all GFV messages."""
    units = [data[s.first : s.end] for s in spans(data) if unit_type(data, s) == 24]
    return [payload for unit in units for kind, payload in read_sei(unit) if kind == GFV]


@pytest.mark.parametrize("name", NAMES)
def test_reading_is_that_of_the_reference_software(name: str, reference: Path) -> None:
    data = (reference / f"{name}.266").read_bytes()
    references, listed = References(), described(reference / f"{name}.txt")
    found = payloads(data)
    assert len(found) == len(listed)
    for payload, (elements, tensors) in zip(found, listed, strict=True):
        traced = Traced(payload)
        message = read_elements(traced, references)
        assert message is not None
        references.remember(message)
        assert traced.found == elements
        made = {} if message.coordinates is None else dict(
            zip(_TENSORS, map(list, zip(*message.coordinates.points, strict=True)), strict=False)
        )  # fmt: skip
        if message.matrices is not None:
            matrices = chain.from_iterable(of.matrices for of in message.matrices.types)
            made["gfv_MatrixElement"] = list(chain.from_iterable(chain.from_iterable(matrices)))
        assert made.keys() == tensors.keys()
        for what, values in made.items():
            assert [float(v) for v in values] == pytest.approx(tensors[what], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_writing_gives_the_bytes_of_the_reference_software(name: str, reference: Path) -> None:
    data = (reference / f"{name}.266").read_bytes()
    found = list(gfv.messages(data))
    made = gfv.insert(gfv.remove(data), found)
    assert [made[s.first : s.end] for s in spans(made)] == [
        data[s.first : s.end] for s in spans(data)
    ]
    if name != "base_then_fusion":  # put together with start codes of four bytes
        assert made == data


# ---- golden bytes

HALF, EIGHTH = Fraction(1, 2), Fraction(1, 8)
POINTS = gfv.Coordinates(((HALF, -EIGHTH), (HALF, Fraction(0))), 6, predicted=True)
SPACE = gfv.Coordinates(((HALF, -EIGHTH, Fraction(1)),), 3, 2)
ROTATION = gfv.MatrixType(4, (((HALF, -HALF), (HALF, HALF)),))
GOLDEN = {
    "base": (
        gfv.GfvMessage(base_picture=True, network=_NETWORK, coordinates=POINTS),
        "f47461673a6578616d706c652e6f72672c323032363a6766760075726e3a6578616d706c653a6d6f64656c2d310033202109c490",
    ),
    "next": (
        gfv.GfvMessage(cnt=1, coordinates=replace(POINTS, points=((HALF, HALF), (HALF, HALF)))),
        "a705282120",
    ),
    "fusion": (gfv.GfvMessage(fusion=True, low_confidence=True, coordinates=POINTS), "dfe8"),
    "space": (gfv.GfvMessage(cnt=2, coordinates=SPACE), "b4f4528920"),
    "matrices": (
        gfv.GfvMessage(cnt=3, matrices=gfv.Matrices((ROTATION,), 8)),
        "90844460180e018040",
    ),
    "carried": (
        gfv.GfvMessage(
            512,
            base_picture=True,
            network=gfv.CarriedNetwork(b"\0\0\1"),
            chroma_key=gfv.ChromaKey(1, (22, None, 255), (21, 23)),
            coordinates=POINTS,
        ),
        "00403f5167fe2a17664042138900000001",
    ),
}


def test_golden_bytes() -> None:
    writing, reading = References(), References()
    for message, golden in GOLDEN.values():
        assert write(message, writing).hex() == golden
        assert read(bytes.fromhex(golden), reading) == message


def test_golden_stream() -> None:
    """Where SEI NAL units stand, and what is around their messages."""
    (base, first), (following, second) = GOLDEN["base"], GOLDEN["next"]
    made = gfv.insert(SLICES[0] + SLICES[1], [base, following])
    before, behind = f"{SLICES[0].hex()}00000100c1df34", f"80{SLICES[1].hex()}"
    assert made.hex() == f"{before}{first}8000000100c1df05{second}{behind}"


# ---- random messages


def check_round_trip(seed: int) -> None:
    """Random messages through a stream, and its bytes through reading and writing again."""
    found = random_messages(random.Random(seed))
    data = stream(found)
    assert list(gfv.messages(data)) == found
    bare = gfv.remove(data)
    assert bare == SLICES[0] + SLICES[1]
    assert gfv.insert(bare, found) == data


@given(st.integers(0, (1 << 64) - 1))
@settings(max_examples=int(os.environ.get("HDAC_GFV_EXAMPLES", "200")), deadline=None)
def test_random_messages_come_back(seed: int) -> None:
    check_round_trip(seed)


def test_random_messages_are_of_every_kind() -> None:
    found = [m for seed in range(300) for m in random_messages(random.Random(seed))]
    points = [m.coordinates for m in found if m.coordinates]
    matrices = [m.matrices for m in found if m.matrices]
    assert {(p.axes, p.predicted) for p in points} == {(2, False), (2, True), (3, False), (3, True)}
    assert {of.type for m in matrices for of in m.types} == {*range(9), 31, 63}
    assert {m.predicted for m in matrices} == {False, True}
    assert {type(m.network) for m in found} >= {gfv.NamedNetwork, gfv.CarriedNetwork}
    assert any(m.chroma_key for m in found)
    assert any(m.fusion for m in found)


# ---- bounds


def test_the_documentation_says_the_bounds() -> None:
    text = (Path(__file__).parents[2] / "docs" / "gfv.md").read_text()
    table = text.partition("| of a message | at most |")[2].partition("\n\n")[0]
    assert [int(row.split("|")[2]) for row in table.splitlines()[2:]] == [
        MAX_POINTS, MAX_PRECISION, MAX_TYPES, MAX_MATRICES, MAX_SIDE, MAX_ELEMENTS, MAX_TEXT,
    ]  # fmt: skip


def payload(*elements: tuple[int, int] | int) -> bytes:
    """An SEI payload of Exp-Golomb numbers, and of (value, bits)."""
    c = ElementWriter()
    for each in elements:
        if isinstance(each, int):
            c.number("", each)
        else:
            c.bits("", each[1], each[0])
    return c.finish()


BASE = (0, 0, (1, 1))  # id, cnt, base picture
POINTS_OF_BASE = (*BASE, (0b00, 2), (0, 1), (0b10, 2))  # nothing else; not predicted
MATRICES_OF_BASE = (*BASE, (0b00, 2), (0, 1), (0b01, 2))


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ((*POINTS_OF_BASE, 8, MAX_POINTS), "gfv_num_kps_minus1 is 1024; allowed are 0 to 1023"),
        ((*POINTS_OF_BASE, 8, 1 << 31), "gfv_num_kps_minus1 is 2147483648"),
        ((*POINTS_OF_BASE, 32), "gfv_coordinate_precision_factor_minus1 is 32"),
        ((*MATRICES_OF_BASE, 32), "gfv_matrix_element_precision_factor_minus1 is 32"),
        ((*MATRICES_OF_BASE, 7, MAX_TYPES), "gfv_num_matrix_types_minus1 is 64"),
        ((*MATRICES_OF_BASE, 7, 0, (7, 6), 1 << 31), "gfv_num_matrices_minus1 is 2147483648"),
        ((*MATRICES_OF_BASE, 7, 0, (2, 6), 256), "gfv_matrix_width_minus1 is 256"),
        ((*MATRICES_OF_BASE, 7, 0, (2, 6), 3, 256), "gfv_matrix_height_minus1 is 256"),
        ((*MATRICES_OF_BASE, 7, 0, (7, 6), 1023, 255, 0), "262144 matrix elements"),
        ((*MATRICES_OF_BASE, 7, 0, (0, 6), (1, 1)), "one matrix a point, without points"),
        ((*MATRICES_OF_BASE, 7, 0, (0, 6), (0, 1), 1 << 31), "gfv_num_matrices_info is 2147483648"),
        ((*BASE, (1, 1), 2), "gfv_nn_mode_idc is 2; allowed are 0 to 1"),
        ((*BASE, (0b01, 2), 3), "gfv_chroma_key_purpose_idc is 3"),
        ((*BASE, (0b00, 2), (0b000, 3), (1, 8)), "neither coordinates nor matrices"),
        ((0, 1, (0b011, 3)), "points are predicted from a message that is not there"),
        ((0, 1, (0b0011, 4)), "matrices are predicted from a message that is not there"),
        (((0, 32), (1, 1)), "gfv_id has over 31 leading zeros"),
    ],
)  # fmt: skip
def test_what_cannot_be(elements: tuple[tuple[int, int] | int, ...], words: str) -> None:
    with pytest.raises(DamagedError, match=re.escape(words)):
        read(payload(*elements), References())


def test_texts_end() -> None:
    head = payload(*BASE, (1, 1), 1, (0, 1))
    for text, words in ((b"a" * 100_000, f"no end within {MAX_TEXT}"), (b"\xff\0", "not UTF-8")):
        with pytest.raises(DamagedError, match=f"gfv_nn_tag_uri (has|is) {words}"):
            read(head + text, References())


@pytest.mark.parametrize("name", GOLDEN)
def test_every_truncation_is_told(name: str) -> None:
    references = References()
    for each, (message, _) in GOLDEN.items():
        if each == name:
            break
        references.remember(message)
    whole = bytes.fromhex(GOLDEN[name][1])
    for size in range(len(whole) - (5 if name == "carried" else 1)):
        with pytest.raises((TruncatedError, DamagedError)):
            read(whole[:size], references)


@pytest.mark.parametrize("gfv_id", [256, 511, 1 << 31, (1 << 32) - 2])
def test_reserved_ids_are_ignored(gfv_id: int) -> None:
    assert read(payload(gfv_id, (0b1111, 4)), References()) is None
    with pytest.raises(UsageError, match="reserved"):
        write(gfv.GfvMessage(gfv_id, coordinates=SPACE), References())


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (gfv.GfvMessage(), "neither coordinates nor matrices"),
        (gfv.GfvMessage(cnt=1, base_picture=True, coordinates=SPACE), "base_picture True"),
        (gfv.GfvMessage(cnt=1, fusion=True, coordinates=SPACE), "fusion True"),
        (gfv.GfvMessage(cnt=1, network=_NETWORK, coordinates=SPACE), "network NamedNetwork"),
        (gfv.GfvMessage(coordinates=replace(SPACE, points=())), "gfv_num_kps_minus1 is -1"),
        (gfv.GfvMessage(coordinates=replace(SPACE, z_max=None)), "point 0 has 3 coordinates"),
        (gfv.GfvMessage(coordinates=replace(SPACE, precision=2)), "no multiple of 2^-2 from 0"),
        (gfv.GfvMessage(coordinates=replace(SPACE, points=((Fraction(1 << 40),) * 3,))),
         "gfv_coordinate_x_abs is 8796093022208"),
        (gfv.GfvMessage(coordinates=replace(POINTS, predicted=True)), "that is not there"),
        (gfv.GfvMessage(matrices=gfv.Matrices((), 1)), "gfv_num_matrix_types_minus1 is -1"),
        (gfv.GfvMessage(matrices=gfv.Matrices((gfv.MatrixType(64, ROTATION.matrices),), 1)),
         "gfv_matrix_type_idx is 64"),
        (gfv.GfvMessage(matrices=gfv.Matrices((gfv.MatrixType(7, (((HALF,), ()),)),), 1)),
         "not all of one size"),
        (gfv.GfvMessage(base_picture=True, network=gfv.NamedNetwork("a\0b", ""), coordinates=SPACE),
         "gfv_nn_tag_uri has 3 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(message: gfv.GfvMessage, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        write(message, References())


# ---- NAL units


def test_several_messages_of_a_unit_and_other_payloads() -> None:
    """As no known encoder writes them, but as they may be."""
    references = References()
    first, second = (message for message, _ in (GOLDEN["base"], GOLDEN["next"]))
    parts = [Payload(GFV, write(first, references)), Payload(5, bytes(300))]
    parts.append(Payload(GFV, write(second, references)))
    unit = b"\0\0\1" + write_sei(parts, temporal_id=2)
    data = SLICES[0] + unit + SLICES[1]
    assert read_sei(unit[3:]) == parts
    assert list(gfv.messages(data)) == [first, second]
    assert gfv.remove(data) == SLICES[0] + b"\0\0\1" + write_sei(parts[1:2], 2) + SLICES[1]
    with pytest.raises(UsageError, match="picture 0 has GFV messages already"):
        gfv.insert(data, [first])


def test_prefix_sei_and_other_layers_are_not_looked_at() -> None:
    unit = b"\0\0\1" + write_sei([Payload(GFV, bytes.fromhex(GOLDEN["base"][1]))])
    prefix = unit[:4] + bytes([23 << 3 | 1]) + unit[5:]
    other = unit[:3] + b"\1" + unit[4:]
    assert list(gfv.messages(prefix + SLICES[0] + other)) == []
    assert len(list(gfv.messages(SLICES[0] + unit))) == 1


def test_messages_stand_behind_all_slices_of_their_picture() -> None:
    """A picture of two slices has a picture header before them; an end of sequence follows."""
    header, one, two = (b"\0\0\1\0" + bytes([kind << 3 | 2, 5]) for kind in (19, 0, 1))
    end = b"\0\0\1\0" + bytes([21 << 3 | 1])
    message = GOLDEN["base"][0]
    bare = header + one + two + end + SLICES[0]
    made = gfv.insert(bare, [message, replace(message, picture=1)])
    kinds = [unit_type(made, s) for s in spans(made)]
    assert kinds == [19, 0, 1, 24, 21, 8, 24]
    assert [made[s.first + 1] & 7 for s in spans(made) if unit_type(made, s) == 24] == [2, 1]
    assert [m.picture for m in gfv.messages(made)] == [0, 1]
    assert len(picture_units(bare)) == 2


@pytest.mark.parametrize("data", [b"", b"abc", b"\0\0\1", b"\0\0\1\0", b"\0\0\1\0\0\0\1"])
def test_streams_without_pictures(data: bytes) -> None:
    assert list(gfv.messages(data)) == []
    assert gfv.remove(data) == gfv.insert(data, []) == data


def test_pictures_that_are_not_there() -> None:
    with pytest.raises(UsageError, match=r"of pictures \[2\]; the stream has 1 pictures"):
        gfv.insert(SLICES[0], [replace(GOLDEN["base"][0], picture=2)])


def test_damage_is_left_out() -> None:
    """With all that is predicted from it, up to the next base picture."""
    base, following = GOLDEN["base"][0], GOLDEN["next"][0]
    data = gfv.insert(
        SLICES[0] + SLICES[1],
        [base, following, following, *(replace(m, picture=1) for m in (base, following))],
    )
    at = spans(data)[2]
    data = data[: at.end - 3] + data[at.end :]
    with pytest.raises(StreamError):
        list(gfv.messages(data))
    damage: list[str] = []
    reader = GfvReader(damage)
    found = [m.message for unit in picture_units(data) for m in reader.read(data, unit)]
    assert [(m.picture, m.cnt) for m in found] == [(0, 0), (1, 0), (1, 1)]
    assert len(damage) == 2
    assert all(text.startswith("picture 0: ") for text in damage)
