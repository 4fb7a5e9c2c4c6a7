"""The keypoints' quantiser.

Decoder and encoder hold the same integers on every machine; floats appear only after
dequantisation.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Quantiser levels per half side: a step is 1/128 of the frame's side (2 pixels of 256).
LEVELS = 64
STEP = 1 / LEVELS
#: A coordinate keeps its last level until it is this many steps away (0.5 would be plain rounding).
HYSTERESIS = 0.75
#: The same in hybrid streams whose fused pictures use them (published networks, frame steps): on
#: three val clips at qp_base 44 the motion layer takes 0.51 kbps at 0.75 steps and 0.18 at 4, and
#: the fused picture loses 0.003 dB (`hdac-s` before format 5, no frame steps).
HYBRID_HYSTERESIS = 4.0
#: The same where fused pictures need no coded keypoints at all: what is coded serves level
#: `animation` alone. Two val clips (64 frames, qp_base 48), bytes and PSNR-Y at that level: 0.75
#: steps (`--scalable`) 1,050 and 2,050, 29.0 and 23.6 dB; 4 steps 997 and 1,984, 27.3 and 22.4 dB;
#: 16 steps (or 8) 989 and 1,951, 26.1 and 21.0 dB.
ANIMATION_HYSTERESIS = 16.0


def quantise(
    points: Tensor, last: Tensor | None = None, levels: int = LEVELS, hysteresis: float = HYSTERESIS
) -> Tensor:
    """Keypoints `(K, 2)` in [-1, 1] -> integers `(K, 2)` in -levels .. levels.

    `last`: the integers of the frame before; coordinates that moved by at most `hysteresis` steps
    keep theirs, so that the detector's jitter costs no bits.
    """
    scaled = points.detach().float().cpu().clamp(-1, 1) * levels
    rounded = torch.round(scaled).to(torch.int64)
    if last is None:
        return rounded
    return torch.where((scaled - last).abs() <= hysteresis, last, rounded)


def dequantise(integers: Tensor, levels: int = LEVELS) -> Tensor:
    """Integers -> keypoints in [-1, 1], float32."""
    return integers.to(torch.float32) / levels
