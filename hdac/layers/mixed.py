"""Mixed base layer: the first picture of a GOP is a VVC picture, the others are HEVC and predict
from it.

At low rates a third of the bits are the first picture's, and there VVC takes less than recoded
HEVC. A P picture does not care what its reference was coded with: the decoder puts the
VVC picture into an HEVC picture of PCM blocks, which is never sent, and any HEVC decoder goes on
from there. Nor of what size: where the others are coded at 1/2 or 1/4 of the frame's side, the
first one has all of the frame's detail, and what is predicted from is its area average.

An access unit of a first picture is HEVC's parameter sets, then the VVC access unit; the others are
plain HEVC.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import chain

import av

from hdac.bitstream.hevc.parameters import (
    PPS_UNIT,
    SPS_UNIT,
    Pps,
    Sps,
    UnsupportedError,
    read_pps,
    read_sps,
)
from hdac.bitstream.hevc.pcm import pcm_picture, with_flags
from hdac.bitstream.hevc.rewriting import allow_pcm
from hdac.bitstream.nal import Unit, is_parameters, join, split
from hdac.errors import DamagedError, ToolError
from hdac.layers.base import GOP_MAX, BaseConfig, CodedPicture
from hdac.layers.hevc import open_coder
from hdac.layers.libav import LibavDecoder
from hdac.layers.resample import downsample
from hdac.layers.vvc import VvcEncoder
from hdac.video.picture import Picture

#: A VVC picture's QP is this much above `qp_intra`: then it is as good as an HEVC picture at
#: `qp_intra`, which is what the networks are told.
QP_ABOVE = 1
#: What the HEVC encoder codes the VVC picture with, to predict from: almost exactly.
EXACT_QP = 4


def _sets(units: list[Unit]) -> tuple[Sps, Pps]:
    """HEVC's parameter sets among NAL units. Raises `UnsupportedError`."""
    found = {
        unit.payload[0] >> 1 & 63: unit.payload for unit in units if is_parameters(unit.payload[0])
    }
    if SPS_UNIT not in found or PPS_UNIT not in found:
        raise UnsupportedError("no parameter sets of HEVC")
    return read_sps(found[SPS_UNIT]), read_pps(found[PPS_UNIT])


class PlainHevc:
    """Makes one GOP's access units those of a plain HEVC stream of this size, for any decoder (its
    first picture takes 1.5 bytes a pixel). scale: how many times as wide and high the VVC picture
    may be. `first`: that picture, once it was decoded."""

    def __init__(self, width: int, height: int, scale: int = 1) -> None:
        self.width, self.height, self.scale = width, height, scale
        self.first: Picture | None = None
        self._started = False

    def convert(self, data: bytes) -> bytes:
        """The next access unit. Raises `DamagedError`."""
        if self._started:
            return data
        self._started = True
        units = split(data) or []
        vvc = [unit for unit in units if not is_parameters(unit.payload[0])]
        if not vvc:
            raise DamagedError(
                "a mixed base layer's first access unit has no VVC picture: the stream is damaged"
            )
        decoder = LibavDecoder("vvc", self.width * self.scale, self.height * self.scale)
        try:
            sps, pps = _sets(units)
            (self.first,) = chain(decoder.push(join(vvc)), decoder.flush())
            first = pcm_picture(self._small(self.first), sps, pps)
        except (av.error.FFmpegError, ValueError, UnsupportedError) as error:
            raise DamagedError(
                f"a mixed base layer's first picture does not decode ({error}): the stream is "
                "damaged"
            ) from error
        return join(
            [*(unit for unit in units if is_parameters(unit.payload[0])), Unit(True, first)]
        )

    def _small(self, picture: Picture) -> Picture:
        """What is predicted from."""
        for scale in (1, self.scale):
            if (picture.width, picture.height) == (scale * self.width, scale * self.height):
                return downsample(picture, scale)
        raise UnsupportedError(
            f"a picture of {picture.width}x{picture.height} instead of {self.width}x{self.height}"
        )


class MixedDecoder:
    """Decodes one GOP of pictures of this size; the first one may be `scale` times as wide and
    high. Raises `DamagedError`, or `av.error.FFmpegError` on data that libavcodec refuses."""

    def __init__(self, width: int, height: int, scale: int = 1) -> None:
        self._plain = PlainHevc(width, height, scale)
        self._hevc = LibavDecoder("hevc", width, height)

    def push(self, data: bytes) -> list[Picture]:
        pictures = self._hevc.push(self._plain.convert(data))
        first, self._plain.first = self._plain.first, None
        return [first, *pictures[1:]] if first is not None and pictures else pictures


class MixedEncoder:
    """One GOP; the first picture takes 0.4 to 3 s, then it is as with base codec "hevc".

    Raises `ToolError` where FFmpeg has no libvvenc.
    """

    def __init__(
        self, config: BaseConfig, ffmpeg: str | None = None, pictures: int = GOP_MAX
    ) -> None:
        qp = config.qp_intra + QP_ABOVE
        self._scale, (width, height) = config.first_scale, config.size(0)
        still = replace(
            config, width=width, height=height, qp_intra=qp, qp_base=qp, fps=Fraction(25),
            preset=config.preset or "slow",
        )  # a picture alone has no rate  # fmt: skip
        self._vvc = VvcEncoder(still, ffmpeg)
        exact = replace(config, qp_intra=min(EXACT_QP, config.qp_base))
        self._moving = open_coder(exact, ffmpeg, pictures)
        self._decoder = MixedDecoder(config.width, config.height, self._scale)
        self._still: CodedPicture | None = None
        self._parameters: tuple[Sps, Pps] | None = None

    def push(self, picture: Picture, offset: int = 0) -> list[CodedPicture]:
        if self._still is None:
            self._vvc.push(picture)
            (self._still,) = self._vvc.flush()
            picture = downsample(self._still.picture, self._scale)
        return self._decoded(self._moving.code(picture, offset))

    def flush(self) -> list[CodedPicture]:
        return self._decoded(self._moving.finish())

    def close(self) -> None:
        self._moving.close()

    def _decoded(self, units: list[bytes]) -> list[CodedPicture]:
        found = []
        for hevc in units:
            try:
                data = self._mixed(hevc)
                (picture,) = self._decoder.push(data)
            except (av.error.FFmpegError, ValueError, UnsupportedError, DamagedError) as error:
                raise ToolError(
                    f"the HEVC encoder or libvvenc wrote what a mixed base layer cannot take "
                    f"({error}): use --base-codec hevc"
                ) from error
            found.append(CodedPicture(data, picture))
        return found

    def _mixed(self, data: bytes) -> bytes:
        """The next access unit, from the HEVC encoder's."""
        assert self._still is not None
        units = split(data)
        if units is None:
            raise UnsupportedError("an access unit that does not come back from its NAL units")
        if self._parameters is not None:
            return join(
                [Unit(u.long_start, with_flags(u.payload, *self._parameters)) for u in units]
            )
        sets = [
            Unit(u.long_start, allow_pcm(u.payload) if u.payload[0] >> 1 == SPS_UNIT else u.payload)
            for u in units
            if is_parameters(u.payload[0])
        ]
        self._parameters = _sets(sets)
        return join(sets) + self._still.data
