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

from hdac.metrics.contract import Clip, Contract, Scores, UnavailableError, check_pair, mean_scores
from hdac.metrics.weights import WeightsFile, load_weights, missing

BACKBONE = WeightsFile(
    "squeezenet1_1_torchvision/squeezenet1_1_fp16.safetensors", "7f3f7dd12d38bd0222d5f924e870a13f"
)
HEADS = WeightsFile(
    "squeezenet1_1_torchvision/lpips_v0.1_squeeze_heads.safetensors",
    "7b35c219aaf55e4be5486ee08f40bb7b",
)
BATCH = 1

#: SqueezeNet 1.1: index of a fire module -> it is followed by a max-pool; features 0 is a
#: convolution of stride 2.
_FIRES = {3: False, 4: True, 6: False, 7: True, 9: False, 10: False, 11: False, 12: False}
_TAPS = (4, 7, 9, 10, 11, 12)


class SqueezeLpips(nn.Module):
    """`forward(x, x_hat)`: `(N, 3, H, W)` RGB in [-1, 1] -> `(N,)`; both sides at least 32."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: dict[str, Tensor], heads: dict[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        self.backbone = nn.ParameterDict(
            {
                k.replace(".", "/"): nn.Parameter(v, requires_grad=False)
                for k, v in backbone.items()
                if k.startswith("features.")
            }
        )
        ordered = [heads[key] for key in sorted(heads)]
        self.heads = nn.ParameterList(
            [nn.Parameter(h.reshape(1, -1, 1, 1), requires_grad=False) for h in ordered]
        )

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        key = f"features/{name}"
        return F.relu(
            F.conv2d(
                x, self.backbone[f"{key}/weight"], self.backbone[f"{key}/bias"], stride, padding
            )
        )

    def taps(self, x: Tensor) -> list[Tensor]:
        """The seven feature maps, unit length over channels."""
        x = self._conv((x - self.shift) / self.scale, "0", stride=2)
        found = [x]
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for index, pooled in _FIRES.items():
            squeezed = self._conv(x, f"{index}/squeeze")
            x = torch.cat(
                [
                    self._conv(squeezed, f"{index}/expand1x1"),
                    self._conv(squeezed, f"{index}/expand3x3", padding=1),
                ],
                1,
            )
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
    return (
        SqueezeLpips(load_weights(BACKBONE), load_weights(HEADS))
        .eval()
        .to(memory_format=torch.channels_last)
    )  # type: ignore[call-overload, no-any-return]


@cache
def _package(net: str) -> nn.Module:
    import lpips

    return lpips.LPIPS(net=net, verbose=False).eval()  # type: ignore[no-any-return]


class Lpips:
    """`lpips-squeeze`, `lpips-alex`, `lpips-vgg`."""

    def __init__(self, net: str) -> None:
        self.net = net
        self.contract = Contract(
            f"lpips-{net}",
            f"LPIPS ({net})",
            "",
            False,
            "R'G'B' in [-1, 1]",
            "mean over frames",
            "Zhang et al. (2018), v0.1",
            True,
        )

    def unavailable(self) -> str | None:
        local = (
            missing(BACKBONE, HEADS)
            if self.net == "squeeze"
            else "its backbone is not among the local weights"
        )
        if local is None:
            return None
        absent = [
            name for name in ("lpips", "torchvision") if importlib.util.find_spec(name) is None
        ]
        return (
            f"{local}; not installed: {', '.join(absent)} (pip install 'hdac[perceptual]')"
            if absent
            else None
        )

    @torch.inference_mode()
    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        check_pair(x, x_hat)
        if min(x.size) < 32:
            raise UnavailableError(
                f"pictures of {x.size[0]}x{x.size[1]}; LPIPS needs 32 pixels a side"
            )
        network: nn.Module
        if self.net == "squeeze" and missing(BACKBONE, HEADS) is None:
            network = squeeze()
        else:
            try:
                network = _package(self.net)
            except (ImportError, OSError, RuntimeError) as error:
                raise UnavailableError(
                    f"package lpips could not load {self.net}: {error}"
                ) from error
        both = zip(x.rgb_batches(BATCH), x_hat.rgb_batches(BATCH), strict=True)
        return mean_scores(
            [v for a, b in both for v in network(2 * a - 1, 2 * b - 1).flatten().tolist()]
        )
