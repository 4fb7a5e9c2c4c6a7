"""What real files hold beside plain pictures: each is applied, carried or said."""

import os
import struct
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from hdac.errors import UsageError
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter, encode_png
from tests.conftest import synthetic, write_video

TEST = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.4")


def made(path: Path, *arguments: str, source: tuple[str, ...] = TEST) -> Path:
    path.parent.mkdir(exist_ok=True)
    run_ffmpeg([*source, *arguments, "-y", str(path)])
    return path


def copied(source: Path, path: Path, *before: str) -> Path:
    """A stream copy; `before`: options of the input."""
    run_ffmpeg([*before, "-i", str(source), "-c", "copy", "-y", str(path)])
    return path


def read(path: Path | str, **options: object) -> tuple[VideoReader, list[Picture]]:
    reader = VideoReader(path, **options)  # type: ignore[arg-type]
    return reader, list(reader)


def said(reader: VideoReader) -> str:
    return "\n".join(reader.notes)


def distance(a: Picture, b: Picture) -> float:
    return max(float(np.abs(p.astype(int) - q).mean()) for p, q in zip(a, b, strict=True))


# ---- what containers say about showing


@pytest.mark.parametrize(
    ("tags", "turn", "words"),
    [
        (("-display_rotation", "90"), partial(np.rot90, k=1), "turned by 270 degrees clockwise"),
        (("-display_rotation", "180"), partial(np.rot90, k=2), "turned by 180 degrees"),
        (("-display_rotation", "270"), partial(np.rot90, k=3), "turned by 90 degrees clockwise"),
        (("-display_hflip",), np.fliplr, "mirrored"),
        (("-display_vflip",), np.flipud, "mirrored"),
    ],
)
def test_rotation_is_applied(
    tmp_path: Path, tags: tuple[str, ...], turn: Callable[..., np.ndarray], words: str
) -> None:
    plain = made(tmp_path / "plain.mp4", "-c:v", "libx264", "-crf", "10")
    _, upright = read(plain)
    reader, pictures = read(copied(plain, tmp_path / "turned.mp4", *tags))
    assert words in said(reader)
    wanted = Picture(*(np.ascontiguousarray(turn(p)) for p in upright[3]))
    assert (reader.info.width, reader.info.height) == (wanted.width, wanted.height)
    assert distance(pictures[3], wanted) == 0
    assert len(pictures) == 10


