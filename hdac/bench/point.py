"""One task of an experiment: a clip at one rate point, coded to a file, decoded from it in a fresh
process, measured.

Runs on any node; it needs no disk in common with the one that asked. What comes back is everything
there is to keep.
"""

from __future__ import annotations

import glob
import json
import math
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from hdac.atomic import scratch_folder
from hdac.bench.codecs import CODE, BenchCodec, Hdac, Job
from hdac.bench.commands import Ran, run_command, shown
from hdac.bench.datasets import VARIABLE, Source, file_hash
from hdac.bench.environment import code_was_edited, made_here
from hdac.bench.payload import stream_payload
from hdac.bench.raw import read_clip, read_raw
from hdac.bench.refreshes import refresh_frames
from hdac.codec.files import inspect
from hdac.errors import HdacError, ToolError, UsageError
from hdac.metrics.contract import Clip, NotOnThisClipError, Scores
from hdac.metrics.registry import METRICS, measure
from hdac.video.picture import Picture

#: Of a point's record.
SCHEMA = "hdac-results/1"
#: A program may take this long before its frames count.
START_SECONDS = 60.0


@dataclass(frozen=True)
class PointTask:
    """`key`: hash of all that decides the result; `every`: slow metrics see every Nth frame;
    `stream`: the coded file, where only metrics are missing; `data`: the clip's bytes for nodes
    that do not have it (small clips only); `decides`: the codec's, as JSON, where `key` was made
    (empty: not compared)."""

    name: str
    key: str
    source: Source
    codec: BenchCodec
    value: float
    frames: int | None
    metrics: tuple[str, ...]
    every: int = 1
    stream: bytes | None = None
    data: bytes | None = None
    decides: str = ""


@dataclass(frozen=True)
class PointOutcome:
    """`error`: why it failed (everything else is empty then); `again`: metrics that could not be
    had, which this clip may have elsewhere or another time."""

    task: PointTask
    error: str = ""
    stream: bytes = b""
    record: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, tuple[float, ...]] = field(default_factory=dict)
    log: str = ""
    again: tuple[str, ...] = ()


def find_clip(task: PointTask, folder: Path) -> Path:
    """The clip on this node. Raises `UsageError` if it is neither here nor came with the task."""
    here = task.source.path
    if here.exists() and file_hash(here) == task.source.sha256:
        return here
    if root := os.environ.get(VARIABLE):
        for candidate in Path(root).rglob(glob.escape(here.name)):
            if file_hash(candidate) == task.source.sha256:
                return candidate
    if task.data is None:
        raise UsageError(
            f"this node has no {here.name} with SHA-256 {task.source.sha256[:12]}... and it is "
            f"too large to send: put it below {VARIABLE} there"
        )
    path = folder / here.name
    path.write_bytes(task.data)
    return path


def execute(task: PointTask) -> PointOutcome:
    """Never raises for what goes wrong with one point."""
    import torch  # metrics

    torch.set_num_threads(1)
    try:
        with scratch_folder() as folder:
            return _execute(task, folder)
    except (HdacError, OSError, ValueError, MemoryError) as error:
        return PointOutcome(task, error=str(error) or type(error).__name__)


class Coded(NamedTuple):
    """A clip at one rate point: the file, the pictures that a fresh process made of it, and how
    both were made."""

    data: bytes
    pictures: list[Picture]
    encoded: Ran | None
    decoded: Ran
    commands: dict[str, str]

    def kbps(self, fps: Fraction) -> float:
        return float(len(self.data) * 8 * fps / len(self.pictures) / 1000)


def code_clip(
    codec: BenchCodec, clip: Clip, value: float, folder: Path, stream: bytes | None = None
) -> Coded:
    """Encodes to a file and decodes that file in a fresh process; with `stream` only decodes.

    Raises `ToolError` if the codec does not run here, fails, takes too long, or loses pictures;
    `UsageError` for a bad rate point.
    """
    if reason := codec.unavailable():
        raise ToolError(f"{codec.name} does not run here: {reason}")
    (width, height), count = clip.size, len(clip.pictures)
    source, decoded_to = folder / "source.yuv", folder / "decoded.yuv"
    stream_to = folder / f"coded{codec.recipe.suffix}"
    job = Job(source, stream_to, decoded_to, width, height, clip.fps, count, value)
    limit = START_SECONDS + codec.recipe.timeout * count
    encode, decode = codec.encode_command(job), codec.decode_command(job)
    encoded = None
    if stream is None:
        with job.source.open("wb") as file:
            file.writelines(p.tobytes() for p in clip.pictures)
        encoded = run_command(encode, limit, f"{codec.name}: encoding")
        if not job.stream.is_file() or not job.stream.stat().st_size:
            raise ToolError(f"{codec.name}: encoding left no file: {shown(encode)}")
        job.source.unlink()
    else:
        job.stream.write_bytes(stream)
    decoded = run_command(decode, limit, f"{codec.name}: decoding")
    pictures = list(read_raw(job.decoded, width, height, codec.recipe.decoded_format))
    job.decoded.unlink()
    if len(pictures) != count:
        raise ToolError(f"{codec.name}: {len(pictures)} frames were decoded, {count} were coded")
    commands = {"encode": shown(encode), "decode": shown(decode)}
    return Coded(job.stream.read_bytes(), pictures, encoded, decoded, commands)


