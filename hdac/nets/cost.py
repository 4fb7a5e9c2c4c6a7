"""What a network costs: multiply-accumulates per frame, counted by running it."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from hdac.nets.fusion import FusionNet, Reference


def decoder_gmac(net: FusionNet, width: int, height: int) -> float:
    """GMAC (10^9 multiply-accumulates) per decoded frame: base encoder, motion and fusion. The reference's features are
    computed once per refresh, keypoints by the encoder alone; both are left out. Counts convolutions and matrix products."""
    planes = torch.zeros(1, 6, height // 2, width // 2)
    qp, points, one = torch.zeros(1), torch.zeros(1, net.config.keypoints, 2), torch.ones(1)
    with torch.inference_mode():
        reference = Reference(planes, net.encode(planes, qp), points)
        with FlopCounterMode(display=False) as counter:
            net(planes, qp, reference, points, one)
    return float(counter.get_total_flops()) / 2e9
