"""Crops at equal rate: one picture of a clip, source and codecs side by side, with eyes and mouth
enlarged below."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from hdac.bench.analysis import Run, nearest
from hdac.bench.codecs import BenchCodec, Hdac
from hdac.bench.datasets import find_sources
from hdac.bench.experiment import Experiment
from hdac.bench.looks import looks_of
from hdac.bench.players import codecs_here, decoded, set_of
from hdac.bench.plots import COLUMN, PAGE, rate_text
from hdac.bench.raw import read_clip
from hdac.errors import UsageError
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.colour import rgb_from_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Columns up to which a figure is one column of a paper wide.
NARROW = 5
#: How far a rate may be from the one that was asked for before it is said.
NEAR = 1.15
#: Of a crop: width over height, and over the width of the points in it.
_ASPECT, _MARGIN = 2.0, 1.35
ZOOM = 4
#: Inches: between tiles, a line of text; letters of a name in one line.
_GAP, _LINE, _LETTERS = 0.03, 0.085, 17


class Box(NamedTuple):
    """Of a crop, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Tile(NamedTuple):
    """One column. `kbps`: 0 for the source; `psnr_y`: of this picture; `rgb`: `(H, W, 3)`."""

    name: str
    kbps: float
    psnr_y: float
    rgb: npt.NDArray[np.uint8]


class Crops(NamedTuple):
    """What `crops_figure` draws. `private`: pictures that may not be published; `notes`: what to
    know of the tiles."""

    sequence: str
    frame: int
    tiles: list[Tile]
    private: bool
    notes: list[str]


def _chosen(run: Run, known: dict[str, BenchCodec], wanted: Sequence[str]) -> dict[str, BenchCodec]:
    """Codecs of a run whose pictures are shown: `wanted`, else anchors, then hdac's hybrids."""
    if wanted:
        return {name: known[name] for name in wanted if name in known and name in run.codecs}
    anchors = [n for n in run.anchors if n in known and not isinstance(known[n], Hdac)]
    hybrids = [
        n for n in run.codecs
        if isinstance(c := known.get(n), Hdac) and c.recipe.mode == "hybrid"
    ]  # fmt: skip
    return {name: known[name] for name in (*anchors, *hybrids)}


class _Found(NamedTuple):
    """The point of a codec that is shown, and what decodes it."""

    run: Run
    point: str
    codec: BenchCodec


def _find(
    runs: Sequence[Run],
    sequence: str,
    near: float,
    codecs: Sequence[str],
    experiment: Experiment | None,
) -> dict[str, _Found]:
    """By codec. Raises `UsageError`."""
    found = dict[str, _Found]()
    hashes = [about.sha256 if (about := r.about.sequences.get(sequence)) else "" for r in runs]
    for run, digest in zip(runs, hashes, strict=True):
        if not digest or digest != hashes[0]:
            have = ", ".join(run.sequences)
            raise UsageError(f"{run.folder} has no such clip as {sequence}; it has {have}")
        for name, codec in _chosen(run, codecs_here(run.codecs, experiment), codecs).items():
            point = nearest(run, name, sequence, near)
            if point and name not in found:
                found[name] = _Found(run, point, codec)
    if absent := [name for name in codecs if name not in found]:
        have = ", ".join(dict.fromkeys(name for run in runs for name in run.codecs))
        raise UsageError(
            f"no point and recipe of {', '.join(absent)} for {sequence}; the results have {have} "
            "(--recipe names the experiment where recipes are not this installation's)"
        )
    if not found:
        raise UsageError(f"no anchor and no hybrid of hdac has a point of {sequence}; see --codecs")
    return found


def find_crops(
    runs: Sequence[Run],
    sequence: str,
    near: float,
    codecs: Sequence[str] = (),
    frame: int | None = None,
    experiment: Experiment | None = None,
    data: str | None = None,
) -> Crops:
    """Pictures of one clip at the points nearest to `near` kbps, decoded from the runs' files; of
    several runs, each codec from the first that has it. `codecs`: default anchors and hybrids;
    `frame`: default the middle one; `experiment`, `data`: as for `players`.

    Raises `UsageError` for a clip, codec or frame that is not there, `HdacError` where files are
    missing.
    """
    found = _find(runs, sequence, near, codecs, experiment)
    (source,) = find_sources(set_of(runs[0], experiment), data, (sequence,))
    last = min(f.run.points[f.point].record["frames"] for f in found.values()) - 1
    index = last // 2 if frame is None else frame
    if not 0 <= index <= last:
        raise UsageError(f"--frame {index}; the clip has frames 0 to {last}")

    def tile(name: str) -> Tile:
        run, point, codec = found[name]
        clip = read_clip(source.path, run.about.frames or None)
        shown, x = decoded(run, point, codec, clip)[index], clip.pictures[index]
        rgb, look = rgb_from_picture(shown, clip.matrix), looks_of(run.about)[name]
        return Tile(look.label, run.points[point].kbps, mean_psnr_y([x], [shown]), rgb)

    clip = read_clip(source.path, index + 1)
    original = Tile("source", 0, math.inf, rgb_from_picture(clip.pictures[index], clip.matrix))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each decoder is a process of its own
        tiles = [*pool.map(tile, found)]
    notes = [
        f"{t.name}: its nearest point has {rate_text(t.kbps)}, not {near:g}"
        for t in tiles
        if abs(math.log(t.kbps / near)) > math.log(NEAR)
    ]
    media = [source.media, *(run.about.sequences[sequence].media for run in runs)]
    return Crops(sequence, index, [original, *tiles], set(media) != {"public"}, notes)


