"""Bad input and bad options: exit code 2 with a way out, and nothing half-made."""

import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from hdac.bitstream.container import VERSION, Packet, PacketType
from hdac.codec.syntax import TimesWriter
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter
from tests.conftest import Run, synthetic, write_video
from tests.fuzz.mutate import taken, written

GOLDEN = Path(__file__).parents[1] / "golden"


def audio(path: Path) -> Path:
    run_ffmpeg(["-f", "lavfi", "-i", "sine=duration=0.2", "-c:a", "aac", str(path)])
    return path


def test_missing_file(hdac: Run, tmp_path: Path) -> None:
    code, out, err = hdac("encode", tmp_path / "no.mp4", "-o", tmp_path / "a.hdac")
    assert (code, out) == (2, "")
    assert "no such file or folder; give a video file" in err


def test_audio_only(hdac: Run, tmp_path: Path) -> None:
    code, _, err = hdac("encode", audio(tmp_path / "a.mp4"), "-o", tmp_path / "a.hdac")
    assert code == 2
    assert "no video stream" in err


def test_zero_frames(hdac: Run, tmp_path: Path) -> None:
    (tmp_path / "v_64x48.yuv").write_bytes(b"")
    code, _, err = hdac("encode", tmp_path / "v_64x48.yuv", "-o", tmp_path / "a.hdac")
    assert code == 2
    assert "0 frames" in err
    code, _, err = hdac(
        "encode", tmp_path / "v_64x48.yuv", "-o", tmp_path / "a.hdac", "--frames", 0
    )
    assert (code, "--frames 0; at least 1" in err) == (2, True)


def test_one_frame(hdac: Run, tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", synthetic(1))
    assert hdac("encode", source, "-o", tmp_path / "a.hdac")[0] == 0
    code, out, _ = hdac("decode", tmp_path / "a.hdac", "-o", tmp_path / "a.mp4", "--json")
    assert (code, json.loads(out)["frames"]) == (0, 1)


def test_tiny_picture(hdac: Run, tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", synthetic(2, 8, 8))
    code, _, err = hdac("encode", source, "-o", tmp_path / "a.hdac")
    assert code == 2
    assert "8x8; allowed are 16x16 to 4096x4096" in err
    assert "--size" in err
    assert hdac("encode", source, "-o", tmp_path / "a.hdac", "--size", "64x64")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-pix_fmt", "yuv444p", "-c:v", "libx264"], "yuv444p converted to 4:2:0"),
        (["-pix_fmt", "yuv420p10le", "-c:v", "libx265"], "10-bit source converted"),
        (
            ["-pix_fmt", "yuvj420p", "-c:v", "libx264", "-color_range", "pc"],
            "full-range source converted",
        ),
        (
            ["-vf", "setpts='if(lt(N,3),N,3*N)/25/TB'", "-fps_mode", "vfr", "-c:v", "libx264"],
            "variable frame rate",
        ),
    ],
)
def test_unusual_sources_are_coded_and_said(
    hdac: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    run_ffmpeg(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x48:rate=25:duration=0.24",
            *arguments,
            str(tmp_path / "v.mkv"),
        ]
    )
    code, _, err = hdac("encode", tmp_path / "v.mkv", "-o", tmp_path / "a.hdac", "--mode", "base")
    assert code == 0
    assert words in err


def test_not_hdac(hdac: Run, clip: Path, tmp_path: Path) -> None:
    for verb in (
        ("decode", clip, "-o", tmp_path / "a.mp4"),
        ("info", clip),
        ("export", clip, "-o", tmp_path / "a.hevc"),
    ):
        code, out, err = hdac(*verb)
        assert (code, out) == (2, "")
        assert f"hdac: {clip}: not an .hdac stream" in err


def test_newer_version(hdac: Run, stream: Path, tmp_path: Path) -> None:
    data = bytearray(stream.read_bytes())
    data[4] = VERSION + 1
    (tmp_path / "new.hdac").write_bytes(bytes(data))
    code, _, err = hdac("decode", tmp_path / "new.hdac", "-o", tmp_path / "a.mp4")
    assert code == 2
    assert f"format version {VERSION + 1}; this hdac reads version {VERSION}" in err
    assert not (tmp_path / "a.mp4").exists()


def damaged(stream: Path, path: Path, part: float) -> Path:
    data = bytearray(stream.read_bytes())
    data[int(len(data) * part)] ^= 4
    path.write_bytes(bytes(data))
    return path


