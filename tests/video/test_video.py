from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import ToolError, UsageError
from hdac.video.colour import picture_from_rgb, resolve_matrix, rgb_from_picture
from hdac.video.ffmpeg import find_ffmpeg, run_ffmpeg
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter, check_output
from tests.conftest import synthetic, write_video


def odd(pictures: list[Picture], width: int, height: int) -> list[Picture]:
    """Cut to an odd size and padded again, as a reader delivers it."""
    return [p.cropped(width, height).padded() for p in pictures]


def difference(a: list[Picture], b: list[Picture]) -> int:
    return max(
        int(np.abs(p.astype(int) - q).max())
        for x, y in zip(a, b, strict=True)
        for p, q in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("suffix", [".mkv", ".y4m", "_64x48_25fps.yuv"])
@pytest.mark.parametrize("size", [(64, 48), (61, 47), (64, 47)])
def test_lossless_formats(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    pictures = odd(synthetic(5), *size)
    path = tmp_path / f"v{suffix.replace('64x48', f'{size[0]}x{size[1]}')}"
    write_video(path, pictures, width=size[0], height=size[1])
    reader = VideoReader(path)
    assert (reader.info.width, reader.info.height, reader.info.fps, reader.info.frames) == (
        *size,
        25,
        5,
    )
    assert difference(list(reader), pictures) == 0


@pytest.mark.parametrize("size", [(64, 48), (61, 47)])
def test_mp4_is_visually_lossless(
    tmp_path: Path, head: list[Picture], size: tuple[int, int]
) -> None:
    pictures = odd(head[:5], *size)
    reader = VideoReader(
        write_video(
            tmp_path / "v.mp4", pictures, width=size[0], height=size[1], fps=Fraction(30000, 1001)
        )
    )
    back = list(reader)
    assert (reader.info.width, reader.info.height, reader.info.fps) == (
        *size,
        Fraction(30000, 1001),
    )
    assert (
        np.mean([(p.y.astype(float) - q.y) ** 2 for p, q in zip(pictures, back, strict=True)])
        < 255**2 / 10**4.4
    )  # 44 dB


def test_png_folder(tmp_path: Path, head: list[Picture]) -> None:
    path = write_video(tmp_path / "frames", head[:3], width=175, height=143)
    assert sorted(p.name for p in path.iterdir()) == ["000000.png", "000001.png", "000002.png"]
    reader = VideoReader(path, fps=Fraction(24))
    back = list(reader)
    assert (reader.info.width, reader.info.height, reader.info.fps) == (175, 143, 24)
    error = np.abs(back[1].y[:143, :175].astype(int) - head[1].y[:143, :175])
    assert np.quantile(error, 0.999) <= 3  # colours outside RGB are clipped


def test_tags_travel(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        path = write_video(tmp_path / f"v{suffix}", synthetic(2), matrix=1, primaries=1, transfer=1)
        info = VideoReader(path).info
        assert (info.matrix, info.primaries, info.transfer) == (1, 1, 1)


def test_untagged_matrix() -> None:
    assert (resolve_matrix(2, 719), resolve_matrix(2, 720), resolve_matrix(1, 100)) == (6, 1, 1)


@pytest.mark.parametrize("matrix", [1, 4, 6, 7])
def test_rgb_agrees_with_swscale(head: list[Picture], matrix: int) -> None:
    """A second implementation: libswscale, on the luma-only and chroma-smooth part that does not
    depend on chroma siting."""
    smooth = Picture(head[0].y, np.full_like(head[0].u, 110), np.full_like(head[0].v, 150))
    names = {1: "ITU709", 4: "FCC", 6: "ITU601", 7: "SMPTE240M"}
    frame = smooth.to_av().reformat(
        format="rgb24", src_colorspace=names[matrix], dst_colorspace=names[matrix]
    )
    theirs = frame.to_ndarray().astype(int)
    assert np.abs(rgb_from_picture(smooth, matrix) - theirs).max() <= 2


def test_ycgco_agrees_with_zimg(head: list[Picture]) -> None:
    smooth = Picture(head[0].y, np.full_like(head[0].u, 110), np.full_like(head[0].v, 150))
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "176x144", "-i", "-")
    turn = "zscale=min=ycgco:m=gbr:rin=tv:r=pc,format=gbrp,format=rgb24"
    out = ("-f", "rawvideo", "-")
    theirs = np.frombuffer(run_ffmpeg([*raw, "-vf", turn, *out], data=smooth.tobytes()), np.uint8)
    assert np.abs(rgb_from_picture(smooth, 8).ravel().astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 8, 9, 10, 12, 14])
def test_matrices_of_sources(tmp_path: Path, matrix: int) -> None:
    rgb = np.full((48, 64, 3), (220, 30, 60), np.uint8)
    picture = Picture.from_rgb(rgb, matrix)
    reader = VideoReader(write_video(tmp_path / "v.mkv", [picture] * 2, matrix=matrix))
    shown = next(iter(reader)).to_rgb(reader.info.matrix)
    assert reader.info.matrix == matrix
    assert np.abs(shown.astype(int) - rgb).max() <= 2
    assert bool(reader.notes) == (matrix > 9)
    assert all(f"matrix {matrix} (of H.273) is carried as it is" in n for n in reader.notes)


@pytest.mark.parametrize("matrix", [1, 4, 6, 7, 8, 9])
def test_rgb_round_trip(matrix: int) -> None:
    colours = np.array([[255, 255, 255], [0, 0, 0], [200, 40, 40], [30, 90, 200]], np.uint8)
    rgb = np.repeat(np.repeat(colours[None], 8, 0), 8, 1)
    back = rgb_from_picture(picture_from_rgb(rgb, matrix), matrix)
    assert (
        np.abs(back[:, 2::8].astype(int) - rgb[:, 2::8]).max() <= 3
    )  # chroma edges are smooth: look inside the bars
    assert np.abs(back[:, 5::8].astype(int) - rgb[:, 5::8]).max() <= 3


def ffmpeg_file(path: Path, *arguments: str) -> Path:
    run_ffmpeg(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x48:rate=25:duration=0.4",
            *arguments,
            "-y",
            str(path),
        ]
    )
    return path