def face_boxes(rgb: npt.NDArray[np.uint8]) -> list[Box]:
    """Eyes and mouth of the largest face. Raises `UsageError` without a face, `UnavailableError`
    without the weights that find it."""
    import cv2

    from hdac.metrics.landmarks import crop_matrix, face_points
    from hdac.motion.facemesh import EYES, MOUTH

    matrix = crop_matrix(rgb)
    if matrix is None:
        raise UsageError("no face was found in the source; name the crops: --crop X,Y,WxH")
    back = cv2.invertAffineTransform(matrix)
    points = cv2.transform(face_points(rgb, matrix)[None], back)[0]
    return [_around(points[part], rgb.shape[1], rgb.shape[0]) for part in (EYES, MOUTH)]


def _around(points: npt.NDArray[np.floating], width: int, height: int) -> Box:
    """A box around points that is inside the picture."""
    low, high = points.min(0), points.max(0)
    wide = min(round(_MARGIN * float(high[0] - low[0])), width, int(_ASPECT * height))
    size = max(2, wide), max(1, round(wide / _ASPECT))
    corner = (low + high) / 2 - np.array(size) / 2
    left, top = (int(v) for v in corner.round().clip(0, np.subtract((width, height), size)))
    return Box(left, top, *size)


def check_box(box: Box, rgb: npt.NDArray[np.uint8]) -> None:
    """Raises `UsageError` for a crop that is not inside the picture."""
    height, width = rgb.shape[:2]
    inside = box.left + box.width <= width and box.top + box.height <= height
    if not inside or min(box.width, box.height) < 1:
        raise UsageError(
            f"--crop {box.left},{box.top},{box.width}x{box.height}; the picture is {width}x{height}"
        )


def _enlarged(rgb: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    part = rgb[box.top : box.top + box.height, box.left : box.left + box.width]
    size = ZOOM * box.width, ZOOM * box.height
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC))


def crops_figure(crops: Crops, boxes: Sequence[Box]) -> Figure:
    """A column a tile: name, whole picture, crops enlarged `ZOOM` times (bicubic), rate and PSNR-Y.
    The source's picture shows where the crops are."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    count = len(crops.tiles)
    across = COLUMN if count <= NARROW else PAGE
    side = (across + _GAP) / max(count, NARROW) - _GAP
    height, width = crops.tiles[0].rgb.shape[:2]
    rows = [height / width, *(box.height / box.width for box in boxes)]
    names = [textwrap.wrap(tile.name, _LETTERS) or [""] for tile in crops.tiles]
    above, below = max(map(len, names)) * _LINE + _GAP, 2 * _LINE + _GAP
    tall = above + sum(side * r + _GAP for r in rows) - _GAP + below
    wide = count * (side + _GAP) - _GAP
    figure = plt.figure(figsize=(wide, tall), dpi=600)
    for i, (tile, name) in enumerate(zip(crops.tiles, names, strict=True)):
        left, top = i * (side + _GAP), tall - above
        words: dict[str, Any] = {"ha": "center", "fontsize": 5.5, "linespacing": 1.0}
        middle = (left + side / 2) / wide
        figure.text(middle, (top + _GAP) / tall, "\n".join(name), va="bottom", **words)
        for ratio, box in zip(rows, (None, *boxes), strict=True):
            top -= side * ratio
            place = (left / wide, top / tall, side / wide, side * ratio / tall)
            axes = figure.add_axes(place)
            axes.imshow(tile.rgb if box is None else _enlarged(tile.rgb, box), interpolation="none")
            axes.set_axis_off()
            for b in boxes if box is None and i == 0 else ():
                at, size = (b.left - 0.5, b.top - 0.5), (b.width, b.height)
                axes.add_patch(Rectangle(at, *size, fill=False, edgecolor="white", linewidth=0.4))
            top -= _GAP
        if tile.kbps:
            text = f"{rate_text(tile.kbps)}\n{tile.psnr_y:.2f} dB"
            figure.text(middle, top / tall, text, va="top", **words)
    return figure
