"""The synthesiser: reference, parameters, base picture -> picture. One object for both sides, so
that an encoder that shows what the decoder will show cannot drift from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from hdac.bitstream.container import Header
from hdac.bitstream.motions import MotionHeader
from hdac.closing import Closing, check_process
from hdac.errors import DamagedError
from hdac.motion.kinds import network_misfit, open_motion
from hdac.motion.landmarks import LandmarkMotion
from hdac.motion.protocol import Analysis, Base, Found, Moving, Parameters, Turn
from hdac.runtime.backends import cores, open_backend, open_interpolator
from hdac.runtime.models import ModelFile, find_model, resolve_model, serving
from hdac.runtime.planes import picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Interpolator
from hdac.video.picture import Picture

T = TypeVar("T")

#: The network that makes pictures between those that are sent.
INTERPOLATOR = "interpolate"
#: Threads that this process may use.
CORES = cores()


def network_of(header: Header) -> ModelFile:
    """The network that a stream names. Raises `UsageError`, `DamagedError`."""
    network = find_model(header.model, header.model_hash, header.number_format)
    assert header.motion is not None
    if reason := network_misfit(header.motion, network, header.mode):
        raise DamagedError(f"the header says {reason}: it is damaged")
    return network


def network_for(
    model: str,
    mode: str,
    tune: str,
    precision: str = "auto",
    device: str = "cpu",
    base_scale: int = 1,
) -> ModelFile:
    """The network that serves `model` (a name or a path) in a mode with a tune, on base layers of
    the frame's size or smaller ones; what is quantised is computed on device "cpu". Raises
    `UsageError`."""
    if precision == "auto" and device != "cpu":
        precision = "fp32"
    return resolve_model(serving(model, mode, tune, base_scale), precision)


class _Pool(ThreadPoolExecutor):
    """Refuses work in a child process, where its threads are not."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._process = os.getpid()

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        check_process(self._process)
        return super().submit(function, *given, **named)


class Synthesiser(Closing):
    """A motion model on its network, in threads: parameters of pictures, and fused or animated
    pictures from the present reference. A context manager: `close` ends its threads. `fps`: of
    pictures that are analysed, which come in order (None: none are); `interpolates`: whether
    `interpolate` will be called; `turned`: yaw, pitch and roll in degrees by which heads are turned
    further. Its `workers` are the pictures that are made side by side (they do not depend on each
    other)."""

    def __init__(
        self,
        network: ModelFile,
        motion: MotionHeader,
        device: str = "cpu",
        fps: float | None = None,
        interpolates: bool = False,
        turned: Turn = (0, 0, 0),
    ) -> None:
        self.workers = CORES
        self._backend = backend = open_backend(network, device, self.workers)
        if not backend.parallel:
            self.workers = 1
        self._model = open_motion(motion, network, backend, fps, turned)
        self._reference: Any = None
        self._interpolator: Interpolator | None = None
        if interpolates:
            model = resolve_model(INTERPOLATOR, "auto" if device == "cpu" else "fp32")
            self._interpolator = open_interpolator(model, device, self.workers)
        self._pool = _Pool(self.workers, "synthesise", self._enter)
        self._analysis = _Pool(1, "analyse", backend.enter)

    def _enter(self) -> None:
        """In each thread that runs networks."""
        self._backend.enter()
        if self._interpolator is not None:
            self._interpolator.enter()

    @property
    def missed(self) -> int:
        """Pictures so far in which `analyse` found no face."""
        return self._model.missed

    def close(self) -> None:
        """Ends the threads; frames that nobody waited for are dropped."""
        for pool in (self._pool, self._analysis):
            pool.shutdown(cancel_futures=True)

    def analyse(self, picture: Picture) -> Future[Analysis]:
        """What a source picture says; `quantise` makes parameters of it."""

        def look() -> Analysis:
            missed, found = self._model.missed, self._model.analyse(picture)
            return Analysis(found, self._model.missed == missed)

        return self._analysis.submit(look)

    def send(self, landmarks: int) -> None:
        """So many of them from the next GOP on, where each says how many it has."""
        assert isinstance(self._model, LandmarkMotion)
        self._model.sent = landmarks

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        """The parameters of a frame after one with `last` (None: a GOP starts), which stay where
        `found` is within so many quantiser steps."""
        return self._model.quantise(found, last, hysteresis)

    def set_reference(self, picture: Picture, qp: int, parameters: Moving) -> None:
        """The decoded picture, coded at `qp`, that is moved from now on, and its parameters."""
        made = self._pool.submit(self._model.refer, picture, qp, parameters)
        self._reference = made.result()

    def fuse(self, base: Picture, qp: int, parameters: Moving) -> Future[Picture]:
        """Reference + parameters + base picture (coded at `qp`) -> fused picture."""
        return self._make(parameters, Base(base, qp))

    def animate(self, parameters: Moving) -> Future[Picture]:
        """Reference + parameters -> picture."""
        return self._make(parameters, None)

    def interpolate(
        self, before: Picture | Future[Picture], after: Picture | Future[Picture], share: float
    ) -> Future[Picture]:
        """The picture between two, that far from one to the other. Pictures in the making come from
        this object: they were begun before, so that waiting for them ends."""
        between = self._interpolator
        assert between is not None

        def make() -> Picture:
            first, last = (p if isinstance(p, Picture) else p.result() for p in (before, after))
            made = between(planes_from_picture(first), planes_from_picture(last), share)
            return picture_from_planes(made, first.height, first.width)

        return self._pool.submit(make)

    def _make(self, parameters: Moving, base: Base | None) -> Future[Picture]:
        assert self._reference is not None, "a reference comes first"
        return self._pool.submit(self._model.synthesise, self._reference, parameters, base)
