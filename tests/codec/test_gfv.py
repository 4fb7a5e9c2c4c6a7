"""VVC streams with GFV messages: from .hdac files and back to the same pictures."""

import json
import os
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import pytest

from hdac import gfv
from hdac.bitstream.container import Colour, Keypoints, NumberFormat
from hdac.bitstream.stream import read_stream
from hdac.bitstream.vvc.pictures import split_access_units
from hdac.bitstream.vvc.sei import GFV, Payload, write_sei
from hdac.cli.main import main
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Frame
from hdac.codec.files import base_units, decode, encode
from hdac.codec.gfv.export import export_gfv
from hdac.codec.gfv.stream import GfvStream, is_annex_b
from hdac.codec.gfv.summary import to_json
from hdac.codec.gfv.uri import TAG, NetworkName
from hdac.codec.syntax import EnhancementReader
from hdac.errors import DamagedError, IncompleteError, StreamError, UsageError
from hdac.layers.libav import LibavDecoder
from hdac.layers.reference import luma_mse
from hdac.runtime.models import find_model
from hdac.video.ffmpeg import has_encoder, run_ffmpeg
from tests.conftest import synthetic
from tests.fuzz.mutate import taken, written

_AT_REST = gfv.Coordinates(((Fraction(0), Fraction(0)),), 6)
GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> bytes:
    """A golden file with the network of its name that is here: weights are replaced."""
    header, packets = taken((GOLDEN / f"{name}.hdac").read_bytes())
    return written(replace(header, model_hash=find_model(header.model).digest), packets)


def parameters(data: bytes) -> list[list[list[int]]]:
    """The quantised keypoints of each frame of an .hdac file."""
    header, packets = read_stream(data)
    reader = EnhancementReader(header)
    frames = [reader.read(p).frames for p in packets if p.type.name == "ENHANCEMENT"]
    return [frame.parameters.tolist() for frame in chain.from_iterable(frames)]


def same(ours: list[Frame], theirs: list[Frame]) -> bool:
    """Whether all that is shown is the same, to the sample."""
    pairs = zip(ours, theirs, strict=True)
    return all(a.picture.same(b.picture) and a[2:4] == b[2:4] for a, b in pairs)


@pytest.fixture(scope="module")
def fused() -> bytes:
    """A hybrid stream with a VVC base layer, most of whose pictures are fused ones, of odd sides,
    at half size."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    config = EncoderConfig(
        base_codec="vvc", qp_base=40, preset="fast", allow_loss=100, refresh=4, base_scale=2,
        precision="bf16",
    )  # fmt: skip
    pictures = [p.cropped(63, 47).padded() for p in synthetic(7)]
    return encode(pictures, 63, 47, Fraction(30000, 1001), config, Colour(1, 1, 1))


@pytest.mark.parametrize("name", ["animation-vvc", "hybrid-vvc"])
def test_pictures_are_those_of_the_hdac_file(name: str) -> None:
    data = golden(name)
    made = export_gfv(data)
    stream = GfvStream(made.stream)
    for level in ("fused", "animation", "base"):
        if (name, level) != ("animation-vvc", "base"):
            frames = list(stream.decode(level))  # type: ignore[arg-type]
            assert same(frames, list(decode(data, level)))  # type: ignore[arg-type]
    assert not stream.damage
    assert made.messages == stream.summary.count == 6
    assert made.pictures == stream.pictures == (2 if name == "animation-vvc" else 6)


def test_fused_pictures_odd_sides_scale_colour_and_number_format(fused: bytes) -> None:
    stream = GfvStream(export_gfv(fused).stream)
    header, (ours, _) = stream.header, read_stream(fused)
    assert replace(ours, cascade=header.cascade, tune=header.tune) == header
    for level in ("fused", "animation", "base"):
        frames = list(stream.decode(level))  # type: ignore[arg-type]
        assert same(frames, list(decode(fused, level)))  # type: ignore[arg-type]
    levels = [frame.level for frame in stream.decode()]
    assert levels == ["base", "fused", "fused", "fused", "base", "fused", "fused"]


@pytest.mark.parametrize("name", ["animation-vvc", "hybrid-vvc"])
def test_parameters_and_base_pictures_are_exact(name: str) -> None:
    data = golden(name)
    made = export_gfv(data).stream
    found = list(gfv.messages(made))
    coordinates = [m.coordinates for m in found if m.coordinates]
    points = [[[v * 64 for v in point] for point in each.points] for each in coordinates]
    assert points == parameters(data)
    units = list(base_units(data))
    assert gfv.remove(made) == b"".join(units)
    with_, without = LibavDecoder("vvc"), LibavDecoder("vvc")
    for one, other in zip(split_access_units(made), units, strict=True):
        (a,), (b,) = with_.push(one), without.push(other)
        assert a.same(b)


def test_another_decoder_shows_the_same_base_pictures(fused: bytes, tmp_path: Path) -> None:
    """FFmpeg's own program, with and without the messages."""
    made, sums = export_gfv(fused).stream, set()
    for name, data in (("with", made), ("without", gfv.remove(made))):
        path = tmp_path / f"{name}.266"
        path.write_bytes(data)
        run_ffmpeg(["-y", "-f", "vvc", "-i", str(path), "-f", "md5", f"{path}.md5"])
        sums.add(Path(f"{path}.md5").read_text())
    assert len(sums) == 1