def test_what_verifies_is_written(hdac: Run, clip: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.hdac"
    options = ("--mode", "base", "--refresh", 2, "--frames", 8, "--preset", "fast")
    assert hdac("encode", clip, "-o", whole, *options)[0] == 0
    bad = damaged(whole, tmp_path / "bad.hdac", 0.9)
    code, out, err = hdac("decode", bad, "-o", tmp_path / "a.mkv", "--json")
    made = json.loads(out)
    assert code == 1
    assert 0 < made["frames"] < 8
    assert made["frames"] == len(list(VideoReader(tmp_path / "a.mkv")))
    assert made["notes"][0] in err
    assert "missing" in err
    code, out, err = hdac("decode", bad, "-o", tmp_path / "b.mkv", "--strict")
    assert (code, out) == (2, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mkv", "bad.hdac", "whole.hdac"]


def test_damage_of_all_leaves_no_output(hdac: Run, stream: Path, tmp_path: Path) -> None:
    bad = damaged(stream, tmp_path / "bad.hdac", 0.5)
    code, _, err = hdac("decode", bad, "-o", tmp_path / "a.mkv", "--level", "base", "--strict")
    assert code == 2
    assert "damaged" in err
    assert [p.name for p in tmp_path.iterdir()] == ["bad.hdac"]


@pytest.mark.usefixtures("no_cluster")
@pytest.mark.parametrize("verb", ["decode", "info", "export", "compare", "batch"])
def test_large_pictures_are_refused(hdac: Run, stream: Path, tmp_path: Path, verb: str) -> None:
    command = {
        "decode": ["decode", stream, "-o", tmp_path / "a.mkv"],
        "info": ["info", stream],
        "export": ["export", stream, "-o", tmp_path / "a.hevc"],
        "compare": ["compare", stream, stream, "-o", tmp_path / "a.png"],
        "batch": ["batch", "decode", stream, "--out", tmp_path, "-j", 1],
    }[verb]
    code, _, err = hdac(*command, "--max-pixels", "176x143")
    assert code == (1 if verb == "batch" else 2)
    assert "176x144" in err
    assert "--max-pixels" in err
    assert hdac(*command, "--max-pixels", 176 * 144)[0] == 0
    code, _, err = hdac(*command, "--max-pixels", "big")
    assert (code, "--max-pixels big; expected WIDTHxHEIGHT or a number" in err) == (2, True)


def test_a_variable_rate_plays_at_its_speed(hdac: Run, tmp_path: Path) -> None:
    """20 frames over 1.75 s."""
    at = [*range(0, 500, 50), *range(500, 1750, 125)]
    info = VideoInfo(tmp_path / "v.mkv", 64, 48, Fraction(80, 7))
    with VideoWriter(info, timed=True) as writer:
        for picture, time in zip(synthetic(20), at, strict=True):
            writer.write(picture, Fraction(time, 1000))
    made = tmp_path / "v.hdac"
    code, out, err = hdac("encode", info.path, "-o", made, "--mode", "base", "--json")
    assert (code, json.loads(out)["fps"]) == (0, "80/7")
    assert "variable frame rate" in err
    assert "variable frame rate" in json.loads(out)["notes"][0]
    for name in ("a.mp4", "a.mkv"):
        assert hdac("decode", made, "-o", tmp_path / name)[0] == 0
        assert VideoReader(tmp_path / name).info.times == tuple(at)
    assert hdac("export", made, "-o", tmp_path / "base.mp4")[0] == 0
    assert VideoReader(tmp_path / "base.mp4").info.times == tuple(at)
    code, _, err = hdac("decode", made, "-o", tmp_path / "a.y4m")
    assert (code, "y4m has no frame times" in err) == (0, True)
    constant = ("--mode", "base", "--fps", "10", "--json", "-f")
    _, out, err = hdac("encode", info.path, "-o", made, *constant)
    assert (json.loads(out)["fps"], err) == ("10", "")
    cut = ("--mode", "base", "--frames", 12, "-f")
    assert hdac("encode", info.path, "-o", made, *cut)[0] == 0
    assert hdac("decode", made, "-o", tmp_path / "cut.mkv")[0] == 0
    assert VideoReader(tmp_path / "cut.mkv").info.times == tuple(at[:12])


def export(hdac: Run, folder: Path, data: bytes, name: str) -> tuple[int, str, str]:
    (folder / "crafted.hdac").write_bytes(data)
    return hdac("export", folder / "crafted.hdac", "-o", folder / name)


@pytest.mark.parametrize("name", ["base.mp4", "base.hevc"])
def test_exports_without_pictures(hdac: Run, tmp_path: Path, name: str) -> None:
    header, packets = taken((GOLDEN / "base-audio.hdac").read_bytes())
    for kept in ([], [p for p in packets if p.type is PacketType.AUDIO]):
        code, _, err = export(hdac, tmp_path, written(header, kept), name)
        assert (code, "the stream has no pictures" in err) == (2, True)
        assert not (tmp_path / name).exists()


def test_exports_of_which_nothing_is_shown(hdac: Run, tmp_path: Path) -> None:
    """A live stream's pictures come late, all of them."""
    header, packets = taken((GOLDEN / "base-live.hdac").read_bytes())
    first = Packet(PacketType.ENHANCEMENT, b"", sequence=1000)
    code, _, err = export(hdac, tmp_path, written(header, [first, *packets]), "base.mp4")
    assert (code, "none of the stream's pictures is shown" in err) == (2, True)


@pytest.mark.parametrize("at", [[40, 40, 40], [40, 80, 30], [40, 80, 80]])
def test_exports_of_times_that_do_not_grow(hdac: Run, tmp_path: Path, at: list[int]) -> None:
    header, packets = taken((GOLDEN / "base-hevc.hdac").read_bytes())
    writer, base = TimesWriter(), packets[0]
    for time in at:
        writer.add(time)
    crafted = written(replace(header, clock=1000), [*writer.take(), base])
    code, _, _ = export(hdac, tmp_path, crafted, "base.mp4")
    assert code == 0
    assert len(list(VideoReader(tmp_path / "base.mp4"))) == base.frames == 3


def test_live_streams(hdac: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.hdac"
    code, text, _ = hdac("encode", clip, "-o", out, "--mode", "base", "--live", "--json")
    assert (code, json.loads(text)["live"]) == (0, True)
    assert hdac("decode", out, "-o", tmp_path / "a.mkv")[0] == 0
    assert len(list(VideoReader(tmp_path / "a.mkv"))) == 10


def test_pictures_of_a_folder_that_are_not_ours_stay(
    hdac: Run, stream: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "holiday.png").write_bytes(b"mine")
    assert hdac("decode", stream, "-o", folder, "--level", "base")[0] == 2
    code, _, err = hdac("decode", stream, "-o", folder, "--level", "base", "-f")
    assert (code, (folder / "holiday.png").read_bytes()) == (0, b"mine")
    assert len(list(folder.iterdir())) == 9
    assert "1 other pictures were in the folder and are still there (holiday.png)" in err


def test_unknown_model(hdac: Run, clip: Path, tmp_path: Path) -> None:
    code, _, err = hdac("encode", clip, "-o", tmp_path / "a.hdac", "--model", "hdac-xl")
    assert code == 2
    assert "unknown model hdac-xl; here are: enlarge (" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--qp-base", "99"], "--qp-base 99; allowed are 0 (best) to 51"),
        (["--bitrate", "fast"], "--bitrate fast; expected a number"),
        (["--refresh", "often"], "--refresh often; choose auto, never, drift or a period"),
        (["--size", "256"], "size '256'; expected WIDTHxHEIGHT"),
        (["--fps", "0"], "--fps 0; allowed are more than 0"),
        (["--mode", "magic"], "--mode magic; choose one of"),
        (["--device", "tpu"], "--device tpu; choose one of cpu"),
    ],
)
def test_bad_options(
    hdac: Run, clip: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, out, err = hdac("encode", clip, "-o", tmp_path / "a.hdac", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert not (tmp_path / "a.hdac").exists()


def test_nothing_is_overwritten(hdac: Run, clip: Path, stream: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.hdac"
    out.write_text("mine")
    code, _, err = hdac("encode", clip, "-o", out)
    assert (code, out.read_text()) == (2, "mine")
    assert "exists already; give -f" in err
    assert hdac("encode", clip, "-o", out, "-f", "--mode", "base")[0] == 0
    assert out.read_bytes()[:4] == b"HDAC"
    movie = tmp_path / "a.mkv"
    movie.write_text("mine")
    assert hdac("decode", stream, "-o", movie)[0] == 2
    assert movie.read_text() == "mine"
    code, _, err = hdac("encode", clip, "-o", tmp_path / "a.mp4")
    assert (code, "choose one of .hdac" in err) == (2, True)


def test_usage_errors(hdac: Run) -> None:
    assert hdac()[0] == 2
    assert hdac("paint")[0] == 2
    code, out, _ = hdac("encode", "--help")
    assert code == 0
    assert "--qp-base" in out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(hdac: Run, clip: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert hdac("encode", clip, "-o", tmp_path / "a.hdac", "--mode", "base")[0] == 2
