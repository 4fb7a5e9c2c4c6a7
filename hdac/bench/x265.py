"""The HEVC anchor `x265-tuned` (evaluation protocol, section 4): libx265 veryslow through FFmpeg, low delay, fixed QP."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import av

from hdac.layers.base import LibavDecoder
from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture

PARAMS = "bframes=0:keyint=-1:scenecut=0:psy-rd=0:psy-rdoq=0:aq-mode=0:wpp=0:info=0:ref=4:rc-lookahead=0:frame-threads=1:log-level=none"


class Anchor(NamedTuple):
    """An anchor's elementary stream (parameter sets included) and its decoded pictures."""

    data: bytes
    pictures: list[Picture]

    def kbps(self, fps: Fraction) -> float:
        return float(len(self.data) * 8 * fps / len(self.pictures) / 1000)


def x265_tuned(pictures: Sequence[Picture], fps: Fraction, qp: int, ffmpeg: str | None = None) -> Anchor:
    """Codes and decodes all pictures at one QP. Raises `ToolError`."""
    width, height = pictures[0].width, pictures[0].height
    arguments = [
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-c:v", "libx265",
        "-preset", "veryslow", "-tune", "psnr", "-x265-params", f"{PARAMS}:qp={qp}", "-f", "hevc", "-",
    ]  # fmt: skip
    data = run_ffmpeg(arguments, ffmpeg, b"".join(p.tobytes() for p in pictures), timeout=60 + 5.0 * len(pictures))
    parser, decoder = av.CodecContext.create("hevc", "r"), LibavDecoder("hevc")
    packets = [*parser.parse(data), *parser.parse(None)]
    decoded = [picture for packet in packets for picture in decoder.push(bytes(packet))] + decoder.flush()
    return Anchor(data, decoded)


def x265_at_rate(pictures: Sequence[Picture], fps: Fraction, kbps: float, ffmpeg: str | None = None) -> tuple[int, Anchor]:
    """The finest QP whose stream is not larger than `kbps` (else QP 51), and the anchor there. Bisection over the QP."""
    low, high, best = 0, 51, None
    while low < high:
        qp = (low + high) // 2
        anchor = x265_tuned(pictures, fps, qp, ffmpeg)
        if anchor.kbps(fps) <= kbps:
            high, best = qp, (qp, anchor)
        else:
            low = qp + 1
    return best if best and best[0] == low else (low, x265_tuned(pictures, fps, low, ffmpeg))
