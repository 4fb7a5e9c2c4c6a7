"""HEVC base layer: x265 or Kvazaar, decoded by libavcodec beside it."""

from __future__ import annotations

from hdac.layers.base import GOP_MAX, BaseConfig, CodedPicture, HevcCoder
from hdac.layers.kvazaar import Kvazaar
from hdac.layers.libav import LibavDecoder
from hdac.layers.x265 import X265
from hdac.video.picture import Picture


def open_coder(config: BaseConfig, ffmpeg: str | None, pictures: int) -> HevcCoder:
    """The encoder that a configuration names, for one GOP of at most `pictures` pictures."""
    if config.encoder == "kvazaar":
        return Kvazaar(config, ffmpeg)
    return X265(config, pictures)


class HevcEncoder:
    """One GOP of HEVC. With x265 `push` returns exactly one coded picture for each picture, with
    Kvazaar `kvazaar.DELAY` pictures later."""

    def __init__(
        self, config: BaseConfig, ffmpeg: str | None = None, pictures: int = GOP_MAX
    ) -> None:
        self._coder = open_coder(config, ffmpeg, pictures)
        self._decoder = LibavDecoder("hevc")

    def push(self, picture: Picture, offset: int = 0) -> list[CodedPicture]:
        return self._decoded(self._coder.code(picture, offset))

    def flush(self) -> list[CodedPicture]:
        return self._decoded(self._coder.finish())

    def close(self) -> None:
        self._coder.close()

    def _decoded(self, units: list[bytes]) -> list[CodedPicture]:
        found = []
        for data in units:
            (picture,) = self._decoder.push(data)
            found.append(CodedPicture(data, picture))
        return found
