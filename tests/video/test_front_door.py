"""What real files hold beside plain pictures: each is applied, carried or said."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from hdac.errors import UsageError
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter, encode_png
from tests.conftest import synthetic, write_video
from tests.video.sources import copied, made, read, said


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


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_photographs(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif, image = Image.Exif(), np.zeros((48, 64, 3), np.uint8)
    exif[0x112] = orientation
    image[:, 32:], image[24:, :32] = (120, 120, 120), (230, 230, 230)
    path = tmp_path / "f" / f"photo{suffix}"
    path.parent.mkdir()
    Image.fromarray(image).save(path, exif=exif, quality=100)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    for source in [path, path.parent][: 1 if suffix == ".webp" else 2]:
        reader, pictures = read(source)
        turned = "turned" in said(reader) or "mirrored" in said(reader)
        assert (reader.info.height, reader.info.width) == upright.shape[:2]
        assert turned == (orientation > 1)
        seen = pictures[0].to_rgb(reader.info.matrix).astype(int)
        assert np.abs(seen - upright).mean() < 3


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
    path = made(tmp_path / "v.mkv", "-c:v", "libx264")
    _, whole = read(path)
    data, unused = path.read_bytes(), bytes.fromhex("9a8102 55b08455b98101")  # interlacing, colour
    if unused not in data:
        pytest.skip("this muxer's video element has no room for the patch")
    crop = bytes.fromhex("54bb8108 54aa8108 ec80")  # top, bottom, nothing
    path.write_bytes(data.replace(unused, crop, 1))
    reader, pictures = read(path)
    assert (reader.info.width, reader.info.height) == (64, 32)
    assert "cropped by 0, 0, 8, 8" in said(reader)
    assert all(np.array_equal(a.y, b.y[8:40]) for a, b in zip(pictures, whole, strict=True))


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
