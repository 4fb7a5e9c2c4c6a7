"""Decoded frames at a larger size: by a network, twice where it must be, and from there down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hdac.bitstream.container import MAX_PIXELS, Header, check_size
from hdac.codec.decoder import Frame
from hdac.errors import UsageError
from hdac.runtime.backends import open_enlarger
from hdac.runtime.enlarging import double
from hdac.runtime.models import resolve_model
from hdac.video.colour import resolve_matrix
from hdac.video.picture import Picture

MODEL = "enlarge"
#: Times that a side may become larger; the network doubles.
MOST = 4


def enlarged_header(header: Header, size: tuple[int, int], max_pixels: int = MAX_PIXELS) -> Header:
    """The header of a stream whose pictures are shown at `size` (width, height), with the colour
    matrix that it has at its own. Raises `UsageError` for a size that is not larger, more than
    `MOST` times as large, of another shape by more than a pixel, or of more than `max_pixels`."""
    width, height = size
    own = header.width, header.height
    wide, high = (_fitting(side, header) for side in size)
    fits = abs(height - wide[1]) <= 1 or abs(width - high[0]) <= 1
    inside = all(now <= side <= MOST * now for side, now in zip(size, own, strict=True))
    if not fits or not inside or size == own:
        near = min(max(width, header.width + 1), MOST * header.width)
        raise UsageError(
            f"size {width}x{height}; pictures of {own[0]}x{own[1]} become larger, up to {MOST} "
            f"times, in the same shape: {MOST * own[0]}x{MOST * own[1]} at most, for example "
            f"{near}x{_fitting(near, header)[1]}"
        )
    matrix = resolve_matrix(header.colour.matrix, header.height)
    larger = replace(
        header, width=width, height=height, colour=header.colour._replace(matrix=matrix)
    )
    check_size(larger, max_pixels)
    return larger


def _fitting(side: int, header: Header) -> tuple[int, int]:
    """(width, height) of the frame's shape: the width that belongs to a height of `side`, and the
    height that belongs to a width of `side`."""
    return round(side * header.width / header.height), round(side * header.height / header.width)


def enlarged(
    frames: Iterator[Frame], header: Header, larger: Header, device: str = "cpu"
) -> Iterator[Frame]:
    """Frames of a stream with `header`, at the size of `enlarged_header`. Raises `UsageError` where
    nothing here can run the network."""
    enlarger = open_enlarger(resolve_model(MODEL, "auto" if device == "cpu" else "fp32"), device)

    def show() -> Iterator[Frame]:
        for frame in frames:
            picture, size = frame.picture, (header.width, header.height)
            while size[0] < larger.width or size[1] < larger.height:
                picture = double(picture, enlarger)
                size = 2 * size[0], 2 * size[1]
                picture = picture.cropped(*size)
            if size != (larger.width, larger.height):
                picture = _scaled(picture, larger.width, larger.height)
            yield frame._replace(picture=picture, header=larger)

    return show()


def _scaled(picture: Picture, width: int, height: int) -> Picture:
    """A picture of another size, by FFmpeg's Lanczos filter; odd sides are padded to even."""
    frame = picture.to_av().reformat(width, height, interpolation="LANCZOS")
    return Picture.from_av(frame).padded()
