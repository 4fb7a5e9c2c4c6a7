"""What the report's players show: source and decoded pictures side by side in one video, with
values frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from hdac.atomic import scratch_folder
from hdac.bench.analysis import Run, higher_is_better, nearest
from hdac.bench.codecs import BenchCodec, Hdac, load_codec
from hdac.bench.datasets import Source, find_sources, split_name
from hdac.bench.experiment import Experiment
from hdac.bench.looks import looks_of
from hdac.bench.point import code_clip
from hdac.bench.raw import read_clip
from hdac.bench.recipes import recipe_names
from hdac.bench.worst import strips
from hdac.codec.files import frame_bits
from hdac.errors import HdacError
from hdac.metrics.contract import Clip
from hdac.video.ffmpeg import raw_input, run_ffmpeg
from hdac.video.picture import Picture

_PARSERS = {".hevc": "hevc", ".h264": "h264", ".vvc": "vvc", ".obu": "av1"}
_CODER = {"c:v": "libx264", "preset": "medium", "crf": 16, "g": 30, "threads": 1}
_TAGS = {"color_primaries": "smpte170m", "color_trc": "smpte170m", "colorspace": "smpte170m"}


def codecs_here(names: Iterable[str], experiment: Experiment | None) -> dict[str, BenchCodec]:
    """Recipes of a run's codecs: those of `experiment`, which the user named, else those of
    this installation's recipes by name. Never anything that the results folder says."""
    if experiment:
        return {codec.name: codec for codec in experiment.codecs}
    known = recipe_names("baselines")
    return {name: load_codec(name) for name in names if name in known}


def set_of(run: Run, experiment: Experiment | None) -> str:
    """The set whose clips are shown; a path only if the user named it. Raises `HdacError`."""
    if experiment:
        return experiment.recipe.set
    if split_name(run.about.set)[0] not in recipe_names("datasets"):
        raise HdacError(
            f"{run.about.set} is no set of this installation; name the experiment with --recipe"
        )
    return run.about.set


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
    with scratch_folder() as folder:
        out = folder / "tiles.mp4"
        video = raw_input("-", width, height, fps).output(
            str(out), **_CODER, **_TAGS, color_range="tv", movflags="+faststart"
        )
        run_ffmpeg(video.get_args(), None, raw, timeout=300)
        return out.read_bytes()


def decoded(run: Run, name: str, codec: BenchCodec, clip: Clip) -> list[Picture]:
    """The pictures of a point's file, decoded once more. Raises `HdacError`."""
    stream = run.store.stream(name, codec.recipe.suffix)
    if stream is None:
        raise HdacError(f"{name}{codec.recipe.suffix} is not there: only the records were kept")
    with scratch_folder() as folder:
        return code_clip(codec, clip, run.points[name].value, folder, stream).pictures


@dataclass(frozen=True)
class _Players:
    """One run with all that its files are decoded by."""

    run: Run
    codecs: dict[str, BenchCodec]

    def of_sequence(self, source: Source) -> list[dict[str, Any]]:
        """The entries of one clip; each file is decoded once."""
        about = self.run.about
        clip = read_clip(source.path, about.frames or None)
        made: dict[str, list[Picture]] = {}
        return [self._player(source, clip, near, made) for near in about.players_kbps]

    def _player(
        self, source: Source, clip: Clip, near: float, made: dict[str, list[Picture]]
    ) -> dict[str, Any]:
        run, metric = self.run, next(iter(self.run.metrics), "")
        tiles: list[dict[str, Any]] = [
            {"name": "source", "codec": "", "kbps": 0, "frames": {}, "bits": {}}
        ]
        pictures, looks = [list(clip.pictures)], looks_of(run.about)
        ours = []
        for name, codec in ((c, self.codecs[c]) for c in run.shown if c in self.codecs):
            point = nearest(run, name, source.name, near)
            if point is None:
                continue
            if point not in made:
                made[point] = decoded(run, point, codec, clip)
            if isinstance(codec, Hdac):
                ours.append(len(tiles))
            pictures.append(made[point])
            stream = run.store.path(point, codec.recipe.suffix)
            ours_bits = isinstance(codec, Hdac)
            bits = frame_bits(stream.read_bytes()) if ours_bits else {"all": packet_bits(stream)}
            tiles.append({
                "name": looks[name].label, "codec": name, "kbps": run.points[point].kbps,
                "frames": run.store.frames(point),
                "bits": {k: [round(b, 1) for b in v] for k, v in bits.items() if any(v)},
            })  # fmt: skip
        names, worst = [t["name"] for t in tiles], []
        for i in ours:
            if scores := tiles[i]["frames"].get(metric):
                worst += strips(clip, names, pictures, i, scores, higher_is_better(metric))
        return {
            "sequence": source.name, "media": source.media, "near": near, "fps": float(clip.fps),
            "count": len(clip.pictures), "width": clip.size[0], "height": clip.size[1],
            "tiles": tiles, "worst": worst, "data": video_of(pictures, clip.fps),
        }  # fmt: skip


def players(
    run: Run, experiment: Experiment | None = None, data: str | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """One entry for each sequence and rate (`data`: the video), and the codecs that are left out
    because their recipes are not here. Raises `HdacError` if the clips or the coded files are not
    there."""
    codecs = codecs_here(run.shown, experiment)
    absent = [name for name in run.shown if name not in codecs]
    if len(absent) == len(run.shown):
        raise HdacError(f"no recipe here of {', '.join(absent)}; name the experiment with --recipe")
    sources = find_sources(set_of(run, experiment), data, tuple(run.sequences))
    work = _Players(run, codecs)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each decoder is a process of its own
        return [e for entries in pool.map(work.of_sequence, sources) for e in entries], absent
