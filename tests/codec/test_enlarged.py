"""Decoding to larger sizes: which are taken, what comes out, and that patches show no seams."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import hdac as package
from hdac.bitstream.container import Colour
from hdac.codec.enlarged import enlarged_header
from hdac.errors import UsageError
from hdac.nets.enlarge import EnlargeConfig, EnlargeNet, lanczos
from hdac.nets.zoo import export_model, load_animation, load_enlarger, load_model
from hdac.runtime import enlarging
from hdac.runtime.backends import open_enlarger
from hdac.runtime.models import ModelFile, model_from_path, resolve_model
from hdac.runtime.planes import planes_from_picture
from hdac.runtime.pytorch import TorchEnlarger
from hdac.training.graphs import export_enlarger
from hdac.video.picture import Picture
from tests.conftest import Run

SMALL = EnlargeConfig(channels=8, blocks=1, shuffled=(4, 2))


def network() -> EnlargeNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    net = EnlargeNet(SMALL).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return net


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    folder = tmp_path_factory.mktemp("enlarge")
    model = model_from_path(export_model(network(), "enlarge", folder, "not trained"))
    export_enlarger(model, folder)
    return model


@pytest.fixture(autouse=True)
def here(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands for the trained one."""
    monkeypatch.setattr("hdac.codec.enlarged.resolve_model", lambda name, precision: model)


@pytest.fixture(scope="module")
def odd(head: list[Picture]) -> bytes:
    return package.encode([head[0].to_rgb()[:49, :63]] * 2, mode="base", qp_base=30)


@torch.inference_mode()
def test_untrained_it_is_lanczos() -> None:
    planes = torch.rand(1, 6, 24, 32)
    made = EnlargeNet(SMALL)(planes)
    assert made.shape == (1, 6, 48, 64)
    torch.testing.assert_close(made[:, 4:], lanczos(planes[:, 4:]))
    row = torch.sin(torch.arange(40) * 0.7)
    wanted = torch.sin(torch.arange(80) * 0.35 - 0.175)
    torch.testing.assert_close(
        lanczos(row.expand(1, 1, 8, 40))[0, 0, 7, 12:-12], wanted[12:-12], atol=0.01, rtol=0
    )


@torch.inference_mode()
def test_samples_depend_on_no_more_than_is_said() -> None:
    net, planes = network().double(), torch.rand(1, 6, 40, 40, dtype=torch.float64)
    other = planes.clone()
    other[:, :, 20, 20] += 1
    rows, columns = (net(other) - net(planes)).abs().sum(1)[0].nonzero().T
    for place in (rows, columns):
        assert 20 - place.min() // 2 <= net.reach
        assert place.max() // 2 - 20 <= net.reach
        assert place.max() // 2 - 20 >= net.reach - 2, "and not much less"


