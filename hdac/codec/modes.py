"""What an encoder does with a frame in each mode: `open_mode` picks the strategy of a plan.

A strategy says whether a frame has a base picture, starts the making of the network's picture, and
decides what the decoder will show (mode decision).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

from hdac.bitstream.container import Mode
from hdac.codec.config import MAX_LOSS
from hdac.codec.fusions import Fusions
from hdac.codec.plan import Plan
from hdac.layers.reference import CUT, Drift, change, quality
from hdac.motion.between import between, is_sent, shares
from hdac.motion.protocol import Analysis, Moving, Parameters
from hdac.video.fidelity import plane_mse
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from hdac.codec.synthesiser import Synthesiser


#: A picture in the making; one of None was not made.
Made: TypeAlias = Future[Picture] | Future[None]


class Shown(NamedTuple):
    """What the decoder will show of one frame; `level` is "fused", "base" or "animation".

    `picture` is None where the encoder did not make it: fused pictures between those that preset
    "fast" fuses, and animated ones where nobody is told.
    """

    picture: Picture | None
    level: str


#: Seconds for which a face must have come, or be gone, before a new reference is sent.
_PRESENCE = 0.5
#: Decibels that Cb or Cr may lose for what luma gains; errors under the floor are not seen.
_CHROMA_SLACK, _CHROMA_FLOOR = 0.5, 0.25


def loss_of(picture: Picture, base: Picture, source: Picture) -> float:
    """Decibels that a picture loses to its base picture: in Y, in the mean of Y, Cb and Cr 6:1:1,
    or in Cb or Cr beyond `_CHROMA_SLACK`, whichever is most."""
    floors = (1e-9, _CHROMA_FLOOR, _CHROMA_FLOOR)
    y, u, v = (
        10 * math.log10(max(plane_mse(p, s), floor) / max(plane_mse(b, s), floor))
        for p, b, s, floor in zip(picture, base, source, floors, strict=True)
    )
    return max(y, (6 * y + u + v) / 8, u - _CHROMA_SLACK, v - _CHROMA_SLACK)


class Analysed(NamedTuple):
    """A frame whose parameters are known (None: its mode has none): its number in the GOP, source
    (padded), parameters, time in ticks; share: where it is between the frames that are sent before
    and after it (None: it is sent)."""

    number: int
    source: Picture
    parameters: Moving | None
    time: int
    share: float | None = None


class Coming(NamedTuple):
    """A frame whose parameters are being looked for."""

    number: int
    source: Picture
    found: Future[Analysis] | None
    time: int


class Strategy(Protocol):
    """One mode's part of the encoder. `in_flight`: frames that may be in the making."""

    in_flight: int

    def start(self) -> None:
        """A GOP starts."""

    def analyse(self, source: Picture) -> Future[Analysis] | None:
        """Begins to look for what is sent in place of pixels."""

    def take(self, coming: Coming) -> list[Analysed]:
        """The frames whose parameters are known with this one's, in order."""

    def rest(self) -> list[Analysed]:
        """The frames that wait for later ones: the GOP ends."""

    def outdated(self, coming: Coming) -> bool:
        """Whether the reference is of no use for the next frame: asked of every frame but those
        that start a GOP anyway."""

    def has_base(self, index: int) -> bool:
        """Whether frame `index` of a GOP has a base picture."""

    def synthesise(self, frame: Analysed, base: Picture, qp: int) -> Made | None:
        """Begins to make the network's picture; None: there is none, or the encoder does not look.
        `base` (coded at `qp`) is the frame's base picture, or else the last one."""

    def decide(self, frame: Analysed, base: Picture, made: Made | None) -> Shown:
        """What the decoder will show; called frame by frame, in order."""

    def close(self) -> None: ...


