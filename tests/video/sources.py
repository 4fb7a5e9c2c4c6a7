"""Sources of every kind for the tests, made with FFmpeg."""

import os
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

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


# ---- sound: flashes in the picture and clicks in the sound at the same times

#: Of `flashes_and_clicks`: frames per second, frames, and those that flash.
FPS, COUNT, FLASHES = 20, 60, (10, 26, 35, 52)


def flashes_and_clicks(
    path: Path,
    offset: float = 0.0,
    rate: int = 48000,
    layout: str = "mono",
    seconds: float = 3.0,
    times: Sequence[int] | None = None,
    codec: str = "pcm_s16le",
) -> Path:
    """A file of 128x128 whose sound begins `offset` seconds after the pictures (before: negative)
    and lasts so many seconds. times: ms at which the frames are shown."""
    at = [1000 * n // FPS for n in range(COUNT)] if times is None else times
    start = round(1000 * max(0.0, -offset))
    samples = np.zeros(round(rate * seconds), np.float32)
    click = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate // FPS) / rate)
    for n in FLASHES:
        first = round((at[n] / 1000 - offset) * rate)
        if 0 <= first <= len(samples) - len(click):
            samples[first : first + len(click)] = click
    planes = np.repeat(samples[None], {"mono": 1, "stereo": 2, "5.1": 6}[layout], 0)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=FPS)
        video.width = video.height = 128
        video.options = {"preset": "ultrafast", "tune": "zerolatency"}
        video.codec_context.time_base = Fraction(1, 1000)
        audio: Any = container.add_stream(codec, rate=rate, layout=layout)
        for n, time in enumerate(at):
            luma = np.full((192, 128), 200 if n in FLASHES else 60, np.uint8)
            frame = av.VideoFrame.from_ndarray(luma, format="yuv420p")
            frame.pts, frame.time_base = start + time, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for first in range(0, planes.shape[1], 1024):
            part = np.ascontiguousarray(planes[:, first : first + 1024])
            sound = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            sound.sample_rate, sound.time_base = rate, Fraction(1, rate)
            sound.pts = first + round(rate * (start / 1000 + offset))
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def lag(path: Path) -> float:
    """By how many ms the clicks of a file come after its flashes: where the cross-correlation of
    the two is highest."""
    seen, heard = np.zeros(12_000, bool), np.zeros(12_000, bool)  # by ms
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    starts = [round(1000 * frame.time) for frame in frames]
    for frame, begin, end in zip(frames, starts, [*starts[1:], starts[-1] + 50], strict=True):
        seen[begin:end] = frame.to_ndarray(format="gray").mean() > 130
    resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
    with av.open(str(path)) as container:
        for decoded in container.decode(audio=0):
            for part in resampler.resample(decoded):
                loud = np.abs(part.to_ndarray()[0]) > 0.1
                first = round(1000 * part.pts * part.time_base)
                heard[first + np.flatnonzero(loud) // 48] = True
    shifts = range(-400, 401)
    matches = [np.count_nonzero(seen & np.roll(heard, -shift)) for shift in shifts]
    assert max(matches) > 0.7 * min(seen.sum(), heard.sum()) > 10, "all of them match"
    best = [s for s, match in zip(shifts, matches, strict=True) if match == max(matches)]
    return float(np.mean(best))
