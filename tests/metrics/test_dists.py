"""DISTS: what the package is given, what comes back, and why it cannot be had."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hdac.metrics import dists
from hdac.metrics.contract import Clip, UnavailableError
from hdac.metrics.registry import METRICS, measure
from hdac.video.picture import Picture
from tests.conftest import synthetic


def brighter(pictures: list[Picture]) -> list[Picture]:
    return [p._replace(y=p.y // 2 + 60) for p in pictures]


class Difference(nn.Module):
    """In the package's place: remembers the sizes, and says how far the pictures differ."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor, x_hat: Tensor) -> Tensor:
        assert (
            0 <= float(torch.stack([x, x_hat]).min()) <= float(torch.stack([x, x_hat]).max()) <= 1
        )
        self.seen.append(tuple(x.shape))
        return (x - x_hat).abs().mean()


def test_pictures_go_to_the_package_as_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Difference()
    monkeypatch.setattr(dists, "network", lambda: network)
    x = synthetic(3, 96, 80)
    x_hat = brighter(x)
    wanted = [
        float(np.abs(a.to_rgb().astype(float) - b.to_rgb().astype(float)).mean() / 255)
        for a, b in zip(x, x_hat, strict=True)
    ]
    found = METRICS["dists"].measure(Clip(x), Clip(x_hat))
    assert found.frames == pytest.approx(wanted, rel=1e-4)
    assert found.value == pytest.approx(sum(wanted) / 3, rel=1e-4)
    assert network.seen == [(1, 3, 80, 96)] * 3
    with pytest.raises(UnavailableError, match="DISTS needs 32 pixels a side"):
        METRICS["dists"].measure(Clip(synthetic(1, 48, 16)), Clip(synthetic(1, 48, 16)))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((256, 256), (256, 256)), ((380, 500), (380, 500)), ((512, 640), (256, 320)),
     ((1080, 1920), (270, 480))],
)  # fmt: skip
def test_large_pictures_are_averaged(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    x = torch.arange(size[0] * size[1], dtype=torch.float32).view(1, 1, *size)
    small = dists.averaged(x)
    assert small.shape == (1, 1, *wanted)
    factor = size[0] // wanted[0]
    assert float(small[0, 0, 0, 0]) == float(x[0, 0, :factor, :factor].mean())


def test_why_it_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clip, key = Clip(synthetic(1, 64, 64)), "dists"
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "piq" else object()
    )
    assert METRICS[key].unavailable() == "not installed: piq (pip install 'hdac[perceptual]')"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))

    def offline(*given: object) -> None:
        raise OSError(-3, "no network")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    reason = "vgg16-397923af.pth cannot be downloaded (no network)"
    assert METRICS[key].unavailable() == reason
    assert str(measure(clip, clip, [key])[key]) == reason
    (tmp_path / "checkpoints").mkdir()
    for url in dists.URLS:
        (tmp_path / "checkpoints" / url.rpartition("/")[2]).touch()
    assert METRICS[key].unavailable() is None


def test_a_package_that_does_not_load_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "piq", None)
    monkeypatch.setattr("hdac.metrics.dists.Dists.unavailable", lambda self: None)
    dists.network.cache_clear()
    clip = Clip(synthetic(1, 64, 64))
    assert "package piq could not load DISTS" in str(measure(clip, clip, ["dists"])["dists"])


def test_dists_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same pictures have 0, others more; with random weights, so that nothing is downloaded."""
    pytest.importorskip("torchvision", reason="piq needs torchvision, which is not installed")
    piq = pytest.importorskip("piq", reason="the package piq is not installed")
    torch.manual_seed(0)
    vgg16 = __import__("torchvision").models.vgg16
    monkeypatch.setattr("piq.perceptual.vgg16", lambda **given: vgg16(weights=None))
    weights = {key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}
    weights = {key: value / 1475 for key, value in weights.items()}
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *given, **more: weights)
    dists.network.cache_clear()
    try:
        assert isinstance(dists.network(), piq.DISTS)
        x = synthetic(2, 96, 80)
        same, other = (METRICS["dists"].measure(Clip(x), Clip(y)).value for y in (x, brighter(x)))
    finally:
        dists.network.cache_clear()
    assert other > same + 1e-4