def _check_decides(task: PointTask) -> None:
    """Raises `ToolError` where programs, networks or code are others here than where the task's key
    was made, or were edited since: encoders are fresh processes, which read the edited files."""
    decides = json.loads(json.dumps(task.codec.decides()))
    there = json.loads(task.decides) if task.decides else {}
    other = [key for key, value in there.items() if decides.get(key) != value]
    if other:
        raise ToolError(f"{task.codec.name}: other {', '.join(other)} here than where it was asked")
    if isinstance(task.codec, Hdac) and code_was_edited(*CODE):
        raise ToolError("hdac's code was edited while it ran; run it again")


def _execute(task: PointTask, folder: Path) -> PointOutcome:
    _check_decides(task)
    notes = list[str]()
    clip = read_clip(find_clip(task, folder), task.frames, say=notes.extend)
    coded = code_clip(task.codec, clip, task.value, folder, task.stream)
    _check_decides(task)
    found = measure(clip, Clip(coded.pictures, clip.fps, clip.matrix), task.metrics, task.every)
    scores = {k: s for k, s in found.items() if isinstance(s, Scores)}
    frames = {k: s.frames for k, s in scores.items() if s.frames is not None}
    log = "\n".join(f"{r.stdout}{r.stderr}".strip() for r in (coded.encoded, coded.decoded) if r)
    record = {
        **point_record(task, clip, coded),
        "unavailable": {k: str(s) for k, s in found.items() if not isinstance(s, Scores)},
        "seconds": {
            "encoding": _coding_seconds(coded.encoded),
            "decoding": _coding_seconds(coded.decoded),
        },
        "commands": coded.commands,
        "notes": notes,
    }
    caps = {k: METRICS[k].contract.cap for k in frames}
    at_cap = {k: sum(v >= cap for v in frames[k]) for k, cap in caps.items() if cap is not None}
    record["capped"] = {k: count for k, count in at_cap.items() if count}
    record["results"] |= {k: [round(s.value, 6)] for k, s in scores.items()}
    again = [k for k, s in found.items() if not isinstance(s, (Scores, NotOnThisClipError))]
    return PointOutcome(task, "", coded.data, record, frames, log, tuple(again))


def _coding_seconds(ran: Ran | None) -> float | None:
    """What the program says of its own time (hdac: start-up excluded), else its wall time."""
    if ran is None:
        return None
    try:
        return round(float(json.loads(ran.stdout)["seconds"]), 3)
    except (ValueError, KeyError, TypeError):
        return round(ran.seconds, 3)


def point_record(task: PointTask, clip: Clip, coded: Coded) -> dict[str, Any]:
    """What a point's file says of itself; of its results the rate."""
    codec, (width, height), size = task.codec, clip.size, len(coded.data)
    count = len(clip.pictures)
    bits = vars(inspect(coded.data).bits) if isinstance(codec, Hdac) else None
    payload = stream_payload(codec.recipe.suffix, coded.data)
    return {
        "schema": SCHEMA,
        "name": codec.name,
        "description": codec.recipe.title,
        "sequence": task.source.name,
        "source_sha256": task.source.sha256,
        "key": task.key,
        "parameter": codec.recipe.parameter,
        "value": task.value,
        "frames": count,
        "fps": str(Fraction(clip.fps)),
        "width": width,
        "height": height,
        "matrix": clip.matrix,
        "bytes": size,
        "bits": bits,
        "payload_bits": 8 * size - bits["header"] if bits else payload,
        "refreshes": refresh_frames(coded.data) if bits else [],
        "decides": codec.decides(),
        "made": made_here(),
        "results": {
            "bitrate": [round(size * 8 * float(clip.fps) / count / 1000, 6)],
            "bpp": [round(size * 8 / (count * width * height), 8)],
        },
    }


def finite(values: tuple[float, ...]) -> list[float | None]:
    """Per-frame values for JSON: NaN is null."""
    return [None if math.isnan(v) else round(v, 5) for v in values]
