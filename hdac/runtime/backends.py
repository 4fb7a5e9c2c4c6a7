"""Which backend runs a model: by device and model, never by timing."""

from __future__ import annotations

import importlib.util
import os

from hdac.bitstream.container import NumberFormat
from hdac.errors import UsageError
from hdac.runtime.models import ModelFile
from hdac.runtime.protocol import Backend, Enlarger, Interpolator, Landmarker

DEVICES = ("cpu", "torch", "cuda")


def cores() -> int:
    """Cores that this process may use (`OMP_NUM_THREADS`, else what the system allows it)."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdecimal() and int(named):
        return int(named)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _in_openvino(model: ModelFile, device: str) -> bool:
    """Whether OpenVINO runs a model, else PyTorch does. Raises `UsageError` where neither can."""
    _check_device(device)
    graphs = model.number_format is not NumberFormat.BF16 and model.graphs.is_file()
    if device == "cpu" and graphs and _installed("openvino"):
        return True
    if not _installed("torch"):
        raise UsageError(f"--device {device}: {_lacking(model, device, graphs)}")
    return False


def open_backend(model: ModelFile, device: str, streams: int) -> Backend:
    """device: "cpu" is OpenVINO, or PyTorch where it is missing or the model has no graphs; "torch"
    is PyTorch on the CPU; "cuda" is PyTorch on a GPU. streams: pictures side by side. Raises
    `UsageError` where nothing here can run the model."""
    if _in_openvino(model, device):
        from hdac.runtime.openvino import OpenVinoAnimation, OpenVinoBackend

        return (OpenVinoAnimation if model.system else OpenVinoBackend)(model, streams)
    if model.number_format is NumberFormat.INT8 and device == "cpu":
        raise UsageError(
            f"{model.name} ({model.digest}) is in int8, for which OpenVINO is missing: "
            "pip install openvino, or encode with --precision fp32"
        )
    from hdac.runtime.pytorch import TorchAnimation, TorchBackend

    on = "cuda" if device == "cuda" else "cpu"
    return (TorchAnimation if model.system else TorchBackend)(model, on)


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise UsageError(f"--device {device}; choose one of {', '.join(DEVICES)}")


def _lacking(model: ModelFile, device: str, graphs: bool) -> str:
    torch = "pip install 'hdac[cuda]' for PyTorch"
    if device != "cpu":
        return f"PyTorch is not installed; use --device cpu, or {torch}"
    if graphs:
        return f"OpenVINO is not installed: pip install openvino, or {torch}"
    why = "computes in bf16" if model.number_format is NumberFormat.BF16 else "has no graphs"
    return f"{model.name} ({model.digest}) {why}, which OpenVINO needs otherwise; {torch}"


def open_enlarger(model: ModelFile, device: str) -> Enlarger:
    """What doubles pictures; `device` as in `open_backend`. Raises `UsageError` where nothing here
    can run the model."""
    if _in_openvino(model, device):
        from hdac.runtime.openvino import OpenVinoEnlarger

        return OpenVinoEnlarger(model, cores())
    from hdac.runtime.pytorch import TorchEnlarger

    return TorchEnlarger(model, "cuda" if device == "cuda" else "cpu")


def open_interpolator(model: ModelFile, device: str, streams: int) -> Interpolator:
    """What makes pictures between others, `streams` side by side; `device` as in `open_backend`.
    Raises `UsageError` where nothing here can run the model."""
    if _in_openvino(model, device):
        from hdac.runtime.openvino import OpenVinoInterpolator

        return OpenVinoInterpolator(model, streams)
    from hdac.runtime.pytorch import TorchInterpolator

    return TorchInterpolator(model, "cuda" if device == "cuda" else "cpu")


def open_landmarks(model: ModelFile) -> Landmarker:
    """What finds landmarks: OpenVINO, or PyTorch where it is missing or the model has no graphs.
    Raises `UsageError` where nothing here can run the model."""
    graphs = model.graphs.is_file()
    if graphs and _installed("openvino"):
        from hdac.runtime.openvino import OpenVinoLandmarks

        return OpenVinoLandmarks(model)
    if not _installed("torch") or model.number_format is NumberFormat.INT8:
        raise UsageError(f"landmarks: {_lacking(model, 'cpu', graphs)}")
    from hdac.runtime.pytorch import TorchLandmarks

    return TorchLandmarks(model)
