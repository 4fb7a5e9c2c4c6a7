"""Our decoder's network beside the published ones at full width, one picture on one thread.

`python experiments/network_speed.py [RUNS]` prints a table. Weights are random where none are at
hand: the time does not depend on them. What is published runs in PyTorch with fp32, and in OpenVINO
after conversion, as ours does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from hdac.bench.cells import markdown
from hdac.nets.cost import decoder_gmac
from hdac.nets.fusion import FusionNet, Reference
from hdac.nets.published import NAMES, PublishedConfig, PublishedNet
from hdac.nets.zoo import load_model
from hdac.runtime import protocol
from hdac.runtime.backends import open_backend
from hdac.runtime.library import openvino
from hdac.runtime.models import resolve_model

SIDE = 256
PICTURES = 5


class _Published(nn.Module):
    """Base picture and coded keypoints -> picture; the reference stays."""

    def __init__(self, net: PublishedNet, planes: Tensor) -> None:
        super().__init__()
        self.net = net
        points = net.detector(net.thumbnail(planes))
        self.reference = Reference(planes, net.encode(planes, torch.zeros(1)), points)

    def forward(self, planes: Tensor, points: Tensor) -> Tensor:
        made: Tensor = self.net(
            planes, torch.zeros(1), self.reference, points, torch.ones(1)
        ).planes
        return made


def _in_openvino(decoder: _Published, given: tuple[Tensor, Tensor]) -> Callable[[], object]:
    traced = torch.jit.trace(decoder, given, check_trace=False)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    graph = openvino.convert_model(traced, example_input=given)
    graph.reshape({i: list(tensor.shape) for i, tensor in enumerate(given)})
    request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()
    return lambda: request.infer([tensor.numpy() for tensor in given])


def _ours(precision: str, planes: Tensor) -> Callable[[], object]:
    backend = open_backend(resolve_model("hdac-s", precision), "cpu", 1)
    given = planes.numpy()
    there = protocol.Reference(given, backend.encode(given, 36), backend.detect(given))
    return lambda: backend.fuse(given, 44, there, backend.detect(given))


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    noise = np.random.default_rng(0).random((1, 6, SIDE // 2, SIDE // 2), np.float32)
    planes = torch.from_numpy(noise)
    ours = load_model(resolve_model("hdac-s", "fp32"))
    assert isinstance(ours, FusionNet)
    work = {"hdac-s": decoder_gmac(ours, SIDE, SIDE)}
    calls: dict[tuple[str, str], Callable[[], object]] = {
        ("hdac-s", "OpenVINO int8"): _ours("int8", planes),
        ("hdac-s", "OpenVINO fp32"): _ours("fp32", planes),
    }
    for name in NAMES:
        net = PublishedNet(PublishedConfig(name)).eval()
        work[name] = decoder_gmac(net, SIDE, SIDE)
        decoder = _Published(net, planes)
        given = planes, decoder.reference.keypoints + 0.1
        calls[name, "PyTorch fp32"] = lambda decoder=decoder, given=given: decoder(*given)
        calls[name, "OpenVINO fp32"] = _in_openvino(decoder, given)
    spent: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for run in range(int(sys.argv[1]) + 1 if len(sys.argv) > 1 else 6):
        for key, call in calls.items():
            start = time.perf_counter()
            for _ in range(PICTURES if run else 1):  # the first run warms up
                call()
            if run:
                spent[key].append(1000 * (time.perf_counter() - start) / PICTURES)
    rows = [
        [name, how, f"{work[name]:.1f}", f"{median(t):.0f} ({min(t):.0f} to {max(t):.0f})"]
        for (name, how), t in spent.items()
    ]
    print(markdown(["network", "runs in", "GMAC a picture", "ms a picture"], rows))


if __name__ == "__main__":
    main()
