"""Sound through the command line: flashes and clicks stay together."""

import json
from itertools import accumulate
from pathlib import Path

import av
import pytest

from hdac.bitstream.container import Packet, PacketType
from hdac.bitstream.stream import read_stream
from hdac.cli.main import main
from tests.conftest import Run
from tests.fuzz.mutate import taken, written
from tests.video.sources import copied, fed, flashes_and_clicks, lag

BASE = ("--mode", "base", "--base-encoder", "x265", "--preset", "fast")
#: What has pictures and sound: verbs and names.
PLAYABLE = (("decode", "o.mp4"), ("decode", "o.mkv"), ("export", "base.mp4"))
#: ms by which sound may be early or late.
IN_TIME = 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flashes_and_clicks(tmp_path_factory.mktemp("sound") / "source.mkv")


@pytest.fixture(scope="module")
def stream(source: Path) -> Path:
    out = source.with_name("stream.hdac")
    assert main(["encode", str(source), "-o", str(out), "--refresh", "20", *BASE]) == 0
    return out


def start(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        (stream,) = (s for s in container.streams if s.type == kind)
        assert stream.start_time is not None
        assert stream.time_base is not None
        return float(stream.start_time * stream.time_base)


@pytest.mark.parametrize("live", [(), ("--live",)])
@pytest.mark.parametrize(
    ("name", "offset", "rate", "layout", "codec"),
    [
        ("a.mkv", 0.0, 48000, "mono", "pcm_s16le"),
        ("a.mkv", 0.5, 44100, "stereo", "flac"),
        ("a.mp4", 0.5, 22050, "stereo", "aac"),
        ("a.mkv", -0.3, 16000, "mono", "pcm_s16le"),
        ("a.mp4", -0.3, 48000, "5.1", "aac"),
    ],
)
def test_clicks_and_flashes(
    tmp_path: Path, hdac: Run, name: str, offset: float, rate: int, layout: str, codec: str,
    live: tuple[str, ...],
) -> None:  # fmt: skip
    path = flashes_and_clicks(tmp_path / name, offset, rate, layout, codec=codec)
    assert abs(lag(path)) < 5
    code, _, err = hdac("encode", path, "-o", tmp_path / "s.hdac", *BASE, *live)
    assert (code, err) == (0, "")
    for verb, shown in PLAYABLE:
        out = tmp_path / shown
        code, _, err = hdac(verb, tmp_path / "s.hdac", "-o", out)
        assert (code, err) == (0, "")
        assert abs(lag(out)) < IN_TIME
        found = start(out, "audio") - start(out, "video")
        assert found == pytest.approx(offset, abs=0.06), "it begins where it began"


@pytest.mark.parametrize("offset", [0.5, -0.3])
def test_a_variable_frame_rate(tmp_path: Path, hdac: Run, offset: float) -> None:
    times = [0, *accumulate((20, 70, 50, 91) * 15)][:60]
    path = flashes_and_clicks(tmp_path / "v.mkv", offset, times=times, seconds=3.5)
    code, _, err = hdac("encode", path, "-o", tmp_path / "s.hdac", "--refresh", 20, *BASE)
    assert (code, "frame times are carried" in err) == (0, True)
    for verb, shown in PLAYABLE:
        assert hdac(verb, tmp_path / "s.hdac", "-o", tmp_path / shown)[0] == 0
        assert abs(lag(tmp_path / shown)) < IN_TIME


@pytest.mark.parametrize("vary", [False, True])
def test_after_a_lost_group(tmp_path: Path, hdac: Run, vary: bool) -> None:
    """Frames 20 to 39 are lost, and one flash with them: in a file of constant rate the others
    follow at once, in one with times there is a gap. The sound does the same."""
    times = [0, *accumulate((20, 70, 50, 91) * 15)][:60] if vary else None
    path = flashes_and_clicks(tmp_path / "v.mkv", times=times, seconds=3.5)
    assert hdac("encode", path, "-o", tmp_path / "s.hdac", "--refresh", 20, *BASE)[0] == 0
    data = bytearray((tmp_path / "s.hdac").read_bytes())
    second = [p for p in read_stream(bytes(data))[1] if p.gop_start and p.type is PacketType.BASE][
        1
    ]
    data[data.index(second.payload) + 9] ^= 1
    (tmp_path / "s.hdac").write_bytes(data)
    code, _, err = hdac("decode", tmp_path / "s.hdac", "-o", tmp_path / "o.mkv")
    assert (code, "40 frames were decoded; some are missing" in err) == (1, True)
    assert abs(lag(tmp_path / "o.mkv")) < IN_TIME


def test_after_lost_packets_of_a_live_stream(source: Path, tmp_path: Path, hdac: Run) -> None:
    """Frames 22 to 29 are not there: the others are shown when they were."""
    command = ("encode", source, "-o", tmp_path / "s.hdac", "--live", "--refresh", 10)
    assert hdac(*command, *BASE)[0] == 0
    header, packets = taken((tmp_path / "s.hdac").read_bytes())
    kept = [p for p in packets if p.type is PacketType.AUDIO or p.sequence != 22]
    (tmp_path / "lossy.hdac").write_bytes(written(header, kept))
    code, said, _ = hdac("decode", tmp_path / "lossy.hdac", "-o", tmp_path / "o.mkv")
    assert (code, "52 base, 8 concealed" in said) == (0, True)
    assert abs(lag(tmp_path / "o.mkv")) < IN_TIME
    kept = [p for p in packets if p.type is PacketType.AUDIO or p.sequence // 10 != 2]
    (tmp_path / "gap.hdac").write_bytes(written(header, kept))
    code, said, _ = hdac("export", tmp_path / "gap.hdac", "-o", tmp_path / "base.mp4")
    assert (code, "50 pictures" in said) == (0, True)
    assert abs(lag(tmp_path / "base.mp4")) < IN_TIME


# ---- what is left out


def test_no_audio_is_a_source_without_sound(
    source: Path, stream: Path, tmp_path: Path, hdac: Run
) -> None:
    mute = tmp_path / "mute.mkv"
    copied(source, mute, "-an")
    for path, options in ((source, ("--no-audio",)), (mute, ())):
        out = tmp_path / f"{path.stem}.hdac"
        assert hdac("encode", path, "-o", out, "--refresh", 20, *BASE, *options)[0] == 0
    without = (tmp_path / "mute.hdac").read_bytes()
    assert (tmp_path / "source.hdac").read_bytes() == without
    header, packets = taken(stream.read_bytes())
    video = [p for p in packets if p.type is not PacketType.AUDIO]
    assert len(video) < len(packets)
    assert written(header, video) == without, "the sound changes no byte of the video"


def test_the_sound_of_what_is_read_once_is_not_coded(
    source: Path, tmp_path: Path, hdac: Run
) -> None:
    path = fed(tmp_path, source)
    code, _, err = hdac("encode", path, "-o", tmp_path / "s.hdac", *BASE)
    assert (code, "audio is not coded" in err) == (0, True)
    _, packets = read_stream((tmp_path / "s.hdac").read_bytes())
    assert {p.type for p in packets} == {PacketType.BASE}


def test_outputs_without_sound(stream: Path, tmp_path: Path, hdac: Run) -> None:
    for name, kind in (("o.y4m", "y4m"), ("o.yuv", "yuv"), ("folder", "PNG")):
        code, _, err = hdac("decode", stream, "-o", tmp_path / name)
        assert (code, f"{kind} has no sound (mp4 and mkv have)" in err) == (0, True)
    code, _, err = hdac("decode", stream, "-o", tmp_path / "o.mkv", "--no-audio")
    assert (code, err) == (0, "")
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert [s.type for s in container.streams] == ["video"]
    code, _, err = hdac("export", stream, "-o", tmp_path / "base.hevc")
    assert (code, "the sound is left out" in err) == (0, True)
    code, _, err = hdac("export", stream, "-o", tmp_path / "base.mp4", "--no-audio")
    assert (code, err) == (0, "")
    with av.open(str(tmp_path / "base.mp4")) as container:
        assert [s.type for s in container.streams] == ["video"]


# ---- rates


def test_rates_are_the_videos(stream: Path, hdac: Run) -> None:
    """What a file has more with sound is `audio`, whole."""
    header, packets = taken(stream.read_bytes())
    video = written(header, [p for p in packets if p.type is not PacketType.AUDIO])
    code, said, _ = hdac("info", stream, "--json")
    info = json.loads(said)
    assert code == 0
    assert info["bits"]["audio"] == 8 * (len(stream.read_bytes()) - len(video))
    assert info["kbps"] == round(8 * len(video) / 3 / 1000, 4)
    assert info["audio_kbps"] == pytest.approx(info["bits"]["audio"] / 3 / 1000, abs=1e-4)
    assert "audio_kbps:  2." in hdac("info", stream)[1]


@pytest.mark.parametrize("rate", ["6k", "24000"])
def test_a_rate_of_the_sound(source: Path, tmp_path: Path, hdac: Run, rate: str) -> None:
    asked = ("--audio-bitrate", rate, "--json", *BASE)
    code, said, _ = hdac("encode", source, "-o", tmp_path / "s.hdac", *asked)
    assert code == 0
    assert (json.loads(said)["audio_kbps"] > 4) == (rate != "6k"), "most of it is silent"


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("5k", "--audio-bitrate 5k; allowed are 6k to 64k"),
        ("65k", "--audio-bitrate 65k; allowed are 6k to 64k"),
        ("loud", "--audio-bitrate loud; expected a number with k for kbit/s"),
    ],
)
def test_rates_of_the_sound_that_are_refused(
    source: Path, tmp_path: Path, hdac: Run, rate: str, words: str
) -> None:
    out = tmp_path / "out"
    for command in (
        ("encode", source, "-o", f"{out}.hdac"),
        ("batch", "encode", source, "--out", out),
    ):
        code, _, err = hdac(*command, "--audio-bitrate", rate)
        assert (code, words in err, out.exists()) == (2, True, False)


