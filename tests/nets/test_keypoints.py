"""Soft-argmax against kornia's, which has its pixels' centres on the borders."""

import pytest
import torch
from kornia.geometry.subpix import spatial_soft_argmax2d

from hdac.nets.keypoints import axis, soft_argmax


@pytest.mark.parametrize(("height", "width"), [(58, 58), (64, 64), (16, 24)])
def test_soft_argmax_against_kornia(height: int, width: int) -> None:
    logits = torch.randn(2, 5, height, width, generator=torch.Generator().manual_seed(0))
    theirs = spatial_soft_argmax2d(logits / 0.1, normalized_coordinates=True)
    assert float(theirs.std()) > 0.1
    x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
    torch.testing.assert_close(soft_argmax(logits, x, y), theirs, atol=1e-6, rtol=0)
    x, y = (axis(size, logits.device) for size in (width, height))
    inside = torch.tensor([(width - 1) / width, (height - 1) / height])
    torch.testing.assert_close(soft_argmax(logits, x, y), theirs * inside, atol=1e-6, rtol=0)