class BaseOnly:
    """Mode `base`: the base layer is what is shown."""

    in_flight = 0

    def start(self) -> None:
        pass

    def analyse(self, source: Picture) -> Future[Analysis] | None:
        return None

    def take(self, coming: Coming) -> list[Analysed]:
        return [Analysed(coming.number, coming.source, None, coming.time)]

    def rest(self) -> list[Analysed]:
        return []

    def outdated(self, coming: Coming) -> bool:
        return False

    def has_base(self, index: int) -> bool:
        return True

    def synthesise(self, frame: Analysed, base: Picture, qp: int) -> Made | None:
        return None

    def decide(self, frame: Analysed, base: Picture, made: Made | None) -> Shown:
        return Shown(base, "base")

    def close(self) -> None:
        pass


class _Synthesised(ABC):
    """What the two modes with a network share: the first picture of a GOP is the reference."""

    def __init__(self, plan: Plan, synthesiser: Synthesiser) -> None:
        self._plan, self._synthesiser = plan, synthesiser
        workers = synthesiser.workers
        self.in_flight = min(1, workers - 1) if plan.header.live else workers * plan.fuse_every
        self._tracked: Parameters | None = None
        self._face = True  # there is one in the reference
        self._changed = 0  # last frames of which that is not so, in a row
        self._held: list[Coming] = []  # frames that are not sent, if the next one is

    def start(self) -> None:
        self._tracked = None

    def analyse(self, source: Picture) -> Future[Analysis] | None:
        return self._synthesiser.analyse(source)

    def take(self, coming: Coming) -> list[Analysed]:
        self._held.append(coming)
        return self.rest() if self._is_sent(coming.number) else []

    def _is_sent(self, number: int) -> bool:
        """Whether a frame of a GOP is sent, also if it is not the last."""
        room = self._plan.packet_frames
        return is_sent(number % room, room, number < room, self._plan.header.every)

    def rest(self) -> list[Analysed]:
        if not self._held:
            return []
        before, held, self._held = self._tracked, self._held, []
        last = held[-1]
        assert last.found is not None
        looked = last.found.result()
        if before is None:
            self._face = looked.face
        self._changed = 0 if looked.face is self._face else self._changed + len(held)
        self._tracked = after = self._parameters(looked)
        frames = []
        for coming, share in zip(held, shares(len(held) - 1), strict=False):
            assert before is not None, "a GOP's first frame is sent"
            moved = between(before, after, share)
            frames.append(Analysed(coming.number, coming.source, moved, coming.time, share))
        return [*frames, Analysed(last.number, last.source, after, last.time)]

    def outdated(self, coming: Coming) -> bool:
        return False

    def _parameters(self, looked: Analysis) -> Parameters:
        """Of the next frame that is sent: without a face in the reference those of the reference,
        since what moves a face would move something else."""
        if self._tracked is not None and not self._face:
            return self._tracked
        return self._synthesiser.quantise(looked.found, self._tracked, self._plan.hysteresis)

    def synthesise(self, frame: Analysed, base: Picture, qp: int) -> Made | None:
        assert frame.parameters is not None
        if frame.number == 0:
            self._synthesiser.set_reference(base, qp, frame.parameters)
            return None
        return self._make(frame, base, qp, frame.parameters)

    @abstractmethod
    def _make(self, frame: Analysed, base: Picture, qp: int, parameters: Moving) -> Made | None:
        """Begins to make the picture of a frame that is not a GOP's first."""

    def close(self) -> None:
        self._synthesiser.close()


