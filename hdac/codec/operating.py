"""Operating points: which settings a bit rate stands for."""

from __future__ import annotations

from hdac.layers.base import CASCADE, QP_MAX


def default_qp_ref(qp_base: int, cascade: tuple[int, ...] = CASCADE) -> int:
    """QP of the first picture that goes with `qp_base`: 11 below the mean QP of the P pictures."""
    mean = sum(min(QP_MAX, qp_base + offset) for offset in cascade) / len(cascade)
    return max(0, round(mean - 11))
