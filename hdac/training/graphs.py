"""Graph files of trained networks: for the runtime, which has no torch.

The graphs are traced with pictures of one size and hold for all. Quantised ones (int8 in the
convolutions alone; elsewhere it costs half of the gain) are calibrated on coded pictures of the
training clips.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.motion.facemesh import POINTS
from hdac.nets.cost import decoder_gmac, gmac_of
from hdac.nets.fusion import Features, FusionNet, Reference
from hdac.nets.keypoints import thumbnail
from hdac.nets.landmarks import LandmarkNet, Located
from hdac.nets.motion import Matching
from hdac.nets.zoo import (
    AnimationNet,
    DetectingNet,
    FittingNet,
    load_animation,
    load_enlarger,
    load_interpolator,
    load_landmarks,
    load_model,
)
from hdac.runtime.graphs import ANIMATION_NAMES, NAMES
from hdac.runtime.library import openvino
from hdac.runtime.models import ModelFile
from hdac.runtime.planes import MULTIPLE, Array
from hdac.runtime.protocol import THUMBNAIL
from hdac.training.animating import parameters_of
from hdac.training.clips import Clip, Sampler
from hdac.training.faces import FaceBatch
from hdac.training.graph_files import write_model
from hdac.training.interpolating import Triple

#: Side of the pictures that graphs are traced with, and of those that calibrate; how many.
_SIDE, _CROP, _SAMPLES = 256, 192, 60


class Sample(NamedTuple):
    """What a graph is calibrated with: a base picture and the reference before it, planes `(1, 6,
    H/2, W/2)`, their QPs, and whether the base picture serves (1) or not (0)."""

    planes: Array
    qp: int
    reference: Array
    reference_qp: int
    mask: int


def calibration(clips: list[Clip], name: str) -> list[Sample]:
    """Pictures of training clips, mirrored and tinted as in training; those of models for mode
    `animation` have no base picture."""
    side = min(_CROP, *(s for c in clips for _, coded in c.versions for s in coded.y.shape[1:]))
    sampler = Sampler(clips, 0, float(name.endswith("-animation")))
    batch = sampler.batch(_SAMPLES, side // MULTIPLE * MULTIPLE)
    return [
        Sample(base.numpy()[None], int(qp), reference.numpy()[None], int(before), int(mask))
        for base, reference, qp, before, mask in zip(
            batch.base, batch.reference, batch.qp, batch.qp_intra, batch.mask, strict=True
        )
    ]


class _Points(nn.Module):
    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, thumbnail: Tensor) -> Tensor:
        located: Located = self.net(thumbnail)
        return located.points


class _Detect(nn.Module):
    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor) -> Tensor:
        found: Tensor = self.net.detector(thumbnail(planes))
        return found


class _Encode(nn.Module):
    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor, qp: Tensor) -> tuple[Tensor, ...]:
        found = self.net.encode(planes, qp)
        return found.f4, found.f8, *found.match


class _Fuse(nn.Module):
    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        planes: Tensor,
        qp: Tensor,
        there: Tensor,
        f4: Tensor,
        f8: Tensor,
        s16: Tensor,
        s8: Tensor,
        s4: Tensor,
        before: Tensor,
        points: Tensor,
        mask: Tensor,
    ) -> Tensor:
        reference = Reference(there, Features(f4, f8, Matching(s16, s8, s4)), before)
        made: Tensor = self.net(planes, qp, reference, points, mask).planes
        return made


_PARTS: dict[str, type[nn.Module]] = {"detect": _Detect, "encode": _Encode, "fuse": _Fuse}
assert tuple(_PARTS) == NAMES


@torch.inference_mode()
def _inputs(net: FusionNet, sample: Sample) -> dict[str, tuple[Tensor, ...]]:
    """What each graph is given for a sample."""
    planes, reference = torch.from_numpy(sample.planes), torch.from_numpy(sample.reference)
    qp, before, mask = (
        torch.tensor([float(v)]) for v in (sample.qp, sample.reference_qp, sample.mask)
    )
    detect, encode = _Detect(net), _Encode(net)
    fuse = planes, qp, reference, *encode(reference, before), detect(reference), detect(planes)
    return {
        "detect": (planes,),
        "encode": (reference, before),
        "fuse": (*fuse, mask),
    }


def _traced(net: FusionNet) -> dict[str, Any]:
    """The graphs, for pictures of any size."""
    noise = np.random.default_rng(0).random((2, 1, 6, _SIDE // 2, _SIDE // 2), np.float32)
    examples = _inputs(net, Sample(noise[0], 40, noise[1], 36, 1))
    return {name: _graph(part(net), examples[name]) for name, part in _PARTS.items()}


def _graph(part: nn.Module, example: tuple[Tensor, ...]) -> Any:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes, which become shapes of the graph
        given = tuple(tensor.clone() for tensor in example)
        traced = torch.jit.trace(part.eval(), given, check_trace=False)
        return openvino.convert_model(traced, example_input=given)


#: What is quantised, besides products of the network that finds landmarks.
_CONVOLUTIONS = frozenset({"Convolution", "GroupConvolution"})


def _quantised(net: FusionNet, graphs: dict[str, Any], samples: Iterable[Sample]) -> dict[str, Any]:
    given = [_inputs(net, sample) for sample in samples]
    made = {
        # the last layers say what pictures and flows are: grey stays grey
        name: _quantise(graphs[name], [g[name] for g in given], r".*\.(out|low_pass)/.*")
        for name in NAMES
        if name != "detect"
    }
    return {"detect": graphs["detect"], **made}  # keypoints decide what is coded: they stay exact


def _quantise(
    graph: Any,
    given: Sequence[tuple[Tensor, ...]],
    pattern: str,
    types: frozenset[str] = _CONVOLUTIONS,
) -> Any:
    """A graph whose operations of these types are in int8, calibrated on what it was `given`; those
    of names of a pattern, and all others, stay as they are: of parameters that a graph is given
    (keypoints, numbers of regions) a quantiser makes others."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    others = sorted({op.get_type_name() for op in graph.get_ops()} - types)
    data = nncf.Dataset([{i: t.numpy() for i, t in enumerate(inputs)} for inputs in given])
    with contextlib.redirect_stdout(sys.stderr):  # its progress
        return nncf.quantize(
            graph,
            data,
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(given),
            ignored_scope=nncf.IgnoredScope(types=others, patterns=[pattern], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # sums of products stay within 16 bits where a CPU has no VNNI
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )


def export_graphs(model: ModelFile, folder: Path, samples: Iterable[Sample] = ()) -> Path:
    """Writes the graphs of a weights file: fp32, beside it; with samples int8, into `folder`, under
    the hash of its content. Raises `UsageError` for a network that is none of ours."""

    net, given = load_model(model), list(samples)
    if not isinstance(net, FusionNet):
        raise UsageError(f"{model.path}: a published network, which runs in PyTorch alone")
    graphs = _traced(net)
    if given:
        graphs = _quantised(net, graphs, given)
    return write_model(model, net, decoder_gmac(net, _SIDE, _SIDE), graphs, bool(given), folder)


class _Find(nn.Module):
    def __init__(self, net: DetectingNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor) -> Tensor:
        found: Tensor = self.net.find(planes)
        return found


class _Fit(nn.Module):
    def __init__(self, net: FittingNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, points: Tensor) -> Tensor:
        return self.net.fit(points)


class _EncodeReference(nn.Module):
    def __init__(self, net: AnimationNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.net.encode(planes))


class _Animate(nn.Module):
    """Features, and what follows them, in the order of `encode`."""

    def __init__(self, net: AnimationNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor, *rest: Tensor) -> Tensor:
        *features, there, here = rest
        made: Tensor = self.net(planes, self.net.features(*features), there, here).planes
        return made


def export_animation(model: ModelFile, folder: Path, batch: FaceBatch | None = None) -> Path:
    """The same of another system's network; what is in a batch calibrates int8."""
    net = load_animation(model)
    given = _animations(net, batch or _noise())
    parts: dict[str, nn.Module] = {"encode": _EncodeReference(net), "animate": _Animate(net)}
    if isinstance(net, FittingNet):
        parts = {"fit": _Fit(net), **parts}
    if model.detects and isinstance(net, DetectingNet):
        parts = {"detect": _Find(net), **parts}
    graphs = {name: _graph(part, given[0][name]) for name, part in parts.items()}
    if batch is not None:
        for name in ANIMATION_NAMES:
            # the last layers say what pictures and flows are
            last = r".*((head|flow)\.out|luma|chroma|\.last)/.*"
            inputs = [sample[name] for sample in given]
            graphs[name] = _quantise(graphs[name], inputs, last)
    gmac = gmac_of(lambda: _Animate(net)(*given[0]["animate"]))
    return write_model(model, net, gmac, graphs, batch is not None, folder)


def _noise() -> FaceBatch:
    generator = torch.Generator().manual_seed(0)
    planes = torch.rand(3, 1, 6, _SIDE // 2, _SIDE // 2, generator=generator)
    points = torch.rand(2, 1, POINTS, 2, generator=generator) * 2 - 1
    return FaceBatch(*planes, *points)


@torch.inference_mode()
def _animations(net: AnimationNet, batch: FaceBatch) -> list[dict[str, tuple[Tensor, ...]]]:
    """What each graph is given for the samples of a batch."""
    generator, out = torch.Generator().manual_seed(0), []
    for i in range(len(batch.target)):
        one = FaceBatch(*(part[i : i + 1] for part in batch))
        there, here = parameters_of(net, one, generator)
        features = tuple(net.encode(one.reference))
        out.append({
            "detect": (one.target,),
            "fit": (one.here,),
            "encode": (one.reference,),
            "animate": (one.reference, *features, there, here),
        })  # fmt: skip
    return out


def export_enlarger(model: ModelFile, folder: Path, halves: Iterable[Tensor] = ()) -> Path:
    """The same of a network that enlarges; `halves` (planes `(1, 6, h, w)`) calibrate."""
    net, given = load_enlarger(model), [(planes,) for planes in halves]
    generator = torch.Generator().manual_seed(0)
    example = torch.rand(1, 6, _SIDE // 2, _SIDE // 2, generator=generator)
    graph = _graph(net, (example,))
    if given:
        # the last layers say what pictures are
        graph = _quantise(graph, given, r".*\.(luma|chroma)/.*")
    gmac = gmac_of(lambda: net(example))
    return write_model(model, net, gmac, {"enlarge": graph}, bool(given), folder)


def export_interpolator(model: ModelFile, folder: Path, batch: Triple | None = None) -> Path:
    """The same of a network that makes pictures between others; triples calibrate."""
    net, given = load_interpolator(model), list[tuple[Tensor, ...]]()
    noise = torch.Generator().manual_seed(0)
    ends = torch.rand(2, 1, 6, _SIDE // 2, _SIDE // 2, generator=noise)
    example = (*ends, torch.full((1,), 0.5))
    if batch is not None:
        given = [tuple(part[i : i + 1] for part in batch[:3]) for i in range(len(batch.share))]
    graph = _graph(net, example)
    if given:
        # the last layers say what pictures and flows are
        graph = _quantise(graph, given, r".*\.(motion|last)/.*")
    gmac = gmac_of(lambda: net(*example))
    return write_model(model, net, gmac, {"interpolate": graph}, bool(given), folder)


def export_landmarks(model: ModelFile, folder: Path, thumbnails: Iterable[Array] = ()) -> Path:
    """The same of a network that finds landmarks; `thumbnails` `(1, 3, 128, 128)` calibrate."""
    net = load_landmarks(model)
    given = [(torch.from_numpy(thumbnail),) for thumbnail in thumbnails]
    example = torch.rand(1, 3, THUMBNAIL, THUMBNAIL, generator=torch.Generator().manual_seed(0))
    graph = _graph(_Points(net), (example,))
    if given:
        # the layers that say where the crop and the points are, and the coordinates that they give,
        # stay as they are
        exact = r".*(\.shape|finder\.7|module\.net)/.*"
        graph = _quantise(graph, given, exact, _CONVOLUTIONS | {"MatMul"})
    gmac = gmac_of(lambda: net(example))
    return write_model(model, net, gmac, {"points": graph}, bool(given), folder)
