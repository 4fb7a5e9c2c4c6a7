"""What a decoder shows of the packets at each level: one view a level."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, Protocol

import av

from hdac.bitstream.container import Header
from hdac.codec.fusions import Fusions
from hdac.codec.syntax import EnhancedFrame
from hdac.errors import DamagedError
from hdac.layers.base import BaseConfig
from hdac.layers.codecs import open_decoder
from hdac.layers.resample import to_size
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from hdac.codec.synthesiser import Synthesiser


class Made(NamedTuple):
    """A picture that may still be in the making."""

    picture: Picture | Future[Picture]
    level: str


class BasePictures:
    """Access units of one GOP after another -> pictures at full size."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self.index = 0  # of the next frame in its GOP

    def start(self, qp_intra: int, qp_base: int) -> None:
        header = self._header
        size = header.base_size
        self.config = BaseConfig(*size, header.fps, qp_intra, qp_base, header.cascade)
        self._decoder = open_decoder(header.base_codec.name.lower(), *size, header.base_scale)
        self.index = 0

    def decode(self, unit: bytes) -> Picture:
        """Raises `DamagedError`."""
        what = f"the base layer of frame {self.index} of a GOP"
        try:
            pictures = self._decoder.push(unit)
        except (av.error.FFmpegError, ValueError) as error:
            raise DamagedError(f"{what} does not decode ({error})") from error
        if len(pictures) != 1:
            raise DamagedError(f"{what} gave {len(pictures)} pictures instead of 1")
        (picture,) = pictures
        allowed = (self._header.base_size, self._header.padded_size)
        if (picture.width, picture.height) not in allowed[: 1 + (self.index == 0)]:
            wanted = "x".join(map(str, self._header.base_size))
            raise DamagedError(
                f"{what} is {picture.width}x{picture.height}; the header says {wanted}"
            )
        return to_size(picture, *self._header.padded_size)


class View(Protocol):
    """What one level shows of the packets. `waits`: for the enhancement of base pictures;
    `hurried`: instead of fused pictures their base pictures are shown."""

    waits: bool
    hurried: bool

    def start(self) -> None:
        """A GOP starts."""

    def show(self, units: list[bytes], frames: list[EnhancedFrame] | None) -> Iterator[Made]:
        """The frames of a packet; `frames` is None where the enhancement is lost."""

    def conceal(self, count: int) -> Iterator[Made]:
        """Frames of which nothing is there."""

    def close(self) -> None: ...


class BaseView:
    """Level `base`."""

    waits = False
    hurried = False

    def __init__(self, base: BasePictures) -> None:
        self._base = base

    def start(self) -> None:
        pass

    def show(self, units: list[bytes], frames: list[EnhancedFrame] | None) -> Iterator[Made]:
        for unit in units:
            yield Made(self._base.decode(unit), "base")
            self._base.index += 1

    def conceal(self, count: int) -> Iterator[Made]:
        return iter(())

    def close(self) -> None:
        pass


class _SynthesisedView:
    """What the two levels with a network share: the first picture of a GOP is the reference, if its
    parameters are there."""

    waits = True
    hurried = False

    def __init__(self, base: BasePictures, synthesiser: Synthesiser) -> None:
        self._base, self._synthesiser = base, synthesiser
        self._referenced = False

    def start(self) -> None:
        self._referenced = False

    def _refer(self, picture: Picture, frame: EnhancedFrame) -> Made:
        qp = self._base.config.qp(0)
        self._synthesiser.set_reference(picture, qp, frame.parameters)
        self._referenced = True
        return Made(picture, "base")

    def close(self) -> None:
        self._synthesiser.close()


class FusedView(_SynthesisedView):
    """Level `fused` of mode `hybrid`: base pictures, or what the network makes of them."""

    def __init__(self, base: BasePictures, synthesiser: Synthesiser) -> None:
        super().__init__(base, synthesiser)
        self._fusions = Fusions(synthesiser)

    def show(self, units: list[bytes], frames: list[EnhancedFrame] | None) -> Iterator[Made]:
        for unit, frame in zip_longest(units, frames or ()):
            picture = self._base.decode(unit)
            yield self._one(picture, frame)
            self._base.index += 1

    def _one(self, picture: Picture, frame: EnhancedFrame | None) -> Made:
        index = self._base.index
        if frame is not None and index == 0:
            self._fusions.start(picture)
            return self._refer(picture, frame)
        if frame is None or not self._referenced:
            return Made(picture, "base")
        self._fusions.follow(picture, self._base.config.qp(index), frame.parameters)
        fused = frame.fused and not self.hurried
        return Made(self._fusions.fuse(), "fused") if fused else Made(picture, "base")

    def conceal(self, count: int) -> Iterator[Made]:
        return iter(())


class AnimatedView(_SynthesisedView):
    """Level `animation`: the reference, moved. Where parameters are lost the last picture stays:
    base pictures after the first need others that were not decoded. interpolates: frames that are
    not sent are made of the pictures before and after them, not of parameters in between; turned:
    heads are turned further, those of references too; switched: frames that are not fused show the
    reference as it is."""

    def __init__(
        self,
        base: BasePictures,
        synthesiser: Synthesiser,
        interpolates: bool = False,
        turned: bool = False,
        switched: bool = False,
    ) -> None:
        super().__init__(base, synthesiser)
        self._interpolates, self._turned, self._switched = interpolates, turned, switched

    _held: Picture | None = None  # the reference
    _last: Picture | Future[Picture] | None = None

    def show(self, units: list[bytes], frames: list[EnhancedFrame] | None) -> Iterator[Made]:
        if units and self._base.index == 0:
            self._held = self._base.decode(units[0])
        if frames is None:
            yield from self.conceal(len(units))
            return
        if self._held is None:
            raise DamagedError("keypoints without a reference picture before them")
        skipped: list[float] = []  # frames that are made of the next one and that before
        for frame in frames:
            if self._interpolates and frame.share is not None:
                skipped.append(frame.share)
                continue
            before, made = self._last, self._one(self._held, frame)
            for share in skipped:
                yield self._between(before or self._held, made, share)
            skipped = []
            yield made

    def _between(self, before: Picture | Future[Picture], made: Made, share: float) -> Made:
        self._base.index += 1
        if made.level == "concealed" or made.picture is before:
            return made
        return Made(self._synthesiser.interpolate(before, made.picture, share), made.level)

    def _one(self, held: Picture, frame: EnhancedFrame) -> Made:
        still = self._switched and not frame.fused
        if self._base.index == 0:
            made = self._refer(held, frame)
            if self._turned and not still:
                made = Made(self._synthesiser.animate(frame.parameters), "animation")
        elif self._referenced and still:
            made = Made(held, "base")
        elif self._referenced:
            made = Made(self._synthesiser.animate(frame.parameters), "animation")
        else:
            made = Made(self._last or held, "concealed")
        self._base.index += 1
        self._last = made.picture
        return made

    def conceal(self, count: int) -> Iterator[Made]:
        for _ in range(count):
            if self._base.index == 0 and self._held is not None:
                self._last = self._held
                yield Made(self._held, "base")
            elif self._last is not None:
                yield Made(self._last, "concealed")
            self._base.index += 1
