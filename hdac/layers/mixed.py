"""Mixed base layer: the first picture of a GOP is a VVC picture, the others are HEVC and predict from it.

At low rates a third of the bits are the first picture's, and there VVC takes a fifth less than HEVC. A P picture does not care what its
reference was coded with: the decoder puts the VVC picture into an HEVC picture of PCM blocks, which is never sent, and any HEVC decoder
goes on from there.

An access unit of a first picture is HEVC's parameter sets, then the VVC access unit; the others are plain HEVC.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hdac.bitstream.hevc.parameters import PPS_UNIT, SPS_UNIT, UnsupportedError, read_pps, read_sps
from hdac.bitstream.hevc.pcm import allow_pcm, pcm_picture, with_flags
from hdac.bitstream.thinning import Unit, is_parameters, join, split
from hdac.errors import DamagedError, ToolError
from hdac.layers.base import GOP_MAX, BaseConfig, BaseDecoder, CodedPicture
from hdac.layers.hevc import HevcEncoder
from hdac.layers.libav import LibavDecoder
from hdac.layers.vvc import VvcEncoder
from hdac.video.picture import Picture

#: A VVC picture's QP is this much above `qp_ref`.
FINER = 5
#: What x265 codes the VVC picture with, to predict from: as good as exactly.
EXACT_QP = 4


def open_decoder(codec: str) -> BaseDecoder:
    """A decoder of one GOP: "hevc", "vvc" or "mixed"."""
    return MixedDecoder() if codec == "mixed" else LibavDecoder(codec)


def _kind(unit: Unit) -> int:
    return unit.payload[0] >> 1 & 63


class MixedDecoder:
    """Decodes one GOP. Raises `DamagedError`, or `av.error.FFmpegError` on data that libavcodec refuses."""

    def __init__(self) -> None:
        self._hevc, self._started = LibavDecoder("hevc"), False

    def push(self, data: bytes) -> list[Picture]:
        return self._hevc.push(self.plain(data))

    def flush(self) -> list[Picture]:
        return self._hevc.flush()

    def plain(self, data: bytes) -> bytes:
        """An access unit -> one of a plain HEVC stream, for any decoder (a first picture takes a byte a sample)."""
        if self._started:
            return data
        self._started = True
        units = split(data) or []
        sets = [unit for unit in units if is_parameters(unit.payload[0])]
        vvc = LibavDecoder("vvc")
        found = vvc.push(join([unit for unit in units if unit not in sets])) + vvc.flush()
        try:
            sps = next(read_sps(unit.payload) for unit in sets if _kind(unit) == SPS_UNIT)
            pps = next(read_pps(unit.payload) for unit in sets if _kind(unit) == PPS_UNIT)
            (picture,) = found
            return join([*sets, Unit(True, pcm_picture(picture, sps, pps))])
        except (StopIteration, ValueError, UnsupportedError) as error:
            raise DamagedError(f"a mixed base layer's first picture is not one VVC picture and HEVC's parameter sets ({error})") from error


class MixedEncoder:
    """One GOP; `push` returns exactly one coded picture for each picture. Raises `ToolError` where FFmpeg has no libvvenc."""

    def __init__(self, config: BaseConfig, ffmpeg: str | None = None, pictures: int = GOP_MAX) -> None:
        qp = config.qp_ref + FINER
        still = replace(config, qp_ref=qp, qp_base=qp, fps=Fraction(25), preset=config.preset or "slow")  # a picture alone has no rate
        self._still = VvcEncoder(still, ffmpeg)
        self._moving = HevcEncoder(replace(config, qp_ref=EXACT_QP), pictures)
        self._decoder = MixedDecoder()
        self._sets: list[Unit] = []

    def push(self, picture: Picture) -> list[CodedPicture]:
        try:
            data = self._next(picture) if self._sets else self._first(picture)
        except (UnsupportedError, DamagedError) as error:
            raise ToolError(f"x265 wrote {error}, which a mixed base layer cannot take: use --base-codec hevc") from error
        (decoded,) = self._decoder.push(data)
        return [CodedPicture(data, decoded)]

    def flush(self) -> list[CodedPicture]:
        return self._moving.flush()

    def _first(self, picture: Picture) -> bytes:
        self._still.push(picture)
        (still,) = self._still.flush()
        for unit in split(self._moving.code(still.picture)) or []:
            if is_parameters(unit.payload[0]):
                self._sets.append(unit if _kind(unit) != SPS_UNIT else Unit(unit.long_start, allow_pcm(unit.payload)))
        self._sps = next(read_sps(unit.payload) for unit in self._sets if _kind(unit) == SPS_UNIT)
        self._pps = next(read_pps(unit.payload) for unit in self._sets if _kind(unit) == PPS_UNIT)
        return join(self._sets) + still.data

    def _next(self, picture: Picture) -> bytes:
        units = split(self._moving.code(picture)) or []
        return join([Unit(unit.long_start, with_flags(unit.payload, self._sps, self._pps)) for unit in units])
