"""What a network costs: multiply-accumulates per frame, counted by running it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from hdac.nets.fusion import Reference
from hdac.nets.zoo import CodecNet


def gmac_of(call: Callable[[], object]) -> float:
    """GMAC (10^9 multiply-accumulates) of a call: its convolutions and matrix products."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops()) / 2e9


def decoder_gmac(net: CodecNet, width: int, height: int) -> float:
    """GMAC per decoded frame: base encoder, motion and fusion, and the detector where the decoder
    runs it on base pictures. The reference's features are computed once per refresh and left out.
    """
    planes = torch.zeros(1, 6, height // 2, width // 2)
    qp, points, one = torch.zeros(1), torch.zeros(1, net.config.keypoints, 2), torch.ones(1)
    with torch.inference_mode():
        reference = Reference(planes, net.encode(planes, qp), points)
    gmac = gmac_of(lambda: net(planes, qp, reference, points, one))
    return gmac + (
        gmac_of(lambda: net.detector(net.thumbnail(planes))) if net.derives_keypoints else 0.0
    )