def test_a_target_rate_is_the_videos(source: Path, tmp_path: Path, hdac: Run) -> None:
    for name, options in (("a", ()), ("b", ("--no-audio",))):
        asked = ("--bitrate", "2k", "--json", *BASE, *options)
        code, said, _ = hdac("encode", source, "-o", tmp_path / f"{name}.hdac", *asked)
        assert (code, json.loads(said)["audio_kbps"] > 0) == (0, name == "a")
    header, packets = taken((tmp_path / "a.hdac").read_bytes())
    video = written(header, [p for p in packets if p.type is not PacketType.AUDIO])
    assert video == (tmp_path / "b.hdac").read_bytes()


@pytest.mark.usefixtures("no_cluster")
def test_batches(source: Path, stream: Path, tmp_path: Path, hdac: Run) -> None:
    """The same options, and the same bytes as of `hdac encode`; without a cluster."""
    for options, sounds in (
        ((), True),
        (("--no-audio",), False),
        (("--audio-bitrate", "9k"), True),
    ):
        one, many = tmp_path / "one.hdac", tmp_path / "many"
        assert hdac("encode", source, "-o", one, "-f", *BASE, *options)[0] == 0
        assert hdac("batch", "encode", source, "--out", many, "-f", *BASE, *options)[0] == 0
        data = one.read_bytes()
        assert (many / "source.hdac").read_bytes() == data
        assert any(p.type is PacketType.AUDIO for p in read_stream(data)[1]) == sounds
    for options, wanted in (((), {"audio", "video"}), (("--no-audio",), {"video"})):
        command = ("batch", "decode", stream, "--out", tmp_path, "--format", "mkv", "-f", *options)
        assert hdac(*command)[0] == 0
        with av.open(str(tmp_path / "stream.mkv")) as container:
            assert {s.type for s in container.streams} == wanted


# ---- damage


def test_damaged_sound_in_a_stream(stream: Path, tmp_path: Path, hdac: Run) -> None:
    """The pictures are all there, and the rest of the sound."""
    header, packets = taken(stream.read_bytes())
    at = [n for n, p in enumerate(packets) if p.type is PacketType.AUDIO][1]
    packets[at] = Packet(PacketType.AUDIO, packets[at].payload[:-1])
    bad = tmp_path / "bad.hdac"
    bad.write_bytes(written(header, packets))
    code, said, err = hdac("decode", bad, "-o", tmp_path / "o.mkv")
    assert (code, "60 frames" in said) == (1, True)
    assert "audio: Opus packet: needed" in err
    assert abs(lag(tmp_path / "o.mkv")) < IN_TIME
    code, _, err = hdac("decode", bad, "-o", tmp_path / "strict.mkv", "--strict")
    assert (code, (tmp_path / "strict.mkv").exists()) == (2, False)
    code, said, err = hdac("info", bad)
    assert (code, said) == (2, "")
