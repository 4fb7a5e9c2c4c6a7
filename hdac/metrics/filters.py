"""VMAF and XPSNR, as FFmpeg's filters libvmaf and xpsnr measure them over a whole clip."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from hdac.errors import HdacError
from hdac.metrics.contract import LUMA, MEAN, Clip, Contract, Metric, Scores, UnavailableError
from hdac.video.ffmpeg import find_ffmpeg, run_ffmpeg


@cache
def _filters(ffmpeg: str) -> frozenset[str]:
    command = [ffmpeg, "-hide_banner", "-filters"]
    none = subprocess.DEVNULL
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=none)
    rows = map(str.split, done.stdout.splitlines())
    return frozenset(words[1] for words in rows if len(words) > 2)


def filtered(x: Clip, x_hat: Clip, graph: str) -> str:
    """Runs `[x_hat][x]graph`, `{log}` in it standing for a file, whose text is returned. Raises
    `ToolError`."""
    size = "x".join(map(str, x.size))
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", str(x.fps), "-i"]
    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        inputs = []
        for name, clip in (("x_hat.yuv", x_hat), ("x.yuv", x)):
            path = Path(folder) / name
            with path.open("wb") as file:
                file.writelines(p.tobytes() for p in clip.pictures)
            inputs += [*raw, str(path)]
        log = Path(folder) / "log"
        graph = f"[0:v][1:v]{graph.format(log=log)}"
        run_ffmpeg([*inputs, "-lavfi", graph, "-f", "null", "-"], timeout=120 + len(x.pictures))
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
    """Model vmaf_v0.6.1, libvmaf's mean over frames."""

    filter = "libvmaf"
    contract = Contract(
        "vmaf", "VMAF", "", True, LUMA, "mean over frames, by libvmaf", "model vmaf_v0.6.1"
    )

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        text = filtered(x, x_hat, "libvmaf=log_fmt=json:n_threads=1:log_path={log}")
        log = json.loads(text)
        frames = tuple(f["metrics"]["vmaf"] for f in log["frames"])
        return Scores(log["pooled_metrics"]["vmaf"]["mean"], frames)


class Xpsnr(FfmpegFilter):
    """Luma, weighted over the clip by the filter."""

    filter = "xpsnr"
    contract = Contract(
        "xpsnr", "XPSNR-Y", "dB", True, LUMA, MEAN, "Helmrich et al. (2020), FFmpeg's filter"
    )

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        text = filtered(x, x_hat, "xpsnr=stats_file={log}")
        found = re.findall(r"^n:.*?XPSNR y:\s*(inf|[\d.]+)", text, re.MULTILINE)
        frames = tuple(min(100.0, float(v)) for v in found)
        if len(frames) != len(x.pictures):
            raise UnavailableError(f"FFmpeg's xpsnr said {len(frames)} frames of {len(x.pictures)}")
        return Scores(sum(frames) / len(frames), frames)