class Hybrid(_Synthesised):
    """Mode `hybrid`: the fused picture is shown where it is not worse than its base picture."""

    def __init__(self, plan: Plan, synthesiser: Synthesiser) -> None:
        super().__init__(plan, synthesiser)
        self._fusions = Fusions(synthesiser)
        self._fused = False  # the last picture that was fused here is shown
        self._seen: Picture | None = None  # the source of the last picture that was fused here
        self._decided: Made | None = None  # the last one

    def has_base(self, index: int) -> bool:
        return True

    def _looks(self, frame: Analysed) -> bool:
        """Whether the encoder fuses a frame: the second one of a GOP, and so on, and those that are
        not like the last one that it fused."""
        turn = (frame.number - 1) % self._plan.fuse_every == 0
        return turn or self._seen is None or change(self._seen, frame.source) > CUT

    def synthesise(self, frame: Analysed, base: Picture, qp: int) -> Made | None:
        if frame.number == 0:
            self._fusions.start(base)
        return super().synthesise(frame, base, qp)

    def _make(self, frame: Analysed, base: Picture, qp: int, parameters: Moving) -> Made | None:
        self._fusions.follow(base, qp, parameters)
        if not self._looks(frame):
            return self._fusions.made
        self._seen = frame.source
        return self._fusions.fuse()

    def decide(self, frame: Analysed, base: Picture, made: Made | None) -> Shown:
        if frame.number == 0:
            return Shown(base, "base")
        if made is None:  # it goes the way of the last one that was fused here
            return Shown(None, "fused") if self._fused else Shown(base, "base")
        picture = made.result()
        assert picture is not None, "mode hybrid looks at what it fuses"
        again, self._decided = made is self._decided, made
        if self._plan.loss == MAX_LOSS:
            self._fused = True
            return Shown(picture, "fused")
        if picture.same(base) or (again and not self._fused):  # nothing changes on the screen
            return Shown(base, "base")
        # to and fro would flicker
        loss = self._plan.loss if self._fused else self._plan.loss / 2
        self._fused = loss_of(picture, base, frame.source) <= loss
        return Shown(picture, "fused") if self._fused else Shown(base, "base")


class Animation(_Synthesised):
    """Mode `animation`: a reference picture that is moved. watched: somebody is told what the
    decoder will show; else no choice needs its pictures, but for refresh "drift"."""

    def __init__(self, plan: Plan, synthesiser: Synthesiser, watched: bool) -> None:
        super().__init__(plan, synthesiser)
        self._watched, self._unseen = watched, Future[None]()
        self._unseen.set_result(None)
        self._drift = Drift()
        self._tried: tuple[Parameters, Future[Picture]] | None = None

    def start(self) -> None:
        super().start()
        self._drift, self._tried = Drift(self._plan.header.every), None

    def outdated(self, coming: Coming) -> bool:
        """A face has come or gone (before this frame), or pictures have drifted."""
        gone = self._changed >= float(self._plan.header.fps) * _PRESENCE
        return self._drifted(coming) or gone if self._plan.refresh == "drift" else gone

    def _drifted(self, coming: Coming) -> bool:
        """Of frames that are sent: in the stream's order, whatever the number of threads."""
        if not self._is_sent(coming.number):
            return False
        assert coming.found is not None
        parameters = self._parameters(coming.found.result())
        made = self._synthesiser.animate(parameters)
        self._tried = parameters, made
        return self._drift.asks(quality(made.result(), coming.source))

    def has_base(self, index: int) -> bool:
        return index == 0

    def _make(self, frame: Analysed, base: Picture, qp: int, parameters: Moving) -> Made | None:
        if not self._face:
            return None
        if self._tried is not None and np.array_equal(self._tried[0], parameters):
            return self._tried[1]
        return self._synthesiser.animate(parameters) if self._watched else self._unseen

    def decide(self, frame: Analysed, base: Picture, made: Made | None) -> Shown:
        return Shown(base, "base") if made is None else Shown(made.result(), "animation")


def open_mode(plan: Plan, synthesiser: Synthesiser | None, watched: bool) -> Strategy:
    """The strategy of a plan. watched: somebody is told what the decoder will show."""
    if synthesiser is None:
        return BaseOnly()
    if plan.header.mode is Mode.ANIMATION:
        return Animation(plan, synthesiser, watched)
    return Hybrid(plan, synthesiser)
