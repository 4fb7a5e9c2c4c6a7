"""Experiments of small clips in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

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
    """A folder of two clips."""
    folder = tmp_path / "clips"
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
