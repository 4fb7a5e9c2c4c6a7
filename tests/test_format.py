"""The numbers in `docs/format.md` are the code's, and its examples decode to what it says."""

import io
import re
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from hdac.bitstream.container import (
    USUAL_CASCADES,
    BaseCodec,
    Colour,
    Cursor,
    Header,
    Keypoints,
    Mode,
    Packet,
    PacketType,
    Tune,
    chunk,
    pack_header,
    read_header,
    varint,
    with_checksum,
)
from hdac.bitstream.stream import StreamWriter, read_stream
from hdac.codec.audio import MAX_PACKETS, AudioReader
from hdac.codec.files import decode, inspect
from hdac.codec.syntax import (
    BaseReader,
    EnhancementReader,
    TimesReader,
    _EnhancementState,
    _Times,
)
from hdac.errors import DamagedError, StreamError
from hdac.layers.resample import upsample
from hdac.motion.keypoints import KeypointCoder
from hdac.video.opus import CLOCK, MAX_BYTES, MAX_TICKS
from hdac.video.picture import Picture

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "format.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## \d+\. ([^\n]*)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))


def rows(section: str) -> list[list[str]]:
    """Cells of the tables of a section."""
    lines = re.findall(r"^\|(.*)\|$", SECTIONS[section], re.M)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


LIMITS = {row[0]: (row[1], row[2]) for row in rows("Limits") if row[1].isdigit()}
CONSTANTS = [(value, place) for value, place in LIMITS.values() if place != "field"]
FIELDS = {what: int(value) for what, (value, place) in LIMITS.items() if place == "field"}


@pytest.mark.parametrize(("value", "place"), CONSTANTS)
def test_limits_are_those_of_the_code(value: str, place: str) -> None:
    parts = place.split(".")
    depth = next(i for i, part in enumerate(parts) if part[0].isupper())
    found: object = import_module(".".join(["hdac", *parts[:depth]]))
    for part in parts[depth:]:
        found = getattr(found, part)
    assert found == int(value)


def header(
    width: int = 64,
    rate: tuple[int, int] = (25, 1),
    clock: int = 1000,
    cascade: int = 0,
    name: int = 6,
    keypoints: int = 10,
    levels: int = 64,
    spare: int = 0,
    fixed: str = "000002020202",
) -> Header:
    """The header of these fields, in the order of the format, read. `cascade`, `name`, `spare`:
    lengths."""
    body = bytes.fromhex(fixed) + b"".join(map(varint, (width, 48, *rate, clock, cascade)))
    body += b"\7" * cascade + chunk(b"m" * name) + b"\1\2\3\4" + b"\0"
    body += chunk(varint(keypoints) + varint(levels) + bytes(spare)) + b"left over"
    return read_header(Cursor(with_checksum(b"HDAC\7" + chunk(body))))


@pytest.mark.parametrize(
    ("what", "field", "make"),
    [
        ("largest side", "width", lambda n: n),
        ("frame rate, numerator and denominator", "rate", lambda n: (n, 1)),
        ("frame rate, numerator and denominator", "rate", lambda n: (1, n)),
        ("ticks per second", "clock", lambda n: n),
        ("cascade length", "cascade", lambda n: n),
        ("bytes of the model name", "name", lambda n: n),
        ("bytes of the motion parameters", "spare", lambda n: n - 2),
        ("keypoints", "keypoints", lambda n: n),
        ("keypoint levels", "levels", lambda n: n),
    ],
)
def test_limits_of_header_fields(what: str, field: str, make) -> None:
    most = int(LIMITS[what][0])
    header(**{field: make(most)})
    with pytest.raises(DamagedError, match="damaged"):
        header(**{field: make(most + 1)})


def test_every_field_limit_is_checked() -> None:
    (checks,) = test_limits_of_header_fields.pytestmark
    assert FIELDS.keys() <= {row[0] for row in checks.args[1]}


