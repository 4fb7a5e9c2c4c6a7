"""Experiments of small clips in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hdac.bench.results import Store, as_json
from tests.conftest import synthetic, write_video

X264 = """
[codec.{name}]
title = "x264 {name}"
encode = [
    "{{ffmpeg}}", "-y", "{{input}}", "-c:v", "libx264", "-preset", "{preset}", "-bf", "0",
    "-qp", "{{value}}", "-f", "h264", "{{stream}}",
]
decode = ["{{ffmpeg}}", "-y", "-i", "{{stream}}", "-f", "rawvideo", "{{decoded}}"]
suffix = ".h264"
points = {points}
"""


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(monkeypatch)


def run_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are made one after the other, without processes of dask; tables, but no figures and
    pages, which take seconds."""

    @contextmanager
    def nothing(*_: object) -> Iterator[None]:
        yield

    def run_all(
        client: None,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        failed: object,
        done: Callable[[Any], None],
    ) -> None:
        for task in tasks:
            done(function(task))

    monkeypatch.setattr("hdac.bench.runner.cluster", nothing)
    monkeypatch.setattr("hdac.bench.runner.run_tasks", run_all)
    monkeypatch.setattr("hdac.bench.figures.write_figures", lambda *_: None)
    monkeypatch.setattr("hdac.bench.report.write_report", lambda *_: [])


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return write_clips(tmp_path)


def write_clips(parent: Path) -> Path:
    """A folder of two clips."""
    folder = parent / "clips"
    folder.mkdir()
    for i, name in enumerate("pq"):
        write_video(folder / f"{name}.mkv", synthetic(4, 64 + 32 * i, 64))
    return folder


def experiment(
    folder: Path, clips: Path, codecs: str, names: str = '["a", "b"]', **keys: object
) -> Path:
    """A recipe over `clips`, beside what its run makes."""
    lines = {
        "schema": '"hdac-experiment/1"', "title": '"t"', "set": f"'folder:{clips}'",
        "codecs": names, "anchors": '["a"]', "metrics": '["psnr-y"]', "players_kbps": "[50]",
    }  # fmt: skip
    path = folder / "e.toml"
    text = "".join(f"{k} = {v}\n" for k, v in {**lines, **keys}.items())
    path.write_text(text + codecs)
    return path


def x264(name: str, preset: str = "ultrafast", points: object = (20, 26, 32, 38)) -> str:
    return X264.format(name=name, preset=preset, points=[*points])  # type: ignore[misc]


def results_folder(
    folder: Path, points: dict[tuple[str, str, float], Any], metrics: tuple[str, ...] = ("psnr-y",)
) -> Path:
    """A results folder as a run leaves it. `points`: (clip, codec, value) -> (kbps, scores), or why
    it failed; the first codec is the anchor."""
    clips, codecs = ([*dict.fromkeys(key[i] for key in points)] for i in (0, 1))
    values = [*dict.fromkeys(key[2] for key in points)]
    entry = {
        "parameter": "qp", "suffix": ".x", "decoded_format": "yuv420p", "skipped": "",
        "points": values, "kind": "anchor", "recipe": {},
    }  # fmt: skip
    entries, store = [], Store(folder)
    for i, ((clip, codec, value), made) in enumerate(points.items()):
        name = f"p{i}"
        entries.append({"name": name, "sequence": clip, "codec": codec, "value": value, "key": "k"})
        if isinstance(made, str):
            store.put(name, failed={"key": "k", "error": made})
            continue
        kbps, scores = made
        have = {k: [v] for k, v in scores.items() if v is not None}
        record = {
            "schema": "hdac-results/1", "key": "k", "name": codec, "sequence": clip, "bytes": 100,
            "value": value, "parameter": "qp", "description": codec, "frames": 8, "fps": "25",
            "width": 64, "height": 64, "bits": None, "decides": {},
            "unavailable": {k: "no such tool" for k, v in scores.items() if v is None},
            "seconds": {"encoding": 1.0, "decoding": 1.0},
            "results": {"bitrate": [kbps], "bpp": [0.1], **have},
        }  # fmt: skip
        store.adopt(name, record)
    about = {
        "schema": "hdac-experiment-run/1", "name": "e", "title": "t", "set": "s", "frames": 0,
        "every": 1, "notes": "", "metrics": metrics, "anchors": codecs[:1], "players_kbps": [],
        "codecs": {c: {"title": c, **entry} for c in codecs},
        "sequences": {c: {"sha256": "", "media": "public"} for c in clips},
        "points": entries, "unavailable_metrics": {},
    }  # fmt: skip
    (folder / "experiment.json").write_bytes(as_json(about))
    return folder