def test_messages_say_which_pictures_are_not_fused() -> None:
    data = golden("hybrid-vvc")
    header, packets = read_stream(data)
    reader = EnhancementReader(header)
    frames = [reader.read(p).frames for p in packets if p.type.name == "ENHANCEMENT"]
    flags = [[frame.fused for frame in each] for each in frames]
    found = list(gfv.messages(export_gfv(data).stream))
    wanted = [not f and i > 0 for each in flags for i, f in enumerate(each)]
    assert [m.low_confidence for m in found] == wanted
    assert [m.fusion for m in found] == [i > 0 for each in flags for i in range(len(each))]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hybrid-hevc", "base codec is hevc, .* encode with --base-codec vvc"),
        ("hybrid-mixed", "base codec is mixed, .* encode with --base-codec vvc"),
        ("base-vvc", "mode is base, .* encode with --mode hybrid or animation"),
    ],
)
def test_what_cannot_be_exported(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        export_gfv((GOLDEN / f"{name}.hdac").read_bytes())


def test_levels_that_are_no_power_of_two_cannot_be_exported() -> None:
    header, packets = taken(golden("animation-vvc"))
    with pytest.raises(UsageError, match="keypoint levels 60"):
        export_gfv(written(replace(header, motion=Keypoints(10, 60)), packets))


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ("", "no frame with face parameters"),
        ("REFERENCE", "no frame with face parameters"),
        ("ENHANCEMENT", "face parameters without a picture before them"),
    ],
)
def test_crafted_streams_cannot_be_exported(kinds: str, words: str) -> None:
    header, packets = taken(golden("animation-vvc"))
    kept = [packet for packet in packets if packet.type.name == kinds]
    with pytest.raises(DamagedError, match=words):
        export_gfv(written(header, kept))


# ---- names of networks

NAME = NetworkName(
    "hdac-s", "01234567", 22, 40, Fraction(30000, 1001), (63, 47), 2, Colour(1, 1, 1),
    NumberFormat.BF16,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (
            NAME,
            "hdac:hdac-s-01234567?qp=22,40&fps=30000/1001&size=63x47&scale=2&colour=1,1,1"
            "&precision=bf16",
        ),
        (NetworkName("m", "89abcdef", 0, 51, Fraction(25)), "hdac:m-89abcdef?qp=0,51&fps=25"),
    ],
)
def test_names(name: NetworkName, uri: str) -> None:
    assert name.to_network() == gfv.NamedNetwork(TAG, uri)
    assert NetworkName.parse(gfv.NamedNetwork(TAG, uri)) == name
    assert NetworkName.parse(gfv.NamedNetwork("tag:example.org,2026:gfv", uri)) is None
    assert NetworkName.parse(gfv.CarriedNetwork(b"")) is None


