"""VVC streams with generative face video messages: what they hold, and what they show.

Ours name their network; for those of others the user says which network is meant. Whatever the
messages are, level `base` shows the coded pictures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from math import isqrt
from typing import TYPE_CHECKING

import av

from hdac.bitstream.container import MAX_PIXELS, BaseCodec, Header, Keypoints, Mode, check_size
from hdac.bitstream.nal import Span
from hdac.bitstream.vvc.gfv import CarriedNetwork, GfvMessage
from hdac.bitstream.vvc.pictures import PREFIX_SEI, SUFFIX_SEI, is_slice, picture_units, unit_type
from hdac.bitstream.vvc.sei import GfvReader, Located
from hdac.codec.decoder import LEVELS, Frame, Level
from hdac.codec.gfv.summary import GfvSummary
from hdac.codec.gfv.uri import NetworkName
from hdac.codec.views import Made
from hdac.damage import Damage, incomplete
from hdac.errors import DamagedError, StreamError, UsageError
from hdac.layers.libav import LibavDecoder
from hdac.layers.resample import upsample
from hdac.video.info import DEFAULT_FPS
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from hdac.codec.synthesiser import Synthesiser
    from hdac.runtime.models import ModelFile

#: No picture is shown so many pictures later than it is decoded.
_REORDERED = 32
SUFFIX = ".266"
_START_CODES = (b"\0\0\1", b"\0\0\0\1")


def is_annex_b(data: bytes) -> bool:
    """Whether bytes are a video stream as .266 files hold it, and no .hdac stream."""
    return data.startswith(_START_CODES)


class GfvStream:
    """A VVC stream. `pictures`: how many are coded; `summary`: what the messages say; `damage`:
    which of them cannot be read. max_pixels: of a picture, at most.

    Raises `StreamError` where no picture can be decoded, `UsageError` for pictures that are too
    large.
    """

    def __init__(self, data: bytes, max_pixels: int = MAX_PIXELS) -> None:
        self.data, self.damage = data, Damage()
        self._units = [u for u in picture_units(data) if any(is_slice(data, s) for s in u)]
        self.pictures, self.summary = len(self._units), GfvSummary()
        self._side = isqrt(max_pixels) + 1
        for found in self._read(self.damage):
            for located in found:
                self.summary.add(located)
        first = next(self._pictures(Damage()), None)
        if first is None:
            raise StreamError(
                f"{self.pictures} coded pictures, none of which decodes: not a VVC stream, "
                f"damaged, or of pictures of over {max_pixels} pixels (--max-pixels)"
            )
        self._coded_size = first[1].width, first[1].height
        self.name = self._name()
        self.header = self._header()
        if self.header.base_size != self._coded_size:
            self.damage.append(
                f"pictures of {first[1].width}x{first[1].height}, not as {self.name}"
            )
            self.name = None
            self.header = self._header()
        check_size(self.header, max_pixels)

    def messages(self) -> Iterator[Located]:
        """All messages that can be read, in order; they are not kept."""
        return chain.from_iterable(self._read(Damage()))

    @property
    def notes(self) -> list[str]:
        """What a user should know."""
        if self.name is None:
            return [f"VVC streams carry no frame rate; {DEFAULT_FPS} frames per second assumed"]
        return []

    def decode(
        self,
        level: Level = "fused",
        device: str = "cpu",
        model: str | None = None,
        strict: bool = False,
    ) -> Iterator[Frame]:
        """The frames, as far as they can be made.

        level: "base": the coded pictures; "fused": what the messages say; "animation": every
        picture but references made of them. model: the network, in place of the one that the
        stream names. Raises `UsageError` for a network that is not here, `StreamError`, and
        `IncompleteError` at the end where something is missing (strict: `StreamError`, before the
        first frame where messages are damaged).
        """
        if level not in LEVELS:
            raise UsageError(f"--level {level}; choose one of {', '.join(LEVELS)}")
        damage = Damage() if level == "base" else self.damage.joined(Damage())
        if strict and damage:
            raise DamagedError(damage[0])
        number = 0
        for made in self._made(level, device, model, damage):
            picture = made.picture if isinstance(made.picture, Picture) else made.picture.result()
            time = number / self.header.fps
            # a copy: the caller may draw on it, and what is held is shown again
            yield Frame(number, picture.copy(), made.level, time, self.header)
            number += 1
        if strict and damage:
            raise DamagedError(damage[0])
        if damage:
            raise incomplete(number, damage)

    def to_json(self) -> dict[str, object]:
        header = self.header
        return {
            "width": header.width, "height": header.height, "fps": str(header.fps),
            "pictures": self.pictures, "bytes": len(self.data), **self.summary.to_json(),
            "model": f"{header.model}-{header.model_hash}" if self.name else None,
            "damage": self.damage.lines(),
        }  # fmt: skip

    # ---- what the stream says

    def _name(self) -> NetworkName | None:
        """The first network's name, where it is one of ours."""
        for network in self.summary.networks:
            try:
                return NetworkName.parse(network)
            except DamagedError as error:
                self.damage.append(str(error))
        return None

    def _header(self) -> Header:
        """That of an .hdac stream that holds the same."""
        summary, (width, height) = self.summary, self._coded_size
        mode = Mode.HYBRID if summary.fusions else Mode.ANIMATION
        mode, motion = mode if summary.count else Mode.BASE, None
        if summary.first is not None and summary.first.axes == 2:
            motion = Keypoints(len(summary.first.points), 1 << summary.precision)
        name = self.name
        if name is None:
            fps = Fraction(DEFAULT_FPS)
            return Header(mode, BaseCodec.VVC, width, height, fps, motion=motion)
        shown = name.size or (width * name.scale, height * name.scale)
        return Header(
            mode, BaseCodec.VVC, *shown, name.fps, name.model, name.digest, motion, name.scale,
            colour=name.colour, number_format=name.number_format,
        )  # fmt: skip

    # ---- pictures

    def _read(self, damage: list[str]) -> Iterator[list[Located]]:
        """The messages of each coded picture."""
        reader = GfvReader(damage)
        return (reader.read(self.data, unit) for unit in self._units)

    def _pictures(self, damage: list[str]) -> Iterator[tuple[int, Picture]]:
        """The coded pictures as they are shown, with their numbers in decoding order; `damage` is
        told what does not decode."""
        decoder = LibavDecoder("vvc", self._side, self._side)
        for number, unit in enumerate([*self._units, None]):
            try:
                yield from decoder.push_numbered(
                    None if unit is None else self._coded(unit), number
                )
            except (av.error.FFmpegError, ValueError) as error:
                damage.append(f"picture {number} does not decode ({error})")

    def _coded(self, unit: list[Span]) -> bytes:
        """An access unit without SEI: FFmpeg refuses pictures for what is wrong there."""
        data = self.data
        units = (span for span in unit if unit_type(data, span) not in (PREFIX_SEI, SUFFIX_SEI))
        return b"".join(data[span.start : span.end] for span in units)

    def _shown(self, damage: list[str]) -> Iterator[tuple[int, Picture]]:
        """The coded pictures at full size; those of another size than the first are missing."""
        for number, picture in self._pictures(damage):
            if (picture.width, picture.height) == self._coded_size:
                yield number, upsample(picture, self.header.base_scale)
            else:
                damage.append(f"picture {number} is {picture.width}x{picture.height}")

    def _made(
        self, level: Level, device: str, model: str | None, damage: list[str]
    ) -> Iterator[Made]:
        """What is shown, in order; few pictures are in the making at once."""
        if level == "base" or not self.summary.count:
            for _, picture in self._shown(damage):
                yield Made(picture, "base")
            return
        from hdac.codec.gfv.player import GfvPlayer

        with self._synthesiser(device, model) as synthesiser:
            assert isinstance(self.header.motion, Keypoints)
            player = GfvPlayer(synthesiser, self.header.motion, self.name, level == "animation")
            coming = deque[Made]()
            for picture, messages in self._with_messages(damage):
                for made in player.show(picture, messages, damage):
                    coming.append(made)
                    if len(coming) > synthesiser.workers + 2:
                        yield coming.popleft()
            yield from coming

    def _with_messages(self, damage: list[str]) -> Iterator[tuple[Picture, list[GfvMessage]]]:
        """The coded pictures as they are shown, and their messages, which wait for them."""
        reading, waiting = enumerate(self._read(Damage())), dict[int, list[Located]]()
        for number, picture in self._shown(damage):
            while number not in waiting and (read := next(reading, None)) is not None:
                waiting[read[0]] = read[1]
            yield picture, [located.message for located in waiting.pop(number, ())]
            for lost in [n for n in waiting if n < number - _REORDERED]:
                del waiting[lost]

    def _synthesiser(self, device: str, model: str | None) -> Synthesiser:
        """The network that is named, or the user's."""
        from hdac.codec.synthesiser import Synthesiser, network_for
        from hdac.runtime.models import find_model

        way = "give --model NAME|FILE of a network that takes them, or --level base"
        header = self.header
        if header.motion is None:
            raise UsageError(
                "the messages have no points of a plane with a base picture, which networks of "
                "hdac take: use --level base"
            )
        if model is not None:
            network = network_for(model, header.mode.name.lower(), "psnr", device=device)
        elif self.name is not None:
            try:
                network = find_model(self.name.model, self.name.digest, self.name.number_format)
            except UsageError as error:
                raise UsageError(f"{error}; or {way}") from error
        else:
            raise UsageError(f"{self._unknown()}: {way}")
        assert isinstance(header.motion, Keypoints)
        self._check(network, header.motion)
        return Synthesiser(network, header.motion, device)

    def _check(self, network: ModelFile, motion: Keypoints) -> None:
        if network.system or not network.takes(motion.number):
            raise UsageError(
                f"the messages have {motion.number} points; network {network.name} takes "
                f"{network.counts} {network.parameters}: give another --model, or --level base"
            )

    def _unknown(self) -> str:
        """What the stream says of a network that is none of ours."""
        network = next(iter(self.summary.networks), None)
        if network is None:
            return "the messages name no network"
        if isinstance(network, CarriedNetwork):
            return "the messages carry a network, which hdac does not run"
        return f"the messages are for network {network.uri!r} ({network.tag!r}), unknown to hdac"
