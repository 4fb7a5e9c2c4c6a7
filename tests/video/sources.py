"""Sources of every kind for the tests, made with FFmpeg."""

import os
import threading
from pathlib import Path

from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

TEST = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.4")


def made(path: Path, *arguments: str, source: tuple[str, ...] = TEST) -> Path:
    path.parent.mkdir(exist_ok=True)
    run_ffmpeg([*source, *arguments, "-y", str(path)])
    return path


def copied(source: Path, path: Path, *before: str) -> Path:
    """A stream copy; `before`: options of the input."""
    run_ffmpeg([*before, "-i", str(source), "-c", "copy", "-y", str(path)])
    return path


def read(path: Path | str, **options: object) -> tuple[VideoReader, list[Picture]]:
    reader = VideoReader(path, **options)  # type: ignore[arg-type]
    return reader, list(reader)


def said(reader: VideoReader) -> str:
    return "\n".join(reader.notes)


def fed(tmp_path: Path, source: Path, name: str = "fifo") -> Path:
    """A FIFO into which a file is written, once."""
    fifo = tmp_path / name
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb") as file:
            file.write(source.read_bytes())

    threading.Thread(target=feed, daemon=True).start()
    return fifo