@pytest.mark.parametrize(("device", "patch"), [("cpu", 21), ("cpu", 40), ("torch", 40)])
def test_patches_show_no_seams(
    device: str, patch: int, model: ModelFile, head: list[Picture]
) -> None:
    enlarger = open_enlarger(model, device)
    whole = enlarger(planes_from_picture(head[0]))
    parts = np.concatenate([
        [first, end] for *_, first, end in enlarging._spans(whole.shape[3] // 2, patch, 6)
    ])  # fmt: skip
    assert len(parts) > 2, "several patches"
    made = enlarging.double(head[0], enlarger, patch)
    at_once = enlarging.double(head[0], enlarger, 10**4)
    assert (made.width, made.height) == (352, 288)
    for ours, wanted in zip(made, at_once, strict=True):
        away = np.abs(ours.astype(int) - wanted)
        assert away.max() <= 1
        assert (away > 0).mean() < 1e-4, "rounding"


@pytest.mark.parametrize("length", [17, 40, 41, 100, 173])
def test_patches_cover_a_side(length: int) -> None:
    spans = enlarging._spans(length, 40, 6)
    assert [s[2] for s in spans[1:]] == [s[3] for s in spans[:-1]]
    assert (spans[0][2], spans[-1][3]) == (0, length)
    for start, end, first, last in spans:
        assert 0 <= start < end <= length
        assert start == 0 or first - start >= 6
        assert end == length or end - last >= 6


def test_openvino_makes_what_torch_makes(model: ModelFile) -> None:
    planes = np.random.default_rng(1).random((1, 6, 24, 40), np.float32)
    ours, theirs = open_enlarger(model, "cpu"), TorchEnlarger(model, "cpu")
    assert type(ours).__name__ == "OpenVinoEnlarger"
    assert ours.reach == theirs.reach == network().reach
    assert np.abs(ours(planes) - theirs(planes)).max() < 1e-4


def test_quantised_graphs(model: ModelFile, tmp_path: Path, head: list[Picture]) -> None:
    planes = planes_from_picture(head[0])
    halves = [torch.from_numpy(planes)]
    int8 = model_from_path(export_enlarger(model, tmp_path, halves))
    away = open_enlarger(int8, "cpu")(planes) - open_enlarger(model, "cpu")(planes)
    assert 0 < np.abs(away).mean() < 0.02
    with pytest.raises(UsageError, match="int8"):
        open_enlarger(int8, "torch")


@pytest.mark.parametrize("size", [(126, 98), (252, 196), (100, 78), (64, 50)])
def test_frames_of_a_larger_size(size: tuple[int, int], odd: bytes) -> None:
    frames = list(package.decode(odd, size=size))
    assert len(frames) == 2
    own = next(package.decode(odd))
    for frame in frames:
        assert frame.to_rgb().shape == (size[1], size[0], 3)
        assert (frame.header.width, frame.header.height) == size
        assert (frame.number, frame.level) in ((0, own.level), (1, own.level))
    assert (own.header.width, own.header.height) == (63, 49)


def test_the_colour_stays_what_it_was(odd: bytes) -> None:
    """Above 720 lines BT.709 would be assumed."""
    header = next(package.decode(odd)).header
    assert header.colour == Colour()
    large = enlarged_header(replace(header, height=240, width=320), (1280, 960))
    assert large.colour.matrix in (5, 6)
    assert large.fps == Fraction(25)


@pytest.mark.parametrize(
    "size", [(63, 49), (62, 48), (253, 197), (126, 102), (60, 98), (10**5 - 1, 1)]
)
def test_sizes_that_are_not_taken(size: tuple[int, int], odd: bytes) -> None:
    with pytest.raises(UsageError, match=r"become larger, up to 4 times, in the same shape"):
        package.decode(odd, size=size)
    with pytest.raises(UsageError, match="--max-pixels 126x98"):
        package.decode(odd, size=(126, 98), max_pixels=63 * 49)


def test_the_command(odd: bytes, tmp_path: Path, hdac: Run) -> None:
    source, out = tmp_path / "odd.hdac", tmp_path / "large.mkv"
    source.write_bytes(odd)
    code, shown, err = hdac("decode", source, "-o", out, "--size", "126x98", "--json")
    assert code == 0, err
    assert json.loads(shown)["frames"] == 2
    from hdac.video.reader import VideoReader

    info = VideoReader(out).info
    assert (info.width, info.height) == (126, 98)
    code, _, err = hdac("decode", source, "-o", tmp_path / "x.mkv", "--size", "126x130")
    assert code == 2
    assert "252x196 at most" in err
    assert not (tmp_path / "x.mkv").exists()


def test_networks_are_not_taken_for_each_other(model: ModelFile) -> None:
    for load in (load_model, load_animation):
        with pytest.raises(UsageError, match=r"enlarges pictures|not the network"):
            load(model)
    with pytest.raises(UsageError, match="not a network that enlarges"):
        load_enlarger(resolve_model("hdac-s"))
    with pytest.raises(UsageError, match="codes none"):
        _ = model.most
    with pytest.raises(UsageError, match="not a network that enlarges"):
        _ = resolve_model("hdac-s").reach
    with pytest.raises(UsageError, match="numbers from 1 to"):
        EnlargeConfig(blocks=0)