def test_rotation_and_mirror_are_as_ffmpeg_applies_them(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain.mp4", "-c:v", "libx264")
    for rotation in ("90", "270"):
        path = copied(
            plain, tmp_path / f"{rotation}.mp4", "-display_rotation", rotation, "-display_hflip"
        )
        theirs = run_ffmpeg(["-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        _, pictures = read(path)
        assert b"".join(p.tobytes() for p in pictures) == theirs


def test_rotation_of_an_odd_size(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "odd.mkv", synthetic(2), width=61, height=47)
    turned = copied(clip, tmp_path / "odd.mov", "-display_rotation", "90")
    reader, pictures = read(turned)
    assert (reader.info.width, reader.info.height) == (47, 61)
    upright = synthetic(2)[0].y[:47, :61]
    assert np.array_equal(pictures[0].y[:61, :47], np.rot90(upright))


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = made(tmp_path / "v.mkv", "-vf", "setsar=4/3", "-c:v", "ffv1")
    reader = VideoReader(path)
    assert (reader.info.width, reader.info.height) == (64, 48)
    assert "pixels are 4:3, not square: coded as they are, 64x48 (--square resamples to 85x48)" in (
        said(reader)
    )
    reader, pictures = read(path, square=True)
    assert (reader.info.width, reader.info.height, pictures[0].y.shape) == (85, 48, (48, 86))
    assert "resampled from 64x48 to 85x48" in said(reader)
    assert not VideoReader(path, size=(64, 48)).notes  # the user's choice
    tall = VideoReader(made(tmp_path / "t.mkv", "-vf", "setsar=1/2", "-c:v", "ffv1"), square=True)
    assert (tall.info.width, tall.info.height) == (64, 96)


def test_interlaced_pictures_are_deinterlaced(tmp_path: Path) -> None:
    bar = [synthetic(1)[0]._replace(y=np.full((48, 64), 40, np.uint8)) for _ in range(20)]
    for t, picture in enumerate(bar):
        picture.y[:, 2 * t : 2 * t + 16] = 200
    fields = write_video(tmp_path / "fields.y4m", bar, fps=Fraction(50))
    path = tmp_path / "v.mkv"
    run_ffmpeg([
        "-i", str(fields), "-vf", "interlace=lowpass=off", "-c:v", "libx264", "-crf", "5",
        "-flags", "+ilme+ildct", str(path),
    ])  # fmt: skip
    reader, pictures = read(path)
    assert "interlaced source deinterlaced" in said(reader)
    assert (len(pictures), reader.info.frames, reader.info.fps) == (10, 10, 25)
    with av.open(str(path)) as container:
        woven = [Picture.from_av(f) for f in container.decode(video=0)]

    def comb(picture: Picture) -> float:
        y = picture.y.astype(int)
        return float(np.abs(2 * y[1:-1] - y[:-2] - y[2:]).mean())

    assert comb(pictures[5]) < 0.3 * comb(woven[5])


def test_cropping_is_applied(tmp_path: Path) -> None:
    """Matroska's PixelCrop, written over a Void element's place: ours has none to write it with."""
    path = tmp_path / "v.mkv"
    run_ffmpeg([
        *TEST, "-c:v", "libx264", "-bsf:v", "h264_metadata=crop_left=0", "-y", str(path),
    ])  # fmt: skip
    data = path.read_bytes()
    size = data.index(b"\xb0\x81\x40\xba\x81\x30")  # PixelWidth 64, PixelHeight 48
    crop = b"\x54\xbb\x81\x08\x54\xaa\x81\x08"  # top, bottom
    void = data.index(b"\xec", size)
    length = data[void + 1] & 127
    if data[void + 1] == 1:  # eight bytes of length
        length = struct.unpack(">Q", b"\0" + data[void + 2 : void + 9])[0] + 7
    if length < len(crop) + 2:
        pytest.skip("this muxer leaves no room in the video element")
    rest = length - len(crop) - 2 + 2
    patched = data[:void] + crop + b"\xec" + bytes([0x80 | rest - 2]) + data[void + 10 :]
    path.write_bytes(patched[: len(data)])
    reader, pictures = read(path)
    assert (reader.info.width, reader.info.height, len(pictures)) == (64, 32, 10)
    assert "cropped by 0, 0, 8, 8" in said(reader)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-pix_fmt", "yuv444p", "-c:v", "libx264"], "yuv444p converted to 4:2:0"),
        (["-pix_fmt", "yuv420p10le", "-c:v", "libx265"], "10-bit source converted to 8 bit"),
        (
            ["-pix_fmt", "yuvj420p", "-c:v", "libx264", "-color_range", "pc"],
            "full-range source converted to limited range",
        ),
        (
            ["-vf", "setpts='if(lt(N,5),N,2*N)/25/TB'", "-fps_mode", "vfr", "-c:v", "libx264"],
            "variable frame rate (13.158 on average): frame times are carried",
        ),
        (["-pix_fmt", "rgb24", "-c:v", "ffv1"], "RGB converted"),
        (["-pix_fmt", "yuva420p", "-c:v", "ffv1"], "alpha is dropped"),
        (["-pix_fmt", "bgra", "-c:v", "ffv1"], "alpha is dropped"),
        (
            ["-pix_fmt", "yuva420p", "-c:v", "libvpx", "-auto-alt-ref", "0"],
            "alpha is dropped",
        ),
    ],
)
def test_other_sources_are_converted_and_said(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    reader, pictures = read(made(tmp_path / "v.mkv", *arguments))
    assert words in said(reader)
    assert len(pictures) == 10
    assert pictures[0].y.shape == (48, 64)
    # testsrc2 shows black and white: limited range is 16 to 235
    assert 10 <= pictures[0].y.min() <= 40
    assert 200 <= pictures[0].y.max() <= 245


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
@pytest.mark.parametrize("height", [48, 720])
def test_colours_of_rgb_and_palettes(tmp_path: Path, mode: str, height: int) -> None:
    Image.new("RGB", (64, height), (255, 0, 0)).convert(mode).save(tmp_path / "red.png")
    still = ("-framerate", "25", "-i", str(tmp_path / "red.png"))
    reader, pictures = read(made(tmp_path / "v.mkv", "-c", "copy", source=still))
    rgb = pictures[0].to_rgb(reader.info.matrix).astype(int)
    assert np.abs(rgb - (255, 0, 0)).max() <= 4
    assert "RGB converted" in said(reader)


def test_audio_and_subtitles_are_said(tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:00,300\nhello\n")
    path = made(
        tmp_path / "v.mkv", "-f", "lavfi", "-i", "sine=duration=0.4", "-i", str(tmp_path / "s.srt"),
        "-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264",
    )  # fmt: skip
    assert said(VideoReader(path)) == "audio is not coded\nsubtitle is not coded"


# ---- which stream, which rate, how many


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(encode_png(np.zeros((20, 20, 3), np.uint8)))
    art = ("-i", str(tmp_path / "c.png"))
    movie = made(
        tmp_path / "v.mp4", *art, "-map", "1", "-map", "0", "-c:v:0", "png", "-c:v:1", "libx264",
        "-disposition:v:0", "attached_pic",
    )  # fmt: skip
    reader, pictures = read(movie)
    assert (len(pictures), reader.info.width, reader.info.fps) == (10, 64, 25)
    assert "cover art (stream " in said(reader)
    song = made(
        tmp_path / "a.m4a", *art, "-map", "0", "-map", "1", "-c:v", "png", "-disposition:v",
        "attached_pic", source=("-f", "lavfi", "-i", "sine=duration=0.2"),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"no video stream .streams: audio, video"):
        VideoReader(song)


def test_the_default_of_two_videos(tmp_path: Path) -> None:
    path = made(
        tmp_path / "v.mkv", "-filter_complex", "[0]split[a][b];[a]scale=32:32[c]", "-map", "[c]",
        "-map", "[b]", "-c:v", "libx264", "-disposition:v:0", "0", "-disposition:v:1", "default",
    )  # fmt: skip
    reader = VideoReader(path)
    assert (reader.info.width, reader.notes) == (64, ("video stream 0 (32x32) is left out",))


@pytest.mark.parametrize("rate", ["30", "50", "24000/1001"])
def test_elementary_streams_keep_their_rate(tmp_path: Path, rate: str) -> None:
    source = ("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={rate}:duration=0.4")
    reader, pictures = read(made(tmp_path / "v.h264", "-c:v", "libx264", source=source))
    assert (reader.info.fps, reader.info.frames) == (Fraction(rate), len(pictures))


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".mp4", ".ts", ".avi", ".webm"])
def test_ntsc_in_coarse_time_bases(tmp_path: Path, suffix: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30000/1001:duration=1")
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = made(tmp_path / f"v{suffix}", "-c:v", codec, "-pix_fmt", "yuv420p", source=source)
    info = VideoReader(path).info
    assert (info.fps, info.frames, info.times) == (Fraction(30000, 1001), 30, None)


def test_edit_lists_are_not_counted(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain.mp4", "-c:v", "libx264")
    reader, pictures = read(copied(plain, tmp_path / "trim.mp4", "-ss", "0.2"))
    assert reader.info.frames == len(pictures) == 5
    assert not reader.notes


def test_frame_times_come_from_the_frames(tmp_path: Path) -> None:
    path = made(
        tmp_path / "v.mp4", "-vf", "setpts='if(lt(N,5),N,5+(N-5)*3)/25/TB'", "-fps_mode", "vfr",
        "-c:v", "libx264",
    )  # fmt: skip
    info = VideoReader(path).info
    assert info.times == (0, 40, 80, 120, 160, 200, 320, 440, 560, 680)
    assert VideoReader(path, frames=7).info.times == info.times[:7]
    constant = VideoReader(path, fps=Fraction(10))
    assert (constant.info.fps, constant.info.times, constant.notes) == (10, None, ())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_are_written(tmp_path: Path, suffix: str) -> None:
    at = [0, 50, 100, 150, 400, 1000, 1041]
    info = VideoInfo(tmp_path / f"v{suffix}", 64, 48, Fraction(7000, 1341))
    with VideoWriter(info, timed=True) as writer:
        for picture, time in zip(synthetic(7), at, strict=True):
            writer.write(picture, Fraction(time, 1000))
    reader, pictures = read(info.path)
    assert (reader.info.times, len(pictures), writer.notes) == (tuple(at), 7, [])
    with av.open(str(info.path)) as container:
        assert abs((container.duration or 0) / 1e6 - 1.341) < 0.002


@pytest.mark.parametrize("name", ["v.y4m", "v_64x48.yuv", "pictures"])
def test_formats_without_times_say_so(tmp_path: Path, name: str) -> None:
    with VideoWriter(VideoInfo(tmp_path / name, 64, 48, Fraction(5)), timed=True) as writer:
        for i, picture in enumerate(synthetic(3)):
            writer.write(picture, Fraction(i * i))
    assert "has no frame times" in "".join(writer.notes)


# ---- damage


def cut(path: Path, part: float = 0.85) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path


@pytest.mark.parametrize("name", ["v.mkv", "v.flv", "v.avi", "v.mp4", "v.webm"])
def test_files_that_are_cut(tmp_path: Path, name: str) -> None:
    codec = "libvpx" if name == "v.webm" else "libx264"
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2")
    whole = made(
        tmp_path / name, "-c:v", codec, "-movflags", "+faststart", "-pix_fmt", "yuv420p",
        "-cluster_time_limit", "200", source=source,
    )  # fmt: skip
    assert not VideoReader(whole).notes
    reader, pictures = read(cut(whole))
    assert "the file is cut short" in said(reader)
    assert 1 <= len(pictures) == reader.info.frames < 50
    assert (reader.info.fps, reader.info.times) == (25, None)


def test_a_bad_packet_costs_its_pictures_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "v.mp4", "-c:v", "libx264", "-bf", "0")
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        at = path.read_bytes().index(bytes(packets[6]))
    data = bytearray(path.read_bytes())
    data[at : at + 4] = b"\xff" * 4  # the length of a NAL unit
    path.write_bytes(data)
    reader, pictures = read(path)
    assert (len(pictures), reader.info.frames, reader.info.fps) == (9, 9, 25)
    assert "1 of 10 pictures could not be decoded" in said(reader)


def test_a_start_in_the_middle_of_a_gop(tmp_path: Path) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1")
    whole = made(tmp_path / "v.ts", "-c:v", "libx264", "-g", "12", source=source)
    packets = whole.read_bytes()
    starts = [i for i in range(0, len(packets), 188) if packets[i + 1] & 0x5F == 0x41]
    tail = packets[: 3 * 188] + packets[starts[4] :]
    (tmp_path / "tail.ts").write_bytes(tail)
    reader, pictures = read(tmp_path / "tail.ts")
    assert len(pictures) == reader.info.frames
    assert "starts in the middle of a group of pictures" in said(reader)
    assert "variable" not in said(reader)


def test_sizes_and_formats_that_change(tmp_path: Path) -> None:
    a, b, c = (
        made(tmp_path / f"{i}.ts", "-vf", vf, "-pix_fmt", fmt, "-c:v", "libx264").read_bytes()
        for i, (vf, fmt) in enumerate(
            [("null", "yuv420p"), ("scale=96:48", "yuv420p"), ("null", "yuv444p")]
        )
    )
    (tmp_path / "size.ts").write_bytes(a + b)
    reader, pictures = read(tmp_path / "size.ts")
    assert {p.y.shape for p in pictures} == {(48, 64)}
    assert len(pictures) == 20
    assert "the size changes to 96x48 at picture 10: scaled" in said(reader)
    (tmp_path / "format.ts").write_bytes(a + c)
    reader, pictures = read(tmp_path / "format.ts")
    assert (len(pictures), "yuv444p converted to 4:2:0" in said(reader)) == (20, True)


def test_animated_webp_is_said_to_be_unsupported(tmp_path: Path) -> None:
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(UsageError, match="animated WebP is not supported here"):
        VideoReader(tmp_path / "a.webp")


# ---- folders and names


def picture_file(path: Path, level: int) -> None:
    path.parent.mkdir(exist_ok=True)
    grey = np.full((48, 64, 3), level, np.uint8)
    if path.suffix.lower() == ".png":
        path.write_bytes(encode_png(grey))
    else:
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.to_image().save(path)


def levels(pictures: list[Picture]) -> list[int]:
    return [round(int(p.to_rgb().mean()), -1) for p in pictures]


def test_png_and_jpeg_in_one_folder(tmp_path: Path) -> None:
    for i, name in enumerate(["1.png", "2.jpg", "10.PNG", "11.JPEG"]):
        picture_file(tmp_path / "f" / name, 50 * i + 20)
    (tmp_path / "f" / "12.bmp").write_bytes(b"BM")
    (tmp_path / "f" / "notes.txt").write_text("mine")
    reader, pictures = read(tmp_path / "f", fps=Fraction(5))
    assert levels(pictures) == [20, 70, 120, 170]
    assert "2 others in the folder are no PNG or JPEG pictures and are left out: 12.bmp" in (
        said(reader)
    )


def test_digits_of_other_scripts_in_names(tmp_path: Path) -> None:
    for name in ("1²3.png", "a1.png", "٣.png", "2.png"):
        picture_file(tmp_path / "f" / name, 100)
    assert len(read(tmp_path / "f")[1]) == 4


@pytest.mark.parametrize("name", ["take%d", "%02d", "a*b", "[ab]"])
def test_names_that_look_like_patterns(tmp_path: Path, name: str) -> None:
    picture_file(tmp_path / "take1" / "x1.png", 200)
    picture_file(tmp_path / name / "x%d.png", 100)
    picture_file(tmp_path / name / "x1.png", 200)
    assert levels(read(tmp_path / name / "x%d.png")[1]) == [100]
    (tmp_path / name / "x1.png").unlink()
    assert levels(read(tmp_path / name)[1]) == [100]


def test_names_that_look_like_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "v.mkv", synthetic(2)).rename(tmp_path / "at 12:30.mkv")
    write_video(tmp_path / "v.mkv", synthetic(2)).rename(tmp_path / "file:v.mkv")
    monkeypatch.chdir(tmp_path)
    for name in ("at 12:30.mkv", "file:v.mkv"):
        assert len(read(name)[1]) == 2


def test_foreign_files_of_a_folder_stay(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "out", synthetic(5))
    kept = {"thesis.txt": b"mine", "holiday.png": b"mine too", "000003.jpg": b"also"}
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(UsageError, match="exists already"):
        VideoWriter(VideoInfo(folder, 64, 48, Fraction(25)))
    with VideoWriter(VideoInfo(folder, 64, 48, Fraction(25)), force=True) as writer:
        for picture in synthetic(7)[5:]:
            writer.write(picture)
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert after.keys() == before.keys()
    assert {n for n in after if after[n] != before[n]} == {"000000.png", "000001.png"}
    assert writer.notes == [
        "4 other pictures were in the folder and are still there (000002.png to holiday.png)"
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


# ---- pipes and URLs


def fed(tmp_path: Path, source: Path) -> Path:
    """A FIFO into which a file is written, once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb") as file:
            file.write(source.read_bytes())

    threading.Thread(target=feed, daemon=True).start()
    return fifo


@pytest.mark.parametrize("suffix", [".y4m", ".mkv", ".ts"])
def test_a_fifo_is_read_once(tmp_path: Path, suffix: str) -> None:
    source = made(tmp_path / f"v{suffix}", "-pix_fmt", "yuv420p")
    _, wanted = read(source)
    reader = VideoReader(fed(tmp_path, source))
    assert (reader.info.frames, reader.info.fps) == (None, 25)
    assert [p.tobytes() for p in reader] == [p.tobytes() for p in wanted]


def test_a_fifo_of_raw_yuv(tmp_path: Path) -> None:
    wanted = synthetic(3)
    source = write_video(tmp_path / "v_64x48.yuv", wanted)
    reader = VideoReader(fed(tmp_path, source).rename(tmp_path / "f_64x48.yuv"))
    assert [p.tobytes() for p in reader] == [p.tobytes() for p in wanted]


def test_what_a_pipe_shows_late_is_said_at_its_end(tmp_path: Path) -> None:
    path = made(
        tmp_path / "v.mkv", "-vf", "setpts='if(lt(N,5),N,2*N)/25/TB'", "-fps_mode", "vfr", "-c:v",
        "libx264",
    )  # fmt: skip
    reader = VideoReader(fed(tmp_path, path))
    assert len(list(reader)) == 10
    assert "a pipe is coded at the constant rate" in said(reader)


def test_a_url(tmp_path: Path) -> None:
    made(tmp_path / "v.mp4", "-c:v", "libx264")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None  # type: ignore[method-assign, assignment]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v.mp4"
        reader = VideoReader(url)
        assert (reader.name, len(list(reader))) == (url, 10)
        with pytest.raises(UsageError, match=r"http://127.0.0.1:\d+/no.mp4: not a video"):
            VideoReader(url.replace("v.mp4", "no.mp4"))
        server.shutdown()


def test_only_the_first_frames(tmp_path: Path) -> None:
    for path in (
        made(tmp_path / "v.mkv", "-c:v", "libx264"),
        write_video(tmp_path / "v_64x48.yuv", synthetic(10)),
        write_video(tmp_path / "pictures", synthetic(10)),
    ):
        reader = VideoReader(path, frames=4)
        assert (reader.info.frames, len(list(islice(reader, 9)))) == (4, 4)