@pytest.mark.parametrize(
    "uri",
    [
        "", "hdac:", "http://example.org/", "hdac:m-89abcdef", "hdac:m-89abcdeg?qp=1,1&fps=25",
        "hdac:m-89abcdef?fps=25", "hdac:m-89abcdef?qp=1,52&fps=25", "hdac:m-89abcdef?qp=1&fps=25",
        "hdac:m-89abcdef?qp=1,1&fps=0", "hdac:m-89abcdef?qp=1,1&fps=25/0",
        "hdac:m-89abcdef?qp=1,1&fps=1/2/3", "hdac:m-89abcdef?qp=1,1&fps=99999999",
        "hdac:m-89abcdef?qp=1,1&fps=25&scale=3", "hdac:m-89abcdef?qp=1,1&fps=25&size=0x9",
        "hdac:m-89abcdef?qp=1,1&fps=25&size=99999x9", "hdac:m-89abcdef?qp=1,1&fps=25&more=1",
        "hdac:m-89abcdef?qp=1,1&fps=25&precision=fp8", "hdac:m-89abcdef?qp=1,1&fps=2५",
        "hdac:m-89abcdef?qp=1,1=2", "hdac:m-89abcdef?qp=1,1&fps=25&colour=1,1,256",
    ],
)  # fmt: skip
def test_names_that_cannot_be(uri: str) -> None:
    with pytest.raises(DamagedError, match="not a name as hdac writes it"):
        NetworkName.parse(gfv.NamedNetwork(TAG, uri))


# ---- streams that are not as they should be


def altered(data: bytes, **changes: object) -> bytes:
    """The exported stream whose first message is another one."""
    first, *others = gfv.messages(data)
    return gfv.insert(gfv.remove(data), [replace(first, **changes), *others])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exported() -> bytes:
    return export_gfv(golden("hybrid-vvc")).stream


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (gfv.NamedNetwork("tag:example.org,2026:x", "urn:example:model-1"), "urn:example:model-1"),
        (gfv.NamedNetwork(TAG, "hdac:gone-01234567?qp=1,1&fps=25"), r"unknown model gone"),
        (gfv.CarriedNetwork(b"NNR"), "carry a network, which hdac does not run"),
        (None, "name no network"),
    ],
)
def test_unknown_networks(exported: bytes, network: object, words: str) -> None:
    one, *others = gfv.messages(exported)
    network_less = [replace(m, network=None) for m in others]
    data = gfv.insert(gfv.remove(exported), [replace(one, network=network), *network_less])
    stream = GfvStream(data)
    with pytest.raises(UsageError, match=f"{words}.*--model NAME|FILE .*--level base"):
        list(stream.decode())
    assert len(list(stream.decode("base"))) == 6
    assert [f.level for f in stream.decode(model="hdac-s")] == ["base"] * 6


def test_points_that_do_not_fit(exported: bytes) -> None:
    one, *_ = gfv.messages(exported)
    assert one.coordinates is not None
    space = gfv.Coordinates(tuple((*p, Fraction(0)) for p in one.coordinates.points), 6, 1)
    few = replace(one.coordinates, points=one.coordinates.points[:3])
    bare = gfv.remove(exported)
    for coordinates, words in ((space, "no points of a plane"), (few, "3 points; network hdac-s")):
        stream = GfvStream(gfv.insert(bare, [replace(one, coordinates=coordinates)]))
        with pytest.raises(UsageError, match=words):
            list(stream.decode())
        assert len(list(stream.decode("base"))) == 6


def test_a_name_of_another_size_is_damage(exported: bytes) -> None:
    named = replace(NetworkName.of(read_stream(golden("hybrid-vvc"))[0], 26, 32), size=(33, 21))
    stream = GfvStream(altered(exported, network=named.to_network()))
    assert stream.damage
    assert (stream.header.width, stream.header.height) == (64, 48)
    assert len(list(stream.decode("base"))) == 6


def test_damaged_messages_are_left_out(exported: bytes) -> None:
    """Their pictures are shown as they are coded, up to the next base picture."""
    from hdac.bitstream.nal import spans
    from hdac.bitstream.vvc.pictures import SUFFIX_SEI, unit_type

    sei = [s for s in spans(exported) if unit_type(exported, s) == SUFFIX_SEI]
    at = sei[1].first + 5
    data = exported[:at] + bytes([exported[at] ^ 0x80]) + exported[at + 1 :]
    stream = GfvStream(data)
    assert stream.damage
    frames, iterator = list[Frame](), stream.decode()
    with pytest.raises(IncompleteError, match="6 frames were decoded; some are missing: picture 1"):
        frames.extend(iterator)
    with pytest.raises(DamagedError, match="picture 1"):
        list(stream.decode(strict=True))
    assert len(list(stream.decode("base"))) == 6


