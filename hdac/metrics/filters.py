"""VMAF and XPSNR, as FFmpeg's filters libvmaf and xpsnr measure them over a whole clip."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from hdac.errors import HdacError
from hdac.metrics.contract import Clip, Contract, Scores, UnavailableError, check_pair
from hdac.video.ffmpeg import find_ffmpeg, run_ffmpeg


@cache
def _filters(ffmpeg: str) -> frozenset[str]:
    done = subprocess.run(
        [ffmpeg, "-hide_banner", "-filters"],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    return frozenset(
        words[1] for words in map(str.split, done.stdout.splitlines()) if len(words) > 2
    )


def filtered(x: Clip, x_hat: Clip, graph: str, report: str) -> str:
    """Runs `[x_hat][x]graph`, `{log}` in it standing for a file, whose text is returned. Raises
    `ToolError`."""
    size, rate = "x".join(map(str, x.size)), str(x.fps)
    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        inputs = []
        for name, clip in (("x_hat.yuv", x_hat), ("x.yuv", x)):
            with (Path(folder) / name).open("wb") as file:
                file.writelines(p.tobytes() for p in clip.pictures)
            inputs += [
                "-f",
                "rawvideo",
                "-pix_fmt",
                "yuv420p",
                "-s",
                size,
                "-r",
                rate,
                "-i",
                str(Path(folder) / name),
            ]
        log = Path(folder) / report
        run_ffmpeg(
            [*inputs, "-lavfi", graph.format(log=log), "-f", "null", "-"],
            timeout=120 + len(x.pictures),
        )
        return log.read_text()


class FfmpegFilter:
    """`vmaf` (model vmaf_v0.6.1, libvmaf's mean over frames) and `xpsnr` (luma, weighted over the
    clip by the filter)."""

    def __init__(self, key: str) -> None:
        self.filter = {"vmaf": "libvmaf", "xpsnr": "xpsnr"}[key]
        self.contract = (
            Contract(
                "vmaf",
                "VMAF",
                "",
                True,
                "Y', 8 bit",
                "mean over frames, by libvmaf",
                "model vmaf_v0.6.1",
            )
            if key == "vmaf"
            else Contract(
                "xpsnr",
                "XPSNR-Y",
                "dB",
                True,
                "Y', 8 bit",
                "mean over frames",
                "Helmrich et al. (2020), FFmpeg's filter",
            )
        )

    def unavailable(self) -> str | None:
        try:
            ffmpeg = find_ffmpeg()
        except HdacError as error:
            return str(error)
        return (
            None
            if self.filter in _filters(ffmpeg)
            else f"this FFmpeg has no filter {self.filter}; set HDAC_FFMPEG to one that has it"
        )

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        check_pair(x, x_hat)
        if self.contract.key == "vmaf":
            log = json.loads(
                filtered(
                    x,
                    x_hat,
                    "[0:v][1:v]libvmaf=log_fmt=json:n_threads=1:log_path={log}",
                    "vmaf.json",
                )
            )
            frames = tuple(f["metrics"]["vmaf"] for f in log["frames"])
            return Scores(log["pooled_metrics"]["vmaf"]["mean"], frames)
        text = filtered(x, x_hat, "[0:v][1:v]xpsnr=stats_file={log}", "xpsnr.log")
        frames = tuple(
            min(100.0, float(v))
            for v in re.findall(r"^n:.*?XPSNR y:\s*(inf|[\d.]+)", text, re.MULTILINE)
        )
        if len(frames) != len(x.pictures):
            raise UnavailableError(f"FFmpeg's xpsnr told {len(frames)} frames of {len(x.pictures)}")
        return Scores(sum(frames) / len(frames), frames)
