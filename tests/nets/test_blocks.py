import pytest
import torch

from hdac.nets.blocks import LowPass, ResBlock, correlation, warp


@pytest.mark.parametrize("batch", [1, 3])
def test_both_warps_agree(batch: int) -> None:
    """Training (grid_sample) and inference (embedding_bag) compute the same picture."""
    g = torch.Generator().manual_seed(0)
    x, flow = (
        torch.rand(batch, 9, 12, 17, generator=g),
        torch.randn(batch, 2, 12, 17, generator=g) * 6,
    )
    with torch.enable_grad():
        trained = warp(x, flow)
    with torch.inference_mode():
        run = warp(x, flow)
    torch.testing.assert_close(trained, run, atol=1e-5, rtol=0)


def test_warp_moves_by_whole_pixels() -> None:
    x = torch.arange(48.0).view(1, 1, 6, 8).expand(1, 8, 6, 8)
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0], flow[:, 1] = 2, -1
    with torch.inference_mode():
        out = warp(x, flow)
    torch.testing.assert_close(out[..., 1:, :6], x[..., :5, 2:])


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_correlation_against_its_definition(radius: int) -> None:
    g = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 6, 7, 9, generator=g), torch.rand(2, 6, 7, 9, generator=g)
    padded = torch.nn.functional.pad(b, (radius,) * 4)
    side = range(2 * radius + 1)
    wanted = torch.stack(
        [(a * padded[:, :, dy : dy + 7, dx : dx + 9]).sum(1) for dy in side for dx in side], 1
    )
    torch.testing.assert_close(correlation(a, b, radius), wanted)


def test_a_new_residual_block_is_the_identity() -> None:
    x = torch.rand(1, 8, 5, 5)
    assert torch.equal(ResBlock(8)(x), x)


def test_low_pass_takes_off_what_alternates() -> None:
    """Checkerboards and stripes of one pixel wholly, grey not at all, stripes of two pixels by a
    quarter."""
    rows, columns = torch.arange(32.0)[:, None], torch.arange(40.0)
    grey = torch.ones(32, 40)
    stripes, wide = (grey * torch.cos(torch.pi * columns / n) for n in (1, 2))
    lying = grey * torch.cos(torch.pi * rows)
    passed = _at_full_size(torch.stack([lying * stripes, stripes, lying, grey, wide]))
    wanted = torch.stack([0 * grey, 0 * grey, 0 * grey, grey, 0.75 * wide])
    inner = slice(None), slice(2, -2), slice(2, -2)
    torch.testing.assert_close(passed[inner], wanted[inner], atol=1e-6, rtol=0)


def test_low_pass_knows_no_phases() -> None:
    """What is moved by one sample comes out moved."""
    noise = torch.randn(1, 24, 24, generator=torch.Generator().manual_seed(0))
    passed, moved = _at_full_size(noise), _at_full_size(noise.roll((1, 1), (1, 2)))
    torch.testing.assert_close(passed[:, 3:-4, 3:-4], moved[:, 4:-3, 4:-3])
    torch.testing.assert_close(passed.transpose(1, 2), _at_full_size(noise.transpose(1, 2)))


def _at_full_size(luma: torch.Tensor) -> torch.Tensor:
    phases = torch.nn.functional.pixel_unshuffle(luma[:, None], 2)
    planes = torch.nn.functional.pad(phases, (0, 0, 0, 0, 0, 2))
    return torch.nn.functional.pixel_shuffle(LowPass()(planes)[:, :4], 2)[:, 0]