def test_much_damage_is_said_in_few_words(
    exported: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A string a message was 75 times its bytes."""
    (tmp_path / "a.266").write_bytes(exported + b"\0\0\1" + write_sei([Payload(GFV, b"a")] * 5000))
    stream = GfvStream((tmp_path / "a.266").read_bytes())
    assert (len(stream.damage), stream.damage.more) == (100, 4900)
    with pytest.raises(IncompleteError, match="and 4995 places more"):
        list(stream.decode())
    assert main(["info", str(tmp_path / "a.266"), "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)["damage"]
    assert (len(said), said[-1]) == (101, "and 4900 places more")
    assert err.count("\n") == 101


def test_no_video_stream() -> None:
    assert not is_annex_b(b"HDAC")
    for data in (b"", b"\0\0\1", b"\0\0\1\0\x41" + bytes(50), b"\0\0\0\1\xff\xff\xff"):
        with pytest.raises(StreamError, match="none of which decodes"):
            GfvStream(data)


def test_large_pictures_are_refused(exported: bytes) -> None:
    with pytest.raises((StreamError, UsageError), match="--max-pixels"):
        GfvStream(exported, max_pixels=1000)


def test_streams_of_others() -> None:
    root = Path(os.environ.get("HDAC_DATA", "")) / "gfv_sei"
    if "HDAC_DATA" not in os.environ or not root.is_dir():
        pytest.skip("HDAC_DATA is not set: the reference software's streams are not here")
    shown = {
        "keypoints10": ["base", *["animation"] * 7, "base"],
        "base_then_fusion": ["base", *["animation"] * 7, "fused"],
        "mouth_eyes_key": ["base", *["animation"] * 4, "base"],
        "compact4x4": "no points of a plane",
        "head3d": "no points of a plane",
        "landmarks68_nopred": "68 points; network hdac-s-animation takes 5 to 40",
    }
    for name, wanted in shown.items():
        stream = GfvStream((root / f"{name}.266").read_bytes())
        assert len(list(stream.decode("base"))) == stream.pictures == 2
        if isinstance(wanted, list):
            assert [f.level for f in stream.decode(model="hdac-s")] == wanted
        else:
            with pytest.raises(UsageError, match=wanted):
                list(stream.decode(model="hdac-s"))
        assert all(json.dumps(to_json(located)) for located in stream.messages())


def test_pictures_that_are_coded_out_of_order(tmp_path: Path) -> None:
    """They come as they are shown, and messages stay with the pictures that carry them."""
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    pictures, path = synthetic(12), tmp_path / "reordered.266"
    raw = b"".join(picture.tobytes() for picture in pictures)
    run_ffmpeg(
        ["-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x48", "-r", "25", "-i", "-",
         "-pix_fmt", "yuv420p10le", "-c:v", "libvvenc", "-preset", "faster", "-qp", "20",
         "-vvenc-params", "DecodingRefreshType=cra:IntraPeriod=32:GOPSize=16", "-f", "vvc",
         str(path)], data=raw,
    )  # fmt: skip
    bare = path.read_bytes()
    stream = GfvStream(bare)
    shown = [frame.picture for frame in stream.decode()]
    assert len(shown) == 12
    nearest = [
        min(range(12), key=lambda i, p=p: luma_mse(p, pictures[i]))  # type: ignore[misc]
        for p in shown
    ]
    assert nearest == list(range(12))
    numbers = [number for number, _ in stream._pictures([])]
    assert sorted(numbers) == list(range(12)) != numbers
    messages = [gfv.GfvMessage(coordinates=_AT_REST, picture=number) for number in range(12)]
    carried = GfvStream(gfv.insert(bare, messages))
    found = [[m.picture for m in each] for _, each in carried._with_messages([])]
    assert found == [[number] for number in numbers]
