"""What the report's players show: source and decoded pictures side by side in one video, with
values frame by frame."""

from __future__ import annotations

import base64
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from hdac.bench.analysis import Run, higher_is_better
from hdac.bench.codecs import Codec, codec_from_table
from hdac.bench.datasets import Source, find_sources
from hdac.bench.point import code_clip
from hdac.bench.raw import read_clip
from hdac.bench.recipes import recipe_folder
from hdac.bench.results import Point
from hdac.bench.worst import strips
from hdac.codec.files import frame_bits
from hdac.errors import HdacError
from hdac.metrics.contract import Clip
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture

_PARSERS = {".hevc": "hevc", ".h264": "h264", ".vvc": "vvc", ".obu": "av1"}


def restored(run: Run, codec: str) -> Codec:
    """The codec as `experiment.json` remembers it."""
    about = run.about["codecs"][codec]
    table = {k: v for k, v in about["recipe"].items() if v is not None}
    return codec_from_table(
        codec, {**table, "kind": about["kind"]}, "experiment.json", recipe_folder("baselines")
    )


def decoded(run: Run, name: str, point: Point, clip: Clip) -> list[Picture]:
    """Decodes a point's file once more. Raises `HdacError`."""
    codec = restored(run, point.codec)
    stream = run.store.path(name, codec.suffix)
    if not stream.is_file():
        raise HdacError(f"{stream.name} is not there: only the records were kept")
    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        return code_clip(codec, clip, point.value, Path(folder), stream.read_bytes()).pictures


def packet_bits(stream: Path) -> list[int]:
    """Bits of each picture of an elementary stream; empty if this cannot be told."""
    try:
        parser = av.CodecContext.create(_PARSERS[stream.suffix], "r")
        packets = [*parser.parse(stream.read_bytes()), *parser.parse(None)]
    except (KeyError, ValueError, av.error.FFmpegError):
        return []
    return [8 * p.size for p in packets]


def video_of(tiles: list[list[Picture]], fps: Fraction) -> bytes:
    """Pictures beside each other, as an MP4 (x264, crf 16)."""
    width, height = sum(t[0].width for t in tiles), tiles[0][0].height
    raw = b"".join(
        b"".join(np.hstack([p[plane] for p in pictures]).tobytes() for plane in range(3))
        for pictures in zip(*tiles, strict=True)
    )
    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        out = Path(folder) / "tiles.mp4"
        source = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "-s",
            f"{width}x{height}",
            "-r",
            str(fps),
            "-i",
            "-",
        ]
        coder = [
            "-c:v",
            "libx264",
            "-preset",
            "medium",
            "-crf",
            "16",
            "-g",
            "30",
            "-threads",
            "1",
            "-movflags",
            "+faststart",
        ]
        tags = [
            "-colorspace",
            "smpte170m",
            "-color_primaries",
            "smpte170m",
            "-color_trc",
            "smpte170m",
            "-color_range",
            "tv",
        ]
        run_ffmpeg([*source, *coder, *tags, str(out)], None, raw, timeout=300)
        return out.read_bytes()


def players(run: Run, data: str | None) -> list[dict[str, Any]]:
    """One entry for each sequence and rate. Raises `HdacError` if the clips or the coded files are
    not there."""
    sources = find_sources(run.about["set"], data, tuple(run.sequences))
    shown = [c for c in run.about["anchors"][:1] if c in run.codecs]
    shown += [c for c in run.codecs if run.about["codecs"][c]["kind"] == "hdac" and c not in shown]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each decoder is a process of its own
        return [
            entry
            for entries in pool.map(lambda s: _of_sequence(run, s, shown), sources)
            for entry in entries
        ]


def _of_sequence(run: Run, source: Source, shown: list[str]) -> list[dict[str, Any]]:
    """The entries of one clip; each file is decoded once."""
    clip = read_clip(source.path, run.about["frames"] or None)
    made: dict[str, list[Picture]] = {}
    return [
        _player(run, source.name, clip, near, shown, made) for near in run.about["players_kbps"]
    ]


def _player(
    run: Run,
    sequence: str,
    clip: Clip,
    near: float,
    shown: list[str],
    made: dict[str, list[Picture]],
) -> dict[str, Any]:
    tiles: list[dict[str, Any]] = [
        {"name": "source", "codec": "", "kbps": 0, "frames": {}, "bits": {}}
    ]
    pictures = [list(clip.pictures)]
    for codec in shown:
        points = {
            n: p
            for n, p in run.points.items()
            if p.codec == codec and p.sequence == sequence and not p.error
        }
        if not points:
            continue
        name = min(points, key=lambda n: abs(np.log(points[n].kbps / near)))
        if name not in made:
            made[name] = decoded(run, name, points[name], clip)
        pictures.append(made[name])
        stream = run.store.path(name, run.about["codecs"][codec]["suffix"])
        bits = (
            frame_bits(stream.read_bytes())
            if stream.suffix == ".hdac"
            else {"all": packet_bits(stream)}
        )
        tiles.append({
            "name": codec, "codec": codec, "kbps": points[name].kbps, "frames": run.store.frames(name),
            "bits": {layer: [round(b, 1) for b in values] for layer, values in bits.items() if any(values)},
        })  # fmt: skip
    metric, worst = run.metrics[0], []
    for i, tile in enumerate(tiles):
        if tile["codec"] and run.about["codecs"][tile["codec"]]["kind"] == "hdac":
            names = [t["name"] for t in tiles]
            worst += strips(
                clip, names, pictures, i, tile["frames"].get(metric, []), higher_is_better(metric)
            )
    video = base64.b64encode(video_of(pictures, clip.fps)).decode()
    return {
        "sequence": sequence, "near": near, "fps": float(clip.fps), "count": len(clip.pictures), "width": clip.size[0],
        "height": clip.size[1], "tiles": tiles, "worst": worst, "src": f"data:video/mp4;base64,{video}",
    }  # fmt: skip
