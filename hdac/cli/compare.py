"""Put videos side by side, with PSNR-Y and MS-SSIM against the first: an .mp4 of all frames or a
.png of one.

SRC and DEC are anything that `hdac encode` reads, or .hdac files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hdac.atomic import write_atomically
from hdac.bitstream.container import SUFFIX, read_header
from hdac.bitstream.cursor import Cursor
from hdac.cli.common import add_json, progress, read_stream, result
from hdac.cli.decode import video_info
from hdac.codec.files import decode
from hdac.errors import UsageError
from hdac.metrics.ms_ssim import MIN_SIDE, ms_ssim_y
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.colour import picture_from_rgb, rgb_from_picture
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter, check_output, save_png

BAND = 28  # height of the caption, even


@dataclass(frozen=True)
class Column:
    """One video of a comparison; `caption` is drawn under it (ASCII)."""

    caption: str
    pictures: list[Picture]


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", metavar="SRC")
    sub.add_argument("decoded", metavar="DEC", nargs="+")
    sub.add_argument("-o", "--output", required=True, metavar="side_by_side.mp4|.png", type=Path)
    sub.add_argument(
        "--frame", type=int, metavar="N", help="frame of a .png (default: the middle one)"
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    add_json(sub)


def load(name: str) -> tuple[VideoInfo, list[Picture]]:
    """All pictures of a video or an .hdac file."""
    path = Path(name)
    if path.suffix.lower() == SUFFIX:
        data = read_stream(path)
        return video_info(read_header(Cursor(data)), path), [
            frame.picture for frame in decode(data)
        ]
    reader = VideoReader(name)
    return reader.info, list(reader)


def scores(source: list[Picture], decoded: list[Picture]) -> dict[str, float]:
    """PSNR-Y in dB, and MS-SSIM-Y where the pictures are large enough."""
    out = {"psnr-y": mean_psnr_y(source, decoded)}
    if min(source[0].y.shape) >= MIN_SIDE:
        out["ms-ssim-y"] = ms_ssim_y(source, decoded)
    return out


def sheet(columns: list[Column], index: int, matrix: int) -> np.ndarray:
    """R'G'B' of frame `index` of all columns side by side, captions below."""
    tiles = [rgb_from_picture(column.pictures[index], matrix) for column in columns]
    height, width = tiles[0].shape[:2]
    canvas = Image.new("RGB", (width * len(tiles), height + BAND), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (tile, column) in enumerate(zip(tiles, columns, strict=True)):
        canvas.paste(Image.fromarray(tile), (i * width, 0))
        draw.multiline_text(
            (i * width + 4, height + 2), column.caption, fill="black", spacing=2, font_size=10
        )
    return np.asarray(canvas)


def write_sheets(
    path: Path, columns: list[Column], info: VideoInfo, force: bool, frame: int | None = None
) -> None:
    """Writes a comparison: one frame as .png, all as .mp4."""
    frames = len(columns[0].pictures)
    if path.suffix.lower() == ".png":
        index = frames // 2 if frame is None else frame
        if not 0 <= index < frames:
            raise UsageError(f"--frame {index}; the videos have frames 0 to {frames - 1}")
        part = path.with_name(f".{path.name}.part")
        save_png(part, sheet(columns, index, info.matrix))
        write_atomically(path, part.read_bytes())
        part.unlink()
        return
    first = columns[0].pictures[0]
    wide = replace(info, path=path, width=first.width * len(columns), height=first.height + BAND)
    with progress("writing", frames) as told, VideoWriter(wide, force) as writer:
        for index in range(frames):
            writer.write(picture_from_rgb(sheet(columns, index, info.matrix), info.matrix))
            told(index + 1)


def run(options: argparse.Namespace) -> None:
    check_output(options.output, options.force, (".mp4", ".png"))
    info, source = load(options.source)
    columns, rows = [Column(f"source\n{Path(options.source).name}", source)], []
    for name in options.decoded:
        _, pictures = load(name)
        check_same(name, source, pictures)
        found = scores(source, pictures)
        rows.append({"file": name, **{k: round(v, 4) for k, v in found.items()}})
        columns.append(Column(f"{Path(name).name}\n{captions(found)}", pictures))
    write_sheets(options.output, columns, info, options.force, options.frame)
    lines = [
        f"{row['file']}: {captions({k: v for k, v in row.items() if k != 'file'})}" for row in rows
    ]  # type: ignore[misc]
    result(
        options,
        {"output": str(options.output), "scores": rows},
        "\n".join([*lines, str(options.output)]),
    )


def captions(found: dict[str, float]) -> str:
    parts = [f"PSNR-Y {found['psnr-y']:.2f} dB"]
    if "ms-ssim-y" in found:
        parts.append(f"MS-SSIM {found['ms-ssim-y']:.4f}")
    return " ".join(parts)


def check_same(name: str, source: Iterable[Picture], decoded: Iterable[Picture]) -> None:
    """Raises `UsageError` if two videos cannot be compared frame by frame."""
    a, b = list(source), list(decoded)
    if len(a) != len(b) or a[0].y.shape != b[0].y.shape:
        raise UsageError(
            f"{name}: {len(b)} frames of {b[0].width}x{b[0].height}; the source has {len(a)} of {a[0].width}x{a[0].height} and "
            "both must agree (--frames, --size of `hdac encode`)"
        )
