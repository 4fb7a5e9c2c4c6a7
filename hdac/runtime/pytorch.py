"""Networks by PyTorch: on a GPU, for models without graphs, and on the CPU to check the others.

On the CPU every picture is computed on exactly one thread, as OpenVINO does it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from hdac.bitstream.container import NumberFormat
from hdac.errors import UsageError
from hdac.nets.device import pick_device
from hdac.nets.fusion import Reference as Moved
from hdac.nets.threads import on_one_thread, take_one_thread
from hdac.nets.zoo import (
    CodecNet,
    DetectingNet,
    FittingNet,
    load_animation,
    load_enlarger,
    load_interpolator,
    load_landmarks,
    load_model,
)
from hdac.runtime.models import ModelFile
from hdac.runtime.planes import Array
from hdac.runtime.protocol import Reference


class TorchBackend:
    """`Backend` of any model that is not quantised. device: "cpu" or "cuda". Raises
    `UsageError`."""

    def __init__(self, model: ModelFile, device: str) -> None:
        _check_format(model)
        self._device = pick_device(device)
        self.parallel = self._device.type == "cpu"
        bf16 = model.number_format is NumberFormat.BF16
        dtype = torch.bfloat16 if bf16 else torch.float32
        self._detector, self._net = on_one_thread(self._place, model, dtype)

    def _place(self, model: ModelFile, dtype: torch.dtype) -> tuple[torch.nn.Module, CodecNet]:
        """Keypoint detector and network on the device, as they compute."""
        net = load_model(model)
        # float32: what is coded or found must not depend on the number format
        detector = copy.deepcopy(net.detector).to(self._device).eval()
        placed = net.to(self._device, dtype).eval()
        placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector, placed

    def enter(self) -> None:
        take_one_thread()

    @torch.inference_mode()
    def detect(self, planes: Array) -> Array:
        found: Array = self._detector(self._net.thumbnail(self._tensor(planes))).cpu().numpy()
        return found

    def fit(self, points: Array) -> Array:
        raise NotImplementedError("this network fits nothing to landmarks")

    @torch.inference_mode()
    def encode(self, planes: Array, qp: int) -> Any:
        return self._net.encode(self._tensor(planes), self._one(qp))

    @torch.inference_mode()
    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        return self._move(planes, qp, reference, keypoints, 1)

    @torch.inference_mode()
    def animate(self, reference: Reference, keypoints: Array) -> Array:
        return self._move(reference.planes, 0, reference, keypoints, 0)

    def _move(
        self, planes: Array, qp: int, reference: Reference, keypoints: Array, mask: int
    ) -> Array:
        there = Moved(
            self._tensor(reference.planes), reference.features, self._tensor(reference.keypoints)
        )
        points = self._tensor(keypoints)
        made = self._net(self._tensor(planes), self._one(qp), there, points, self._one(mask))
        found: Array = made.planes.float().cpu().numpy()
        return found

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _one(self, value: float) -> Tensor:
        return torch.full((1,), float(value), device=self._device)


class TorchAnimation:
    """`Backend` of another system's network that is not quantised, in float32. device: "cpu" or
    "cuda". Raises `UsageError`."""

    def __init__(self, model: ModelFile, device: str) -> None:
        _check_format(model)
        if model.number_format is NumberFormat.BF16:
            raise UsageError(f"{model.name} ({model.digest}) is not computed in bf16: use fp32")
        self._device = pick_device(device)
        self.parallel = self._device.type == "cpu"
        self._net = on_one_thread(load_animation, model).to(self._device)

    def enter(self) -> None:
        take_one_thread()

    @torch.inference_mode()
    def detect(self, planes: Array) -> Array:
        assert isinstance(self._net, DetectingNet)
        found: Array = self._net.find(self._tensor(planes)).cpu().numpy()
        return found

    @torch.inference_mode()
    def fit(self, points: Array) -> Array:
        assert isinstance(self._net, FittingNet)
        found: Array = self._net.fit(self._tensor(points)).cpu().numpy()
        return found

    @torch.inference_mode()
    def encode(self, planes: Array, qp: int) -> Any:
        return self._net.encode(self._tensor(planes))

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        raise NotImplementedError("networks of other systems take no base picture")

    @torch.inference_mode()
    def animate(self, reference: Reference, keypoints: Array) -> Array:
        there, here = self._tensor(reference.keypoints), self._tensor(keypoints)
        made = self._net(self._tensor(reference.planes), reference.features, there, here)
        found: Array = made.planes.cpu().numpy()
        return found

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _check_format(model: ModelFile) -> None:
    if model.number_format is NumberFormat.INT8:
        raise UsageError(
            f"{model.name} ({model.digest}) is in int8, which is computed on the CPU by "
            "OpenVINO: use --device cpu"
        )


class TorchLandmarks:
    """Landmarks `(1, P, 2)` of thumbnails `(1, 3, 128, 128)`, by any model that is not quantised,
    on the CPU. Raises `UsageError`."""

    def __init__(self, model: ModelFile) -> None:
        self._net = on_one_thread(load_landmarks, model)

    @torch.inference_mode()
    def __call__(self, thumbnail: Array) -> Array:
        found: Array = self._net(torch.from_numpy(thumbnail)).points.numpy()
        return found


class TorchEnlarger:
    """`Enlarger` of any model that is not quantised. device: "cpu" or "cuda". Raises
    `UsageError`."""

    def __init__(self, model: ModelFile, device: str) -> None:
        _check_format(model)
        self.reach, self._device = model.reach, pick_device(device)
        self._net = on_one_thread(load_enlarger, model).to(self._device)

    @torch.inference_mode()
    def __call__(self, planes: Array) -> Array:
        found: Array = self._net(torch.from_numpy(planes).to(self._device)).cpu().numpy()
        return found


class TorchInterpolator:
    """`Interpolator` of any model that is not quantised. device: "cpu" or "cuda". Raises
    `UsageError`."""

    def __init__(self, model: ModelFile, device: str) -> None:
        _check_format(model)
        self._device = pick_device(device)
        self._net = on_one_thread(load_interpolator, model).to(self._device)

    def enter(self) -> None:
        take_one_thread()

    @torch.inference_mode()
    def __call__(self, before: Array, after: Array, share: float) -> Array:
        ends = (torch.from_numpy(planes).to(self._device) for planes in (before, after))
        at = torch.full((1,), share, device=self._device)
        found: Array = self._net(*ends, at).cpu().numpy()
        return found
