"""LPIPS v0.1 (Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep
Features", 2018, equation 1).

`lpips-squeeze` runs on local weights (SqueezeNet 1.1 and the heads); `lpips-alex` and `lpips-vgg`
need the package `lpips`, which needs torchvision and downloads its backbones.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.metrics.contract import MEAN, Clip, Contract, Metric, Scores, UnavailableError
from hdac.metrics.weights import WeightsFile, load_weights, missing

BACKBONE = WeightsFile(
    "squeezenet1_1_torchvision/squeezenet1_1_fp16.safetensors", "7f3f7dd12d38bd0222d5f924e870a13f"
)
HEADS = WeightsFile(
    "squeezenet1_1_torchvision/lpips_v0.1_squeeze_heads.safetensors",
    "7b35c219aaf55e4be5486ee08f40bb7b",
)

#: SqueezeNet 1.1: index of a fire module -> it is followed by a max-pool; features 0 is a
#: convolution of stride 2.
_FIRES = {3: False, 4: True, 6: False, 7: True, 9: False, 10: False, 11: False, 12: False}
_TAPS = (4, 7, 9, 10, 11, 12)


def _fixed(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)


class SqueezeLpips(nn.Module):
    """`forward(x, x_hat)`: `(N, 3, H, W)` RGB in [-1, 1] -> `(N,)`; both sides at least 32."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: dict[str, Tensor], heads: dict[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        features = {k.replace(".", "/"): v for k, v in backbone.items() if k.startswith("features")}
        self.backbone = nn.ParameterDict({k: _fixed(v) for k, v in features.items()})
        ordered = [heads[key].reshape(1, -1, 1, 1) for key in sorted(heads)]
        self.heads = nn.ParameterList(map(_fixed, ordered))

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = (self.backbone[f"features/{name}/{part}"] for part in ("weight", "bias"))
        return F.relu(F.conv2d(x, weight, bias, stride, padding))

    def taps(self, x: Tensor) -> list[Tensor]:
        """The seven feature maps, unit length over channels."""
        x = self._conv((x - self.shift) / self.scale, "0", stride=2)
        found = [x]
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for index, pooled in _FIRES.items():
            squeezed = self._conv(x, f"{index}/squeeze")
            wide = self._conv(squeezed, f"{index}/expand3x3", padding=1)
            x = torch.cat([self._conv(squeezed, f"{index}/expand1x1"), wide], 1)
            if index in _TAPS:
                found.append(x)
            if pooled:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return [t * torch.rsqrt(1e-8 + (t * t).sum(1, keepdim=True)) for t in found]

    def forward(self, x: Tensor, x_hat: Tensor) -> Tensor:
        pairs = zip(self.taps(x), self.taps(x_hat), self.heads, strict=True)
        parts = [((a - b) ** 2 * head).sum(1).mean((1, 2)) for a, b, head in pairs]
        return torch.stack(parts).sum(0)


@cache
def squeeze() -> SqueezeLpips:
    """The network on local weights. Raises `UnavailableError`."""
    network = SqueezeLpips(load_weights(BACKBONE), load_weights(HEADS)).eval()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@cache
def _package(net: str) -> nn.Module:
    import lpips

    return lpips.LPIPS(net=net, verbose=False).eval()  # type: ignore[no-any-return]


class Lpips(Metric):
    """`lpips-squeeze`, `lpips-alex`, `lpips-vgg`."""

    least = 32, "LPIPS needs"

    def __init__(self, net: str) -> None:
        self.net = net
        key, space, source = f"lpips-{net}", "R'G'B' in [-1, 1]", "Zhang et al. (2018), v0.1"
        self.contract = Contract(key, f"LPIPS ({net})", "", False, space, MEAN, source, True)

    def _no_weights(self) -> str | None:
        if self.net == "squeeze":
            return missing(BACKBONE, HEADS)
        return "its backbone is not among the local weights"

    def unavailable(self) -> str | None:
        reason, needed = self._no_weights(), ("lpips", "torchvision")
        absent = [name for name in needed if importlib.util.find_spec(name) is None]
        if reason is None or not absent:
            return None
        return f"{reason}; not installed: {', '.join(absent)} (pip install 'hdac[perceptual]')"

    def _network(self) -> nn.Module:
        if self._no_weights() is None:
            return squeeze()
        try:
            return _package(self.net)
        except (ImportError, OSError, RuntimeError) as error:
            raise UnavailableError(f"package lpips could not load {self.net}: {error}") from error

    @torch.inference_mode()
    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        network, both = self._network(), zip(x.rgb_frames(), x_hat.rgb_frames(), strict=True)
        return Scores.mean([float(network(2 * a - 1, 2 * b - 1)) for a, b in both])