def test_header_fields_in_the_order_of_the_table() -> None:
    """The fixed bytes (two numbers each in the first three, colour), then what has a varint."""
    read = header(fixed="101223060108", cascade=3, rate=(30000, 1001))
    assert (read.number_format, read.mode, read.tune, read.base_codec) == (1, 0, 1, 2)
    assert (read.base_scale, read.live, read.clock) == (4, True, 1000)
    assert (read.colour, read.width, read.height) == (Colour(6, 1, 8), 64, 48)
    assert (read.fps, read.cascade) == (Fraction(30000, 1001), (7, 7, 7))
    assert (read.model, read.model_hash, read.motion) == ("m" * 6, "01020304", Keypoints(10, 64))
    for wrong in ("300000000000", "030000000000", "002000000000", "000300000000", "000030000000"):
        with pytest.raises(StreamError):
            header(fixed=wrong)


def test_types_and_cascades() -> None:
    named = {int(number): name for number, name, _ in rows("Packets") if number.isdigit()}
    kinds = {k.value: k.name for k in PacketType if k.name not in ("RESERVED", "CHECK", "LAST")}
    assert named == kinds
    assert all(PacketType(n) is PacketType.RESERVED for n in range(7, 14))
    assert (PacketType(14), PacketType(15)) == (PacketType.CHECK, PacketType.LAST)
    for wrong in (0, 16):
        with pytest.raises(ValueError, match="PacketType"):
            PacketType(wrong)
    said = re.search(r"usual cascades are ([\d, ]+) \(tune 0\) and ([\d, ]+) \(tune 1\)", TEXT)
    assert said is not None
    for tune in Tune:
        assert tuple(map(int, said[1 + tune].split(","))) == USUAL_CASCADES[tune]


def example(name: str) -> bytes:
    found = re.search(rf"<!-- {name} example -->\n\n((?:    [ 0-9a-f]+\n)+)", TEXT)
    assert found is not None
    return bytes.fromhex(found[1])


def test_header_example() -> None:
    data = example("header")
    wanted = Header(
        Mode.HYBRID, BaseCodec.HEVC, 256, 256, Fraction(25), "hdac-s", "7cf8f005",
        Keypoints(10, 64), cascade=(8, 6, 8, 0), colour=Colour(6, 1, 6),
    )  # fmt: skip
    assert read_header(Cursor(data)) == wanted
    assert pack_header(wanted) == data
    told = [row[0] for row in rows("Stream and header") if re.match(r"[0-9a-f]{2}\b", row[0])]
    assert bytes.fromhex("".join(told).replace(",", "")) == data, "the table has every byte"


def test_stream_example() -> None:
    data = example("stream")
    read, (packet,) = read_stream(data)
    assert (read.mode, read.width, read.height) == (Mode.BASE, 16, 16)
    assert (packet.type, len(packet.payload)) == (PacketType.BASE, 53)
    base = BaseReader(read).read(packet)
    assert (base.gop_start, base.qp_intra, base.qp_base, len(base.units)) == (True, 40, 51, 1)
    assert inspect(data).frames == 1
    (frame,) = decode(data)
    assert frame.picture.y.min() == frame.picture.y.max() == 100
    out = io.BytesIO()
    with StreamWriter(out, read) as writer:
        writer.write(packet)
    assert out.getvalue() == data


class _Script:
    """A coder that writes down what the syntax asks for, and answers from a list."""

    spent = 0.0

    def __init__(self, answers: list[int]) -> None:
        self.answers, self.asked = answers, list[tuple[object, ...]]()

    def symbol(self, model, value) -> int:
        self.asked.append((tuple(model.counts), model.step))
        return self.answers.pop(0)

    def uniform(self, size: int, value) -> int:
        self.asked.append((size,))
        return self.answers.pop(0)


