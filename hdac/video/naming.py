"""What names of raw video say of it: `head_256x256_24.yuv`, `foreman_qcif_30fps_10bit.yuv`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from hdac.errors import UsageError
from hdac.video.rate import parse_rate

_SIZE = re.compile(r"(?<!\d)(\d{1,5})x(\d{1,5})(?!\d)", re.ASCII)
_FORMAT = re.compile(r"(?<![a-z0-9])([4q]?cif)(?![a-z])", re.IGNORECASE)
_FORMATS = {"qcif": (176, 144), "cif": (352, 288), "4cif": (704, 576)}
_RATE = re.compile(r"(?<![\d.])(\d+[_-]1001|\d+(?:\.\d+)?)(?:fps|hz)", re.IGNORECASE | re.ASCII)
#: A number of its own behind the size.
_BARE = re.compile(r"[_-](\d+(?:\.\d+)?)(?![^_-])", re.ASCII)
#: Others are as often a number of frames or of a take: 300, 001.
BARE_RATES = (10, 120)
_BITS = re.compile(
    r"(?<![a-z0-9])(8|9|10|12|14|16)[_-]?b(?:its?)?(?![a-z0-9])"
    r"|4[024][024]p(9|10|12|14|16)(?:[lb]e)?(?![a-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_LAYOUT = re.compile(
    r"yuvj?4(?:00|11|22|40|44)|4(?:22|44)p|bits?[_-]4(?:00|22|44)(?!\d)|4[024][024]p\d\dbe"
    r"|(?<![a-z0-9])(?:nv12|nv21|p0\d\d|yuyv|uyvy)(?![a-z0-9])",
    re.IGNORECASE | re.ASCII,
)


class RawName(NamedTuple):
    """size: (width, height) in pixels; fps: frames per second, `bare`: a number without a unit;
    bits: of a sample; layout: of samples, where it is another one than planar 4:2:0, low byte
    first. None or empty: the name does not say."""

    size: tuple[int, int] | None = None
    fps: Fraction | None = None
    bare: bool = False
    bits: int | None = None
    layout: str = ""


def parse_name(stem: str) -> RawName:
    """Reads a file's name without its suffix; what is no rate or size is left out.

    >>> parse_name("Akiyo_352x288_30").fps, parse_name("head_256x256_24_10bit").bits
    (Fraction(30, 1), 10)
    """
    size, end = None, None
    if found := _SIZE.search(stem):
        size, end = (int(found[1]), int(found[2])), found.end()
    elif found := _FORMAT.search(stem):
        size, end = _FORMATS[found[1].lower()], found.end()
    fps, bare = _rate(_RATE.search(stem)), False
    if fps is None and end is not None:
        fps = _rate(_BARE.match(stem, end))
        bare = fps is not None and BARE_RATES[0] <= fps <= BARE_RATES[1]
        fps = fps if bare else None
    bits, layout = _BITS.search(stem), _LAYOUT.search(stem)
    depth = int(next(filter(None, bits.groups()))) if bits else None
    return RawName(size, fps, bare, depth, layout[0] if layout else "")


def _rate(found: re.Match[str] | None) -> Fraction | None:
    try:
        return parse_rate(re.sub("[_-]", "/", found[1])) if found else None
    except UsageError:  # 44100hz is another rate
        return None
