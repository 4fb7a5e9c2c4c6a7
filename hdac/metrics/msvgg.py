"""msVGG: the multi-scale VGG-19 feature distance that first-order-motion codecs train on (Siarohin
et al., "First Order Motion Model", 2019, section 3.4), and `msvgg-lite`, the same on a distilled
VGG-19 that is small enough to lie beside the project.

Four scales (1, 1/2, 1/4, 1/8), five taps (relu1_1 to relu5_1), 10 * mean absolute difference each,
summed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.metrics.contract import (
    MEAN,
    RGB1,
    Clip,
    Contract,
    Metric,
    Scores,
    UnavailableError,
)
from hdac.metrics.weights import (
    WeightsFile,
    cached,
    find_weights,
    load_weights,
    missing,
    out_of_reach,
)

LITE = WeightsFile(
    "vgg19_distilled_16x/vgg19_se16x_relu5_1.safetensors", "c73fed0af02eb0fc0c10755e70942011"
)
VGG19 = WeightsFile("vgg19_torchvision/vgg19-dcbb9e9d.pth", "dcbb9e9d")
URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
_FILE = URL.rpartition("/")[2]
SCALES = (1, 2, 4, 8)
#: Pixels whose features are compared at once.
PIXELS = 2048

#: 3x3 convolutions in front of each of the four max-pools, up to conv5_1.
_BLOCKS = (2, 2, 4, 4, 1)


def shrunk(x: Tensor, factor: int) -> Tensor:
    """`(N, C, H, W)` at 1/`factor`: Gaussian of sigma (factor - 1) / 2 and 2 * round(4 sigma) + 1
    taps, then bilinear, corners aligned."""
    if factor == 1:
        return x
    from kornia.filters import gaussian_blur2d

    sigma = (factor - 1) / 2
    taps = 2 * round(4 * sigma) + 1
    x = gaussian_blur2d(x, (taps, taps), (sigma, sigma), border_type="constant")
    return F.interpolate(x, scale_factor=1 / factor, mode="bilinear", align_corners=True)


class Vgg19(nn.Module):
    """VGG-19 up to relu5_1 with torchvision's weights (keys `features.N.weight`), RGB in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.layers, index = nn.ModuleList(), 0
        for count in _BLOCKS:
            for _ in range(count):
                state = {k: weights[f"features.{index}.{k}"] for k in ("weight", "bias")}
                conv = nn.Conv2d(state["weight"].shape[1], state["weight"].shape[0], 3, padding=1)
                conv.load_state_dict(state)
                self.layers.append(conv)
                index += 2
            index += 1

    def forward(self, x: Tensor) -> list[Tensor]:
        """The five taps."""
        x, taps, layers = (x - self.mean) / self.std, [], iter(self.layers)
        for block, count in enumerate(_BLOCKS):
            for i in range(count):
                x = F.relu(next(layers)(x))
                if i == 0:
                    taps.append(x)
            if block < len(_BLOCKS) - 1:
                x = F.max_pool2d(x, 2)
        return taps