def test_keypoints_of_section_6() -> None:
    """First counts and order: the first frame, one that moves (with an escape), one that stays."""
    script = _Script([3, 132, 0, 6 + 2, 13, 0, 1, 0, 6, 5])
    coder, signed = KeypointCoder(Keypoints(1, 64)), (1, 1, 1, 1, 4, 16, 64, 16, 4, 1, 1, 1, 1, 1)
    assert coder.code(script, None).tolist() == [[3 - 64, 132 - 64]]
    assert coder.code(script, None).tolist() == [[-59, -60]], "68 - 128: the escape is uniform"
    assert coder.code(script, None).tolist() == [[-59, -60]]
    assert coder.code(script, None).tolist() == [[-59, -61]]
    still, moved = ((8, 8), 24), (signed, 16)
    assert script.asked == [(129,), (129,), still, moved, moved, (257,), still, still, moved, moved]


def test_flags_and_times_of_section_5() -> None:
    read = Header(Mode.HYBRID, BaseCodec.HEVC, 64, 64, Fraction(25), motion=Keypoints(1), clock=90)
    frames = EnhancementReader(read).read(Packet(PacketType.ENHANCEMENT, b"\1\2")).frames
    assert [frame.fused for frame in frames] == [True, True], "without flags: before, 1 at first"
    state = _EnhancementState.fresh(Keypoints(1))
    assert [model.counts for model in state.switch] == [[4, 4], [1, 15]]
    # high 0, low 100; z = 2: step 1; z = 0: step 1; z = 1: step 0
    times = _Script([0, 100, 2, 0, 0, 1])
    clock = _Times()
    assert [clock.code(times, None) for _ in range(4)] == [100, 101, 102, 102]
    assert TimesReader(read).read(Packet(PacketType.TIMES, b"\1\2")) == [0, 0]


def test_sound_of_section_5() -> None:
    said = re.search(
        r"1 to (\d+) Opus packets, mono or stereo, each 1 to (\d+) bytes and\s+at most (\d+) ms",
        SECTIONS["Packets"],
    )
    assert said is not None
    assert tuple(map(int, said.groups())) == (MAX_PACKETS, MAX_BYTES, 1000 * MAX_TICKS // CLOCK)
    read = Header(Mode.BASE, BaseCodec.HEVC, 64, 64, Fraction(30))
    reader, opus = AudioReader(read), bytes([24, 7])  # 60 ms
    for time, played in ((6, 3), (5, -3)):  # of the first frame: t = 0
        sound = Packet(PacketType.AUDIO, bytes([time]) + chunk(opus) * 2)
        assert AudioReader(read).push(sound) == [(played, opus), (played + 24, opus)]
    assert reader.push(Packet(PacketType.BASE, b"\1\2", True)) == []
    sound = Packet(PacketType.AUDIO, bytes([5]) + chunk(opus), sequence=1)
    assert reader.push(sound) == [(13 - 3, opus)], "two frames: floor(400 / 30) = 13"


@pytest.mark.parametrize("name", ["format.md", "format-bitstream.md"])
def test_links(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / name).read_text("utf-8")):
        assert (DOCS / target).exists(), target


def test_doubling_of_section_7() -> None:
    rng = np.random.default_rng(0)
    plane = rng.choice([0, 255, 16, 200], (6, 8)).astype(np.uint8)

    def doubled(samples: list[int]) -> list[int]:
        out = []
        for i in range(len(samples)):
            a, b, c, d, e = (samples[min(max(j, 0), len(samples) - 1)] for j in range(i - 2, i + 3))
            out += [-3 * a + 29 * b + 111 * c - 9 * d, -9 * b + 111 * c + 29 * d - 3 * e]
        return [min(255, max(0, (value + 64) >> 7)) for value in out]

    wanted = np.array([doubled(column) for column in plane.T.tolist()]).T
    wanted = np.array([doubled(row) for row in wanted.tolist()])
    found = upsample(Picture(plane, plane[:3, :4], plane[:3, :4]), 2)
    assert (found.y == wanted).all()
