"""VMAF and XPSNR, as FFmpeg's filters libvmaf and xpsnr measure them over a whole clip."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from hdac.errors import HdacError, ToolError
from hdac.metrics.contract import (
    CAP,
    LUMA,
    MEAN,
    Clip,
    Contract,
    Metric,
    NotOnThisClipError,
    Scores,
    UnavailableError,
)
from hdac.video.ffmpeg import find_ffmpeg, raw_input, run_ffmpeg


@cache
def _filters(ffmpeg: str) -> frozenset[str]:
    command = [ffmpeg, "-hide_banner", "-filters"]
    none = subprocess.DEVNULL
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=none)
    rows = map(str.split, done.stdout.splitlines())
    return frozenset(words[1] for words in rows if len(words) > 2)


def filtered(first: Clip, second: Clip, name: str, log_as: str, **options: object) -> str:
    """Runs a filter of two inputs that writes a file, under its option `log_as`; returns the text.
    Which of them is the source differs from filter to filter. Raises `ToolError`."""
    import ffmpeg

    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        inputs, log = [], Path(folder) / "log"
        for i, clip in enumerate((first, second)):
            path = Path(folder) / f"{i}.yuv"
            with path.open("wb") as file:
                file.writelines(p.tobytes() for p in clip.pictures)
            inputs.append(raw_input(path, *first.size, first.fps))
        graph = ffmpeg.filter(inputs, name, **{log_as: str(log)}, **options).output("-", f="null")
        try:
            run_ffmpeg(graph.get_args(), timeout=120 + len(first.pictures))
        except ToolError as error:  # without the command, which names folders of here
            what, _, said = str(error).partition(": ")
            last = said.splitlines()[1:][-1:]
            raise ToolError(": ".join([what, *last])) from error
        return log.read_text()


class FfmpegFilter(Metric):
    """A metric that is a filter of FFmpeg, which some builds lack."""

    filter: str

    def unavailable(self) -> str | None:
        try:
            if self.filter in _filters(find_ffmpeg()):
                return None
        except HdacError as error:
            return str(error)
        return f"this FFmpeg has no filter {self.filter}; set HDAC_FFMPEG to one that has it"


class Vmaf(FfmpegFilter):
    """Model vmaf_v0.6.1, libvmaf's mean over frames. Its first input is the decoded clip."""

    filter = "libvmaf"
    contract = Contract(
        "vmaf",
        "VMAF",
        "",
        True,
        LUMA,
        "mean over frames, by libvmaf",
        "model vmaf_v0.6.1",
        cap=CAP,
    )

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        text = filtered(x_hat, x, "libvmaf", "log_path", log_fmt="json", n_threads=1)
        log = json.loads(text)
        frames = tuple(f["metrics"]["vmaf"] for f in log["frames"])
        return Scores(log["pooled_metrics"]["vmaf"]["mean"], frames)


class Xpsnr(FfmpegFilter):
    """Luma, mean over frames of the filter's value of each (not its average of the errors). Its
    first input is the source, from which it takes the weights, whatever its help calls it."""

    filter = "xpsnr"
    contract = Contract(
        "xpsnr",
        "XPSNR-Y",
        "dB",
        True,
        LUMA,
        MEAN,
        "Helmrich et al. (2020), FFmpeg's filter",
        cap=CAP,
    )

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        width, height = x.size
        if width * height < 2025:  # there, the filter gives plain PSNR
            raise NotOnThisClipError(f"pictures of {width}x{height}; XPSNR needs 2025 pixels")
        text = filtered(x, x_hat, "xpsnr", "stats_file")
        found = re.findall(r"^n:.*?XPSNR y:\s*(inf|[\d.]+)", text, re.MULTILINE)
        frames = tuple(min(CAP, float(v)) for v in found)
        if len(frames) != len(x.pictures):
            raise UnavailableError(f"FFmpeg's xpsnr said {len(frames)} frames of {len(x.pictures)}")
        return Scores.mean(frames)