class LiteVgg19(nn.Module):
    """VGG-19 distilled to 1/16 of its parameters (Wang et al., "Collaborative Distillation", 2020),
    RGB in [0, 1].

    Taps are what its 1x1 layers make VGG-19's channels of: `project` of the features that `forward`
    returns.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.tensors = nn.ParameterDict(
            {k.replace(".", "/"): nn.Parameter(v, requires_grad=False) for k, v in weights.items()}
        )

    def _conv(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.tensors[f"{name}/weight"], self.tensors[f"{name}/bias"]
        if weight.shape[-1] == 3:
            x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, weight, bias)

    def project(self, pixels: Tensor, tap: int) -> Tensor:
        """`(P, C)` features at tap 0 to 4 -> `(P, C')` as VGG-19 has them there."""
        weight, bias = (self.tensors[f"conv{tap + 1}1_aux/{k}"] for k in ("weight", "bias"))
        return F.linear(pixels, weight[:, :, 0, 0], bias).relu_()

    def forward(self, x: Tensor) -> list[Tensor]:
        """The five taps, before `project`."""
        x, taps = self._conv(x, "conv0"), []
        for block, count in enumerate(_BLOCKS, 1):
            for i in range(1, count + 1):
                x = self._conv(x, f"conv{block}{i}").relu_()
                if i == 1:
                    taps.append(x)
            if block < len(_BLOCKS):
                x = F.max_pool2d(x, 2)
        return taps


def _difference(network: nn.Module, a: Tensor, b: Tensor, tap: int) -> float:
    """Mean absolute difference of one picture's features `(C, H, W)`; a block of pixels at a time,
    so that it stays in the cache."""
    a, b = (t.permute(1, 2, 0).flatten(0, 1) for t in (a, b))
    total, count = 0.0, 0
    for u, v in zip(a.split(PIXELS), b.split(PIXELS), strict=True):
        if isinstance(network, LiteVgg19):
            u, v = network.project(u, tap), network.project(v, tap)
        total += float((u - v).abs_().sum())
        count += u.numel()
    return total / count


def distance(network: nn.Module, x: Tensor, x_hat: Tensor, scales: Sequence[int] = SCALES) -> float:
    """Two pictures `(1, 3, H, W)` in [0, 1]; both sides at least 16 * 8 (distilled: 32 * 8) for all
    scales. Not differentiable."""
    total = 0.0
    for factor in scales:
        small = shrunk(torch.cat([x, x_hat]), factor)
        both = network(small.contiguous(memory_format=torch.channels_last))
        total += sum(10 * _difference(network, taps[0], taps[1], i) for i, taps in enumerate(both))
    return total


def _no_vgg() -> str | None:
    """Why torchvision's weights cannot be had; None if they are here, or a download may bring
    them."""
    reason = missing(VGG19)
    why = out_of_reach(URL) if reason else None
    return f"{reason}, and {why} (548 MB)" if why else None


def _whole_vgg() -> Path:
    """The file of torchvision's weights: from `HDAC_WEIGHTS`, torch's cache, or the network. Raises
    `UnavailableError`."""
    if (reason := missing(VGG19)) is None:
        return find_weights(VGG19)
    path = cached(URL)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL, str(path), VGG19.digest, progress=False)
        except (OSError, RuntimeError) as error:
            text = f"{reason}, and {_FILE} (548 MB) could not be downloaded ({error})"
            raise UnavailableError(text) from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(VGG19.digest):
        start = f"its SHA-256 does not start with {VGG19.digest}"
        raise UnavailableError(f"{path} is not {_FILE}: {start}; remove it")
    return path


@cache
def vgg19() -> nn.Module:
    """torchvision's VGG-19. Raises `UnavailableError`."""
    network = Vgg19(torch.load(_whole_vgg(), weights_only=True)).eval()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@cache
def lite() -> nn.Module:
    """The distilled one. Raises `UnavailableError`."""
    return LiteVgg19(load_weights(LITE)).eval()


class MsVgg(Metric):
    """`msvgg` and `msvgg-lite`."""

    def __init__(self, key: str) -> None:
        self.lite = key == "msvgg-lite"
        # relu5_1 is at 1/16 of 1/8 of the side; the distilled network pads by reflection, which
        # needs 2 samples there
        self.least = 16 * SCALES[-1] * (2 if self.lite else 1), "four scales need"
        title = "msVGG-lite" if self.lite else "msVGG"
        network = "distilled VGG-19 (1/16)" if self.lite else "torchvision's VGG-19"
        source = f"Siarohin et al. (2019), {network}"
        self.contract = Contract(key, title, "", False, RGB1, MEAN, source, True)

    def unavailable(self) -> str | None:
        return missing(LITE) if self.lite else _no_vgg()

    @torch.inference_mode()
    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        network = lite() if self.lite else vgg19()
        both = zip(x.rgb_frames(), x_hat.rgb_frames(), strict=True)
        return Scores.mean([distance(network, a, b) for a, b in both])
