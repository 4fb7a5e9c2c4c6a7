"""The networks at run time: device, number format, cached reference. The same object serves encoder and decoder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from hdac.errors import UsageError
from hdac.layers.motion import dequantise
from hdac.nets.fusion import FusionNet, Reference
from hdac.nets.keypoints import thumbnail
from hdac.nets.planes import planes_from_yuv, yuv_from_planes
from hdac.video.picture import Picture

T = TypeVar("T")


def pick_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` -> device. Raises `UsageError`."""
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name}; choose auto, cpu or cuda")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise UsageError("--device cuda: no CUDA device is usable here; choose auto or cpu")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def _one_thread() -> None:
    torch.set_num_threads(1)


def _start(pool: ThreadPoolExecutor | None, job: Callable[..., T], *arguments: object) -> Future[T]:
    """Runs a job in a pool, or at once where there is none."""
    if pool is not None:
        return pool.submit(job, *arguments)
    done: Future[T] = Future()
    done.set_result(job(*arguments))
    return done


class Fuser:
    """Keypoints of pictures, and fused or animated pictures from the present reference.

    Frames do not depend on each other. With `workers` > 1 (on the CPU) each is computed by one thread and several run side by
    side: 25 ms a frame on two cores, against 31 ms for one frame on two threads; the pictures are the same bit for bit.
    """

    def __init__(self, net: FusionNet, device: torch.device, bf16: bool, workers: int = 1) -> None:
        self.device, self.dtype = device, torch.bfloat16 if bf16 else torch.float32
        self.detector = copy.deepcopy(net.detector).to(device).eval()  # float32: what is coded should not depend on bf16
        self.net = net.to(device, self.dtype, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._reference: Reference | None = None
        self._anchor: Reference | None = None
        self.workers = workers if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.workers, "fuse", _one_thread) if self.workers > 1 else None
        self._side = ThreadPoolExecutor(1, "keypoints", _one_thread) if self.workers > 1 else None

    def keypoints(self, picture: Picture) -> Future[Tensor]:
        """Keypoints `(K, 2)` in [-1, 1] of a source picture, float32 on the CPU."""
        return _start(self._side, self._keypoints, picture)

    def set_reference(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> None:
        """The decoded picture and keypoints that are moved from now on (until the next refresh)."""
        self._reference, self._anchor = self._known(picture, qp, integers, levels), None

    def set_anchor(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> None:
        """The picture that `animate` moves instead of the reference: the last one that had a base picture."""
        self._anchor = self._known(picture, qp, integers, levels)

    def fuse(self, base: Picture, qp: int, integers: Tensor, levels: int) -> Future[Picture]:
        """Base picture (coded at `qp`) + reference -> fused picture."""
        return _start(self._pool, self._run, self._reference, base, qp, integers, levels, 1.0)

    def animate(self, like: Picture, integers: Tensor, levels: int) -> Future[Picture]:
        """Reference (or anchor) + keypoints -> picture; `like` gives only the size."""
        return _start(self._pool, self._run, self._anchor or self._reference, like, 0, integers, levels, 0.0)

    @torch.inference_mode()
    def _keypoints(self, picture: Picture) -> Tensor:
        found: Tensor = self.detector(thumbnail(self._planes(picture)))
        return found[0].cpu()

    @torch.inference_mode()
    def _known(self, picture: Picture, qp: int, integers: Tensor, levels: int) -> Reference:
        planes = self._planes(picture)
        return Reference(planes, self.net.encode(planes, self._qp(qp)), dequantise(integers, levels)[None].to(self.device))

    @torch.inference_mode()
    def _run(self, reference: Reference | None, base: Picture, qp: int, integers: Tensor, levels: int, mask: float) -> Picture:
        assert reference is not None, "a reference comes first"
        here = dequantise(integers, levels)[None].to(self.device)
        fused = self.net(self._planes(base), self._qp(qp), reference, here, torch.full((1,), mask, device=self.device))
        return Picture(*yuv_from_planes(fused.planes.cpu(), base.height, base.width))

    def _planes(self, picture: Picture) -> Tensor:
        return planes_from_yuv(*picture).to(self.device)

    def _qp(self, qp: int) -> Tensor:
        return torch.full((1,), float(qp), device=self.device)
