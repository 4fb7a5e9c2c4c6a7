"""The base codecs by name: "hevc", "vvc", "mixed"."""

from __future__ import annotations

from hdac.layers.base import GOP_MAX, BaseConfig, BaseDecoder, BaseEncoder
from hdac.layers.hevc import HevcEncoder
from hdac.layers.libav import LibavDecoder
from hdac.layers.mixed import MixedDecoder, MixedEncoder
from hdac.layers.vvc import VvcEncoder

#: libvvenc has a cascade of its own, of period 8; its QPs are not ours to know picture by picture.
_VVC_CASCADE = (0,) * 8


def header_cascade(codec: str, cascade: tuple[int, ...]) -> tuple[int, ...]:
    """What a stream's header says of a base layer that is coded with this cascade."""
    return _VVC_CASCADE if codec == "vvc" else cascade


def open_base(
    codec: str, config: BaseConfig, ffmpeg: str | None = None, pictures: int = GOP_MAX
) -> BaseEncoder:
    """A base layer encoder for one GOP of at most `pictures` pictures."""
    if codec == "mixed":
        return MixedEncoder(config, ffmpeg, pictures)
    return VvcEncoder(config, ffmpeg) if codec == "vvc" else HevcEncoder(config, ffmpeg, pictures)


def open_decoder(codec: str, width: int, height: int, scale: int = 1) -> BaseDecoder:
    """A base layer decoder for one GOP of pictures of this size, at 1/`scale` of the frame: the
    first picture of a mixed one may be of the frame's size."""
    if codec == "mixed":
        return MixedDecoder(width, height, scale)
    return LibavDecoder(codec, width, height)
