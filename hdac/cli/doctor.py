"""Say what is usable on this machine, and why the rest is not: FFmpeg, encoders, device, weights,
metrics."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
from collections.abc import Callable
from typing import Literal, NamedTuple

from hdac.cli.common import add_json, result
from hdac.errors import HdacError
from hdac.video.ffmpeg import find_ffmpeg, has_encoder

#: What the codec itself cannot do without.
ESSENTIAL = ("PyAV libx265", "PyAV hevc", "OpenVINO", "weights")


class Check(NamedTuple):
    name: str
    usable: bool
    detail: str


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_json(sub)


def _try(name: str, test: Callable[[], str]) -> Check:
    try:
        return Check(name, True, test())
    except (HdacError, OSError, ImportError, ValueError) as error:
        return Check(name, False, str(error))


def _encoder(name: str, purpose: str) -> Check:
    try:
        present = has_encoder(name)
    except HdacError as error:
        return Check(name, False, str(error))
    absent = f"this FFmpeg lacks it ({purpose}): set HDAC_FFMPEG to one that has it"
    return Check(name, present, purpose if present else absent)


def _codec(name: str, mode: Literal["r", "w"]) -> Check:
    import av

    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return Check(f"PyAV {name}", False, "this build of PyAV lacks it: install `av` from PyPI")
    return Check(f"PyAV {name}", True, f"in process, PyAV {av.__version__}")


def _package(name: str, purpose: str, extra: str = "bench") -> Check:
    present = importlib.util.find_spec(name) is not None
    absent = f"not installed ({purpose}): pip install 'hdac[{extra}]'"
    return Check(name, present, purpose if present else absent)


def _metrics() -> list[Check]:
    try:
        from hdac.metrics.registry import METRICS
    except ImportError as error:
        return [Check("metrics", False, f"{error}: pip install 'hdac[bench]'")]

    rows = []
    for key, metric in METRICS.items():
        reason, contract = metric.unavailable(), metric.contract
        detail = reason or f"{contract.title}: {contract.source}"
        rows.append(Check(f"metric {key}", reason is None, detail))
    return rows


def _folder(variable: str, purpose: str) -> Check:
    value = os.environ.get(variable)
    if not value:
        return Check(variable, False, f"not set ({purpose})")
    present = os.path.isdir(value)
    return Check(variable, present, purpose if present else f"{value} is no folder")


def _cpu() -> str:
    from hdac.runtime.backends import cores
    from hdac.runtime.library import openvino

    features = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return f"{platform.machine()}, {cores()} cores, {', '.join(features)}; {openvino.__version__}"


def _torch() -> str:
    import torch

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    return f"torch {torch.__version__}, {cuda}"


def _cache() -> str:
    from hdac.cache import cache_folder

    return str(cache_folder("openvino").parent)


def _models() -> str:
    from hdac.runtime.graphs import read_graphs
    from hdac.runtime.models import DEFAULT, find_model, shipped

    for model in shipped():
        model.read()
        if model.graphs.is_file():
            read_graphs(model.graphs, model.graph_names)
    find_model(DEFAULT)
    return ", ".join(f"{m.name} ({m.digest}, {m.number_format.name.lower()})" for m in shipped())


def checks() -> list[Check]:
    """All checks, in the order in which they are printed."""
    return [
        _try("FFmpeg", lambda: os.path.basename(find_ffmpeg())),
        _encoder("libx265", "anchors"),
        _encoder("libkvazaar", "base encoder kvazaar; without it base layers are x265's"),
        _encoder("libvvenc", "base codecs vvc, mixed and auto"),
        _codec("libx265", "w"),
        _codec("hevc", "r"),
        _codec("vvc", "r"),
        _codec("libx264", "w"),
        _codec("libopus", "w"),
        _try("OpenVINO", _cpu),
        _try("PyTorch", _torch),
        _try("cache", _cache),
        _try("weights", _models),
        *_metrics(),
        _package("dask", "experiments, batches"),
        _package("matplotlib", "figures"),
        _package("pandas", "tables"),
        _package("plotly", "players of reports"),
        _package("aiortc", "hdac live", "live"),
        _package("pyvirtualcam", "hdac live join -o virtual-camera", "live"),
        _folder("HDAC_DATA", "training and test clips"),
        _folder("HDAC_WEIGHTS", "networks of metrics and losses"),
    ]


def run(options: argparse.Namespace) -> int:
    rows = checks()
    lines = [f"{'usable' if c.usable else 'absent':7} {c.name:22} {c.detail}" for c in rows]
    result(options, {"checks": [c._asdict() for c in rows]}, "\n".join(lines))
    return 0 if all(c.usable for c in rows if c.name in ESSENTIAL) else 1
