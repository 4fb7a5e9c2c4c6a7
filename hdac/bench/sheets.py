"""Videos side by side with captions, as one picture or a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hdac.atomic import write_atomically
from hdac.errors import UsageError
from hdac.metrics.contract import MS_SSIM_SIDE
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.colour import picture_from_rgb, rgb_from_picture
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo
from hdac.video.writer import VideoWriter, encode_png

BAND = 28  # height of the caption, even


@dataclass(frozen=True)
class Column:
    """One video of a comparison; `caption` is drawn under it (ASCII)."""

    caption: str
    pictures: list[Picture]


def scores(source: list[Picture], decoded: list[Picture]) -> dict[str, float]:
    """PSNR-Y in dB, and MS-SSIM-Y unless `no_ms_ssim` says why not."""
    out = {"psnr-y": mean_psnr_y(source, decoded)}
    if no_ms_ssim(source[0]) is None:
        from hdac.metrics.ms_ssim import ms_ssim_y

        out["ms-ssim-y"] = ms_ssim_y(source, decoded)
    return out


def no_ms_ssim(picture: Picture) -> str | None:
    """Why `scores` has no MS-SSIM-Y of such pictures; None where it has."""
    if min(picture.y.shape) < MS_SSIM_SIDE:
        return f"no MS-SSIM of pictures under {MS_SSIM_SIDE} pixels a side"
    return None if find_spec("pytorch_msssim") else "MS-SSIM needs pip install 'hdac[bench]'"


def captions(found: dict[str, float]) -> str:
    ms_ssim = f" MS-SSIM {found['ms-ssim-y']:.4f}" if "ms-ssim-y" in found else ""
    return f"PSNR-Y {found['psnr-y']:.2f} dB{ms_ssim}"


def check_same(name: str, source: list[Picture], decoded: list[Picture]) -> None:
    """Raises `UsageError` if two videos cannot be compared frame by frame."""
    sizes = [(len(v), v[0].width, v[0].height) for v in (decoded, source)]
    if sizes[0] != sizes[1]:
        theirs, ours = ("{} frames of {}x{}".format(*s) for s in sizes)
        raise UsageError(
            f"{name}: {theirs}; the source has {ours} and both must agree "
            "(--frames, --size of `hdac encode`)"
        )


def sheet(columns: list[Column], index: int, matrix: int) -> np.ndarray:
    """R'G'B' of frame `index` of all columns side by side, captions below."""
    tiles = [rgb_from_picture(column.pictures[index], matrix) for column in columns]
    height, width = tiles[0].shape[:2]
    canvas = Image.new("RGB", (width * len(tiles), height + BAND), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (tile, column) in enumerate(zip(tiles, columns, strict=True)):
        canvas.paste(Image.fromarray(tile), (i * width, 0))
        place = (i * width + 4, height + 2)
        draw.multiline_text(place, column.caption, fill="black", spacing=2, font_size=10)
    return np.asarray(canvas)


def write_sheets(
    path: Path,
    columns: list[Column],
    info: VideoInfo,
    force: bool,
    frame: int | None = None,
    done: Callable[[int], object] = lambda _: None,
) -> None:
    """Writes a comparison: one frame as .png, all as .mp4; `done` is called with the number of
    frames that are written."""
    frames = len(columns[0].pictures)
    if path.suffix.lower() == ".png":
        index = frames // 2 if frame is None else frame
        if not 0 <= index < frames:
            raise UsageError(f"--frame {index}; the videos have frames 0 to {frames - 1}")
        write_atomically(path, encode_png(sheet(columns, index, info.matrix)))
        return
    first = columns[0].pictures[0]
    wide = replace(info, path=path, width=first.width * len(columns), height=first.height + BAND)
    with VideoWriter(wide, force) as writer:
        for index in range(frames):
            writer.write(picture_from_rgb(sheet(columns, index, info.matrix), info.matrix))
            done(index + 1)
