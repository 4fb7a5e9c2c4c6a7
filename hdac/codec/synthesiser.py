"""The synthesiser: reference, parameters, base picture -> picture. One object for both sides, so
that an encoder that shows what the decoder will show cannot drift from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from hdac.bitstream.container import Header, Keypoints
from hdac.closing import Closing, check_process
from hdac.errors import DamagedError
from hdac.layers.motion import Parameters, Points, dequantise
from hdac.runtime.backends import cores, open_backend
from hdac.runtime.models import ModelFile, find_model, resolve_model, serving
from hdac.runtime.planes import Array, picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Reference
from hdac.video.picture import Picture

T = TypeVar("T")

#: Threads that this process may use.
CORES = cores()


def network_of(header: Header) -> ModelFile:
    """The network that a stream names. Raises `UsageError`, `DamagedError`."""
    network = find_model(header.model, header.model_hash, header.number_format)
    assert header.motion is not None
    if not network.takes(header.motion.number):
        raise DamagedError(
            f"the header says {header.motion.number} keypoints, which {header.model} does not "
            "take: it is damaged"
        )
    return network


def network_for(
    model: str, mode: str, tune: str, precision: str = "auto", device: str = "cpu"
) -> ModelFile:
    """The network that serves `model` (a name or a path) in a mode with a tune; what is quantised
    is computed on device "cpu". Raises `UsageError`."""
    if precision == "auto" and device != "cpu":
        precision = "fp32"
    return resolve_model(serving(model, mode, tune), precision)


class _Pool(ThreadPoolExecutor):
    """Refuses work in a child process, where its threads are not."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._process = os.getpid()

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        check_process(self._process)
        return super().submit(function, *given, **named)


class Synthesiser(Closing):
    """Keypoints of pictures, and fused or animated pictures from the present reference. A context
    manager: `close` ends its threads. `workers`: pictures that are made side by side (they do not
    depend on each other)."""

    def __init__(
        self, network: ModelFile, motion: Keypoints, device: str = "cpu", workers: int | None = None
    ) -> None:
        self._motion = motion
        self._derives = network.derives_keypoints
        self.workers = CORES if workers is None else workers
        self._backend = open_backend(network, device, self.workers)
        if not self._backend.parallel:
            self.workers = 1
        self._animated: Reference | None = None  # with coded keypoints
        self._fused: Reference | None = None  # with those that the network wants
        enter = self._backend.enter
        self._pool = _Pool(self.workers, "synthesise", enter)
        self._analysis = _Pool(1, "keypoints", enter)

    def close(self) -> None:
        """Ends the threads; frames that nobody waited for are dropped."""
        for pool in (self._pool, self._analysis):
            pool.shutdown(cancel_futures=True)

    def analyse(self, picture: Picture) -> Future[Points]:
        """Keypoints of a source picture."""
        return self._analysis.submit(self._analyse, picture)

    def set_reference(self, picture: Picture, qp: int, parameters: Parameters) -> None:
        """The decoded picture, coded at `qp`, that is moved from now on, and its keypoints."""
        self._animated, self._fused = self._pool.submit(
            self._encode, picture, qp, parameters
        ).result()

    def fuse(self, base: Picture, qp: int, parameters: Parameters) -> Future[Picture]:
        """Base picture (coded at `qp`) + reference -> fused picture. A network of ours finds the
        keypoints in the base picture; the published ones take `parameters`."""
        assert self._fused is not None, "a reference comes first"
        return self._pool.submit(self._fuse, self._fused, base, qp, parameters)

    def animate(self, like: Picture, parameters: Parameters) -> Future[Picture]:
        """Reference + parameters -> picture; `like` gives only the size."""
        assert self._animated is not None, "a reference comes first"
        return self._pool.submit(self._animate, self._animated, like, parameters)

    # ---- in the threads

    def _analyse(self, picture: Picture) -> Points:
        found: Points = self._detect(planes_from_picture(picture))[0]
        return found

    def _encode(
        self, picture: Picture, qp: int, parameters: Parameters
    ) -> tuple[Reference, Reference]:
        planes = planes_from_picture(picture)
        features = self._backend.encode(planes, qp)
        animated = Reference(planes, features, self._coded(parameters))
        if not self._derives:
            return animated, animated
        return animated, animated._replace(keypoints=self._detect(planes))

    def _fuse(
        self, reference: Reference, base: Picture, qp: int, parameters: Parameters
    ) -> Picture:
        planes = planes_from_picture(base)
        keypoints = self._detect(planes) if self._derives else self._coded(parameters)
        made = self._backend.fuse(planes, qp, reference, keypoints)
        return picture_from_planes(made, base.height, base.width)

    def _animate(self, reference: Reference, like: Picture, parameters: Parameters) -> Picture:
        made = self._backend.animate(reference, self._coded(parameters))
        return picture_from_planes(made, like.height, like.width)

    def _detect(self, planes: Array) -> Array:
        """Keypoints `(1, k, 2)` of a picture, as many as are coded."""
        return self._backend.detect(planes)[:, : self._motion.number]

    def _coded(self, parameters: Parameters) -> Array:
        return dequantise(parameters, self._motion.levels)[None]
