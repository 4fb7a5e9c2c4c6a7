"""Prints docs/ablation.md: what each part of the network and of the codec is worth, on `val`.

    python experiments/ablation.py --data DIR [--pack DIR] [--codec-clips 5] > docs/ablation.md

Network: parts are switched off in the trained weights (nothing is trained again), gains over the
base layer on the pictures of the pack's `val` split. Codec: whole files of some clips of `val`,
BD-rate against the default settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from operating_points import point
from torch import Tensor, nn

from hdac.bench.bd import bd_rate, curve
from hdac.codec.config import EncoderConfig
from hdac.nets.fusion import Fused, FusionNet, Matching, Reference, State
from hdac.nets.zoo import ModelFile, find_model, load_model
from hdac.training.clips import load
from hdac.training.validate import Validation, validate

NETWORK = (
    ("everything", "all"),
    ("without the reference (no warp, no confidence in it)", "reference"),
    ("without keypoints (motion from matching alone)", "keypoints"),
    ("without matching (motion from keypoints alone)", "matching"),
    ("without recurrence", "recurrence"),
    ("without the QP map (QP 40 everywhere)", "qp"),
    ("finest scales only (nothing from 1/8 and coarser)", "scales"),
    ("keypoints of the source, coded, instead of the base picture's", "coded"),
)
CODEC: tuple[tuple[str, dict[str, Any]], ...] = (
    ("base layer alone", {"mode": "base"}),
    ("base layer at half size", {"base_scale": 2}),
    ("base layer at half frame rate", {"frame_step": 2}),
    ("no cascade (one QP)", {"cascade": (5,)}),
)


class Without(nn.Module):
    """A trained network with one part switched off."""

    def __init__(self, net: FusionNet, part: str) -> None:
        super().__init__()
        self.net, self.part, self.detector, self.config = net, part, net.detector, net.config
        self.derives_keypoints = part != "coded"

    def _qp(self, qp: Tensor) -> Tensor:
        return torch.full_like(qp, 40) if self.part == "qp" else qp

    def encode(self, planes: Tensor, qp: Tensor) -> Any:
        return self.net.encode(planes, self._qp(qp))

    def forward(
        self,
        base: Tensor,
        qp: Tensor,
        reference: Reference,
        keypoints: Tensor,
        mask: Tensor,
        before: State | None = None,
    ) -> Fused:
        net, part = self.net, self.part
        if part == "keypoints":
            keypoints = reference.keypoints
        if part == "matching":
            silent = Matching(*(0 * s for s in reference.features.match))
            reference = reference._replace(features=reference.features._replace(match=silent))
        if part == "reference":
            reference = _without_features(reference)
        look = net.look(base, self._qp(qp), reference, keypoints, mask)
        if part == "reference":
            look = look._replace(motion=look.motion._replace(confidence=0 * look.motion.confidence))
        if part == "scales":
            look = look._replace(x=0 * look.x)
        return net.fuse(look, None if part == "recurrence" else before)


def _without_features(reference: Reference) -> Reference:
    f = reference.features
    return reference._replace(features=f._replace(f4=0 * f.f4, f8=0 * f.f8, f16=0 * f.f16))


def network_row(name: str, found: Validation, levels: tuple[tuple[int, int], ...]) -> str:
    cells = []
    for low, high in levels:
        gains = [g for qp, g in found.gains.items() if low <= qp <= high]
        cells.append(f"{np.mean(gains):+.3f}" if gains else "")
    return (
        f"| {name} | {' | '.join(cells)} | {found.animation:.2f} | {found.worse}/{found.pictures} |"
    )


def coded(path: Path, config: EncoderConfig) -> tuple[float, float]:
    """kbps and PSNR-Y of one clip."""
    kbps, quality, _ = point(path, config)
    return kbps, quality


def print_network(model: ModelFile, pack: Path, data: Path) -> None:
    net = load_model(model)
    assert isinstance(net, FusionNet)
    clips = load(pack / "val", data / "val")
    levels = ((30, 35), (36, 41), (42, 47), (48, 51))
    versions = sum(len(c.versions) for c in clips)
    print(
        f"## The network\n\n{len(clips)} clips, {versions} coded versions, 3 pictures of each; HEVC base layer."
    )
    print(
        "Parts are switched off in the trained weights: nothing was trained again, so this says what the network leans on.\n"
    )
    print(
        f"| gain over the base layer, PSNR-Y, dB, at qp_base | {' | '.join(f'{a}-{b}' for a, b in levels)} | animation, dB | worse |"
    )
    print("|---|" + "---|" * (len(levels) + 2))
    for name, part in NETWORK:
        if part == "recurrence" and not net.config.recurrent:
            continue
        print(network_row(name, validate(Without(net, part), clips), levels), flush=True)  # type: ignore[arg-type]


def print_codec(model: str, data: Path, clips: int) -> None:
    paths = sorted((data / "val").glob("*.mp4"))
    paths = paths[:: max(1, len(paths) // clips)][:clips]
    print(
        f"## The codec\n\nWhole files, clips {', '.join(p.stem for p in paths)}, qp_base 30, 37, 44, 51. Mean BD-rate, PSNR-Y.\n"
    )
    print(
        "| setting | against the default settings, % | kbps at qp_base 51 | PSNR-Y there, dB |\n|---|---|---|---|"
    )
    default = {
        p: [coded(p, EncoderConfig(qp_base=qp, model=model)) for qp in (30, 37, 44, 51)]
        for p in paths
    }
    for name, settings in (("default", {}), *CODEC):
        rates, ends = [], []
        for path in paths:
            points = default[path]
            if settings:
                points = [
                    coded(path, EncoderConfig(qp_base=qp, model=model, **settings))
                    for qp in (30, 37, 44, 51)
                ]
            delta = bd_rate(
                curve(*zip(*default[path], strict=True)), curve(*zip(*points, strict=True))
            )
            rates += [] if delta.value is None else [delta.value]
            ends.append(points[-1])
        rate, quality = np.mean(ends, axis=0)
        mean = f"{np.mean(rates):+.1f} ({len(rates)} clips)" if rates else "n/a"
        print(f"| {name} | {mean} | {rate:.2f} | {quality:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument(
        "--pack", type=Path, help="the training pack (without one: only the codec's rows)"
    )
    parser.add_argument("--model", default="hdac-s")
    parser.add_argument(
        "--codec-clips",
        type=int,
        default=5,
        help="whole clips for the codec's rows (default 5; 0: none)",
    )
    options = parser.parse_args()
    model = find_model(options.model)
    print(
        f"# Ablation on val\n\nModel {model.name}-{model.digest}. Printed by experiments/ablation.py.\n"
    )
    if options.pack:
        print_network(model, options.pack, options.data)
        print()
    if options.codec_clips:
        print_codec(options.model, options.data, options.codec_clips)


if __name__ == "__main__":
    main()
