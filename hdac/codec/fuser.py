"""The networks at run time: device, number format, cached reference. The same object serves encoder
and decoder."""

from __future__ import annotations

import copy
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from hdac.errors import UsageError
from hdac.layers.quantiser import dequantise
from hdac.nets.fusion import FusionNet, Look, Reference, State
from hdac.nets.keypoints import MIN_KEYPOINTS, USUAL_KEYPOINTS, thumbnail
from hdac.nets.planes import planes_from_yuv, yuv_from_planes
from hdac.nets.zoo import CodecNet
from hdac.video.picture import Picture

#: Threads that this process may use, as torch found it at the start (`OMP_NUM_THREADS`, cores of
#: the container).
CORES = torch.get_num_threads()


def usual_keypoints(net: CodecNet) -> int:
    """Keypoints to code where nobody asked for another number."""
    return USUAL_KEYPOINTS if net.takes(USUAL_KEYPOINTS) else net.config.keypoints


def _one_thread() -> None:
    torch.set_num_threads(1)


class Fuser:
    """Keypoints of pictures, and fused or animated pictures from the present reference.

    On the CPU every network runs on exactly one thread, and `workers` frames run side by side (they
    do not depend on each other): the order of a convolution's sums changes with its number of
    threads, by up to 1e-5 at some sizes, and an encoder on two threads would show other pixels than
    a decoder on one. It is faster too: 25 ms a frame on two cores, against 31 ms for one frame on
    two threads (a network of 2.57 GMAC).
    """

    def __init__(
        self,
        net: CodecNet,
        device: torch.device,
        bf16: bool,
        workers: int = CORES,
        keypoints: int | None = None,
    ) -> None:
        self.count = usual_keypoints(net) if keypoints is None else keypoints
        if not net.takes(self.count):
            allowed = (
                f"{MIN_KEYPOINTS} to {net.config.keypoints}"
                if net.takes(MIN_KEYPOINTS)
                else str(net.config.keypoints)
            )
            raise UsageError(f"{self.count} keypoints; this network takes {allowed}")
        self.device, self.dtype = device, torch.bfloat16 if bf16 else torch.float32
        self.detector = (
            copy.deepcopy(net.detector).to(device).eval()
        )  # float32: what is coded or found must not depend on bf16
        self.net = net.to(device, self.dtype, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.derives_keypoints = net.derives_keypoints
        self._reference: Reference | None = None  # of fused pictures
        self._anchor: Reference | None = None  # of animated ones
        self.workers = workers if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.workers, "fuse", _one_thread)
        # what depends on the picture before runs here, in order, while the pool looks at the next
        # pictures
        self._line = ThreadPoolExecutor(1, "follow", _one_thread)
        self._state: State | None = None
        self._side = ThreadPoolExecutor(1, "keypoints", _one_thread)

    @property
    def recurrent(self) -> bool:
        return self.net.config.recurrent

    def keypoints(self, picture: Picture) -> Future[Tensor]:
        """Keypoints `(K, 2)` in [-1, 1] of a source picture, float32 on the CPU."""
        return self._side.submit(self._keypoints, picture)

    def set_reference(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> None:
        """The decoded picture and keypoints that are moved from now on (until the next refresh)."""
        self._line.submit(self._forget).result()
        self._anchor = self._pool.submit(self._known, picture, qp, integers, levels).result()
        self._reference = self._anchor
        if self.derives_keypoints:
            self._reference = self._anchor._replace(
                keypoints=self._pool.submit(self._detect, self._anchor.planes).result()
            )

    def set_anchor(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> None:
        """The picture that `animate` moves from now on, until the next refresh: the last one that
        had a base picture."""
        self._anchor = self._pool.submit(self._known, picture, qp, integers, levels).result()

    def fuse(self, base: Picture, qp: int, integers: Tensor, levels: int) -> Future[Picture]:
        """Base picture (coded at `qp`) + reference (+ the picture before, if the network is
        recurrent) -> fused picture.

        A network of ours derives the keypoints from the decoded pictures; the published ones take
        `integers`. A recurrent network must be given every picture, whether it is shown or not.
        """
        if not self.recurrent:
            return self._pool.submit(self._run, self._reference, base, qp, integers, levels, 1.0)
        look = self._pool.submit(self._look, self._reference, base, qp, integers, levels)
        return self._line.submit(self._follow, look, base)

    def animate(self, like: Picture, integers: Tensor, levels: int) -> Future[Picture]:
        """Reference (or anchor) + keypoints -> picture; `like` gives only the size."""
        return self._pool.submit(self._run, self._anchor, like, 0, integers, levels, 0.0)

    @torch.inference_mode()
    def _keypoints(self, picture: Picture) -> Tensor:
        return self._detect(self._planes(picture))[0].cpu()

    @torch.inference_mode()
    def _detect(self, planes: Tensor) -> Tensor:
        """Keypoints `(1, K, 2)` of a picture, as the detector finds them."""
        found: Tensor = self.detector(thumbnail(planes))
        return found[:, : self.count]

    def _keypoints_of(self, base: Tensor, integers: Tensor, levels: int) -> Tensor:
        """Keypoints of a picture that is fused: found in its base picture, or coded."""
        return (
            self._detect(base)
            if self.derives_keypoints
            else dequantise(integers, levels)[None].to(self.device)
        )

    @torch.inference_mode()
    def _known(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> Reference:
        planes = self._planes(picture)
        return Reference(
            planes,
            self.net.encode(planes, self._qp(qp)),
            dequantise(integers, levels)[None].to(self.device),
        )

    @torch.inference_mode()
    def _run(
        self,
        reference: Reference | None,
        base: Picture,
        qp: int,
        integers: Tensor,
        levels: int,
        mask: float,
    ) -> Picture:
        assert reference is not None, "a reference comes first"
        planes = self._planes(base)
        here = (
            self._keypoints_of(planes, integers, levels)
            if mask
            else dequantise(integers, levels)[None].to(self.device)
        )
        fused = self.net(
            planes, self._qp(qp), reference, here, torch.full((1,), mask, device=self.device)
        )
        return Picture(*yuv_from_planes(fused.planes.cpu(), base.height, base.width))

    @torch.inference_mode()
    def _look(
        self, reference: Reference | None, base: Picture, qp: int, integers: Tensor, levels: int
    ) -> Look:
        assert reference is not None, "a reference comes first"
        planes = self._planes(base)
        assert isinstance(self.net, FusionNet)
        here = self._keypoints_of(planes, integers, levels)
        return self.net.look(
            planes, self._qp(qp), reference, here, torch.ones(1, device=self.device)
        )

    @torch.inference_mode()
    def _follow(self, look: Future[Look], base: Picture) -> Picture:
        assert isinstance(self.net, FusionNet)
        fused = self.net.fuse(look.result(), self._state)
        self._state = fused.state
        return Picture(*yuv_from_planes(fused.planes.cpu(), base.height, base.width))

    def _forget(self) -> None:
        self._state = None

    def _planes(self, picture: Picture) -> Tensor:
        return planes_from_yuv(*picture).to(self.device)

    def _qp(self, qp: int) -> Tensor:
        return torch.full((1,), float(qp), device=self.device)