def test_webm(tmp_path: Path) -> None:
    reader = VideoReader(ffmpeg_file(tmp_path / "v.webm", "-c:v", "libvpx-vp9"))
    assert (len(list(reader)), reader.info.fps, reader.info.notes) == (10, 25, ())


def test_scaling(tmp_path: Path, head: list[Picture]) -> None:
    path = write_video(tmp_path / "v.mkv", head[:2])
    assert next(iter(VideoReader(path, size=(88, 72)))).y.shape == (72, 88)


def bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.mp4"
    if kind == "audio":
        run_ffmpeg(["-f", "lavfi", "-i", "sine=duration=0.2", "-c:a", "aac", str(path)])
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 20)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        (tmp_path / "folder").mkdir()
        return tmp_path / "folder"
    elif kind == "raw":
        path = tmp_path / "bad.yuv"
        path.write_bytes(b"\0" * 100)
    elif kind == "cut raw":
        path = tmp_path / "bad_64x48.yuv"
        path.write_bytes(b"\0" * 5000)
    elif kind == "tiny raw":
        path = tmp_path / "bad_64x48.yuv"
        path.write_bytes(b"\0" * 500)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("audio", "no video stream .streams: audio"),
        ("noise", "not a video that can be read"),
        ("empty", "not a video that can be read"),
        ("folder", "0 PNG or JPEG pictures; at least 1"),
        ("raw", "raw yuv without a size.*--size WxH"),
        ("cut raw", "no whole number of 64x48"),
        ("tiny raw", "0 frames: 500 bytes"),
    ],
)
def test_bad_sources(tmp_path: Path, kind: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        list(VideoReader(bad(tmp_path, kind)))


def test_outputs_are_not_overwritten_and_nothing_half_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "v.y4m"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already; give -f"):
        check_output(path, force=False)
    with (
        pytest.raises(ValueError, match="rgb24"),
        VideoWriter(VideoInfo(path, 64, 48, Fraction(25)), force=True) as writer,
    ):
        writer.write(Picture.from_av(av.VideoFrame(64, 48, "rgb24")))
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["v.y4m"]
    with pytest.raises(UsageError, match=r"cannot write .avi; choose one of .mp4"):
        check_output(tmp_path / "v.avi", force=False)
    with pytest.raises(UsageError, match="does not exist"):
        check_output(tmp_path / "no" / "v.mp4", force=False)


def test_ffmpeg_is_found_and_its_failures_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match=r"FFmpeg failed(?s:.*)no-such-file"):
        run_ffmpeg(["-i", "no-such-file.mp4", "-f", "null", "-"])
    with pytest.raises(ToolError, match=r"longer than 0.2 s"):
        run_ffmpeg(
            ["-re", "-f", "lavfi", "-i", "testsrc2=duration=9", "-f", "null", "-"], timeout=0.2
        )
    monkeypatch.setenv("HDAC_FFMPEG", "/no/such/ffmpeg")
    with pytest.raises(UsageError, match="HDAC_FFMPEG /no/such/ffmpeg"):
        find_ffmpeg()
    with pytest.raises(UsageError, match="--ffmpeg /nowhere"):
        find_ffmpeg("/nowhere")
