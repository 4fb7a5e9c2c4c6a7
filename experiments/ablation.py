"""Prints docs/ablation.md: what each part of the network and of the codec is worth, on `val`.

    python experiments/ablation.py --data DIR [--pack DIR] [--codec-clips 5] > docs/ablation.md

Network: parts are switched off in the trained weights (nothing is trained again), gains over the
base layer on the pictures of the pack's `val` split. Codec: whole files of some clips of `val`,
BD-rate against the default settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from operating_points import point
from torch import Tensor

from hdac.bench.bd import bd_rate, curve
from hdac.codec.config import EncoderConfig
from hdac.nets.fusion import FusionNet, Reference
from hdac.nets.motion import Matching, Motion
from hdac.nets.zoo import load_model
from hdac.runtime.models import ModelFile, resolve_model
from hdac.training.clips import load
from hdac.training.curves import QP_RANGES
from hdac.training.validate import Validation, validate

NETWORK = {
    "everything": "all",
    "without the reference (no warp, no confidence in it)": "reference",
    "without keypoints (motion from matching alone)": "keypoints",
    "without matching (motion from keypoints alone)": "matching",
    "without the QP map (QP 40 everywhere)": "qp",
    "finest scales only (nothing from 1/8 and coarser)": "scales",
    "keypoints of the source, coded, instead of the base picture's": "coded",
}
CODEC: dict[str, dict[str, Any]] = {
    "default": {},
    "base layer alone": {"mode": "base"},
    "base layer at half size": {"base_scale": 2},
    "HEVC by x265": {"base_codec": "hevc", "base_encoder": "x265"},
    "HEVC by x265 without a cascade (one QP)": {"cascade": (5,)},
}
QPS = (30, 37, 44, 51)


class Without(FusionNet):
    """A trained network with one part switched off."""

    def __init__(self, net: FusionNet, part: str) -> None:
        super().__init__(net.config)
        self.load_state_dict(net.state_dict())
        self.part, self.derives_keypoints = part, part != "coded"
        self.motion.register_forward_pre_hook(self._before_motion)
        self.motion.register_forward_hook(self._after_motion)
        self.u8.register_forward_hook(lambda _, given, out: 0 * out if part == "scales" else out)

    def encode(self, planes: Tensor, qp: Tensor) -> Any:
        return super().encode(planes, torch.full_like(qp, 40) if self.part == "qp" else qp)

    def forward(
        self, planes: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor
    ) -> Any:
        qp = torch.full_like(qp, 40) if self.part == "qp" else qp
        return super().forward(planes, qp, reference, keypoints, mask)

    def _before_motion(self, _: object, given: tuple[Any, ...]) -> tuple[Any, ...]:
        here, there, base, reference, mask = given
        if self.part == "keypoints":
            here = there
        if self.part == "matching":
            reference = Matching(*(0 * scale for scale in reference))
        return here, there, base, reference, mask

    def _after_motion(self, _: object, given: object, found: Motion) -> Motion:
        if self.part != "reference":
            return found
        return found._replace(confidence=0 * found.confidence)


def network_row(name: str, found: Validation) -> str:
    cells = []
    for low, high in QP_RANGES:
        gains = [gain for qp, gain in found.gains.items() if low <= qp <= high]
        cells.append(f"{fmean(gains):+.3f}" if gains else "")
    cells += [f"{found.animation:.2f}", f"{found.worse}/{found.pictures}"]
    return f"| {name} | {' | '.join(cells)} |"


def print_network(model: ModelFile, pack: Path, data: Path) -> None:
    net = load_model(model)
    assert isinstance(net, FusionNet)
    clips = load(pack / "val", data / "val")
    versions = sum(len(clip.versions) for clip in clips)
    print("## The network\n")
    print(f"{len(clips)} clips, {versions} coded versions, 3 pictures of each; HEVC base layer.")
    print("Parts are switched off in the trained weights: nothing was trained again, so this says")
    print("what the network leans on.\n")
    ranges = " | ".join(f"{low}-{high}" for low, high in QP_RANGES)
    print(
        f"| gain over the base layer, PSNR-Y, dB, at qp_base | {ranges} | animation, dB | worse |"
    )
    print("|---|" + "---|" * (len(QP_RANGES) + 2))
    for name, part in NETWORK.items():
        print(network_row(name, validate(Without(net, part), clips)), flush=True)


def print_codec(model: str, data: Path, clips: int) -> None:
    paths = sorted((data / "val").glob("*.mp4"))
    paths = paths[:: max(1, len(paths) // clips)][:clips]
    names, qps = ", ".join(path.stem for path in paths), ", ".join(map(str, QPS))
    print(f"## The codec\n\nWhole files, clips {names}, qp_base {qps}. Mean BD-rate, PSNR-Y.\n")
    print(f"| setting | against default, % | kbps at qp_base {QPS[-1]} | PSNR-Y there, dB |")
    print("|---|---|---|---|")
    default: dict[Path, list[tuple[float, float]]] = {}
    for name, settings in CODEC.items():
        rates, ends = [], []
        for path in paths:
            configs = [EncoderConfig(qp_base=qp, model=model, **settings) for qp in QPS]
            points = [point(path, config)[:2] for config in configs]
            anchor = default.setdefault(path, points)
            delta = bd_rate(curve(*zip(*anchor, strict=True)), curve(*zip(*points, strict=True)))
            rates += [] if delta.value is None else [delta.value]
            ends.append(points[-1])
        kbps, quality = np.mean(ends, axis=0)
        mean = f"{fmean(rates):+.1f} ({len(rates)} clips)" if rates else "n/a"
        print(f"| {name} | {mean} | {kbps:.2f} | {quality:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument("--pack", type=Path, help="the training pack (none: the codec's rows only)")
    parser.add_argument("--model", default="hdac-s")
    clips = "whole clips for the codec's rows (default 5; 0: none)"
    parser.add_argument("--codec-clips", type=int, default=5, help=clips)
    options = parser.parse_args()
    model = resolve_model(options.model)
    print(f"# Ablation on val\n\nModel {model.name}-{model.digest}.")
    print("Printed by experiments/ablation.py.\n")
    if options.pack:
        print_network(model, options.pack, options.data)
        print()
    if options.codec_clips:
        print_codec(options.model, options.data, options.codec_clips)


if __name__ == "__main__":
    main()
