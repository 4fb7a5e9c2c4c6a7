"""What an encoder takes."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from hdac.bitstream.container import Header
from hdac.codec.syntax import MAX_STEP, MAX_TIME
from hdac.errors import UsageError
from hdac.video.picture import Picture


def check_picture(header: Header, picture: object) -> None:
    """Raises `UsageError` for what is no picture of the stream's size."""
    width, height = header.width, header.height
    if not isinstance(picture, Picture):
        raise UsageError(
            f"a {type(picture).__name__}; the encoder was opened for {width}x{height} and "
            "takes a Picture (Picture.from_rgb makes one of an R'G'B' array)"
        )
    luma = height + height % 2, width + width % 2
    chroma = luma[0] // 2, luma[1] // 2
    found = [(str(getattr(p, "dtype", None)), np.shape(p)) for p in picture]
    if found != [("uint8", luma), ("uint8", chroma), ("uint8", chroma)]:
        size = "x".join(map(str, reversed(found[0][1])))
        raise UsageError(
            f"picture of {size}; the encoder was opened for {width}x{height} (odd sides "
            f"padded): uint8 planes of {luma}, {chroma}, {chroma} are needed, not {found}"
        )


def check_time(header: Header, time: int | None, last: int) -> None:
    """`last`: time of the frame before, -1: none. Raises `UsageError` for a time that cannot be
    written, or for none where the stream has a clock."""
    if header.clock and time is None:
        raise UsageError("no time; each picture needs one where the encoder has a clock")
    if time is not None and not header.clock:
        raise UsageError(f"time {time}; open the encoder with a clock (ticks per second)")
    if time is None:
        return
    low, high = last + 1, MAX_TIME
    if low and not header.live:  # packets of a live stream have their times as they are
        high = min(high, last + MAX_STEP)
    if isinstance(time, Integral) and time > MAX_TIME:
        raise UsageError(
            f"time {time}; a stream's times end at {MAX_TIME} ticks of its clock, of which a "
            f"second has {header.clock}: open another encoder, or one with a coarser clock"
        )
    if not (isinstance(time, Integral) and low <= time <= high):
        raise UsageError(
            f"time {time}; allowed are {low} (after the last frame's) to {high}, whole numbers"
        )
