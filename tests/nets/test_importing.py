"""Checkpoints of the authors' names and shapes are imported, compute as the authors' code does, and
are refused where anything else is in them."""

import json
import math
import zlib
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hdac.cli.main import main
from hdac.errors import UsageError
from hdac.nets.fusion import Reference
from hdac.nets.importing import import_checkpoint
from hdac.nets.published import EDITIONS, Edition, Name, PublishedConfig, PublishedNet
from hdac.nets.sampling import AuthorsSampling, gaussian, laplacian
from hdac.nets.zoo import load_model
from hdac.runtime.models import model_from_path

Shapes = dict[str, tuple[int, ...]]
State = dict[str, dict[str, Tensor]]
CASES: list[tuple[Name, Edition]] = [
    (name, edition) for name, editions in EDITIONS.items() for edition in editions[1:]
]
#: Keypoints of the second picture, and the picture that is made of it: every 50th row and 45th
#: column of the first two and the last plane. By the authors' modules, transcribed and run once.
# fmt: off
GOLDEN: dict[tuple[Name, Edition], tuple[list[float], list[float]]] = {
    ("dac", "2022"): (
        [
            -0.14789, 0.052598, 0.489977, 0.492568, 0.141125, -0.103347,
        ], [
            0.22616, 0.30242, 0.24824, 0.22881, 0.30827, 0.25039, 0.28819, 0.28947, 0.30508,
            0.22588, 0.3033, 0.20157, 0.22865, 0.30857, 0.21455, 0.29114, 0.28811, 0.3017, 0.52768,
            0.63797, 0.54129, 0.54127, 0.58791, 0.55034, 0.65095, 0.55947, 0.61398,
        ],
    ),
    ("dac", "2024"): (
        [
            0.342948, -0.137954, 0.963602, 0.30112, -0.395955, -0.513084,
        ], [
            0.70721, 0.6915, 0.68197, 0.70966, 0.68494, 0.73619, 0.7065, 0.68632, 0.74104, 0.707,
            0.69197, 0.64435, 0.70889, 0.68431, 0.73135, 0.70668, 0.68696, 0.7504, 0.37627,
            0.34819, 0.29984, 0.37776, 0.33715, 0.41993, 0.37524, 0.34505, 0.45432,
        ],
    ),
    ("hdac-2022", "2022"): (
        [
            -0.14789, 0.052598, 0.489977, 0.492568, 0.141125, -0.103347,
        ], [
            0.56586, 0.7831, 0.31975, 0.33513, 0.59476, 0.31961, 0.7965, 0.34319, 0.82279, 0.5672,
            0.77936, 0.31969, 0.3356, 0.58092, 0.31999, 0.79778, 0.34391, 0.82342, 0.77081,
            0.60525, 0.94097, 0.92965, 0.74678, 0.94097, 0.5897, 0.92289, 0.57376,
        ],
    ),
    ("hdac-2024", "2024"): (
        [
            0.342948, -0.137954, 0.963602, 0.30112, -0.395955, -0.513084,
        ], [
            0.65962, 0.67444, 0.69562, 0.67675, 0.678, 0.7449, 0.6664, 0.65286, 0.67316, 0.65877,
            0.67421, 0.64416, 0.67568, 0.6788, 0.65135, 0.66629, 0.65221, 0.65256, 0.29425,
            0.35596, 0.40046, 0.32167, 0.36129, 0.36138, 0.31358, 0.28263, 0.34083,
        ],
    ),
    ("hdac-hf", "2024"): (
        [
            0.342948, -0.137954, 0.963602, 0.30112, -0.395955, -0.513084,
        ], [
            0.46922, 0.47161, 0.46539, 0.47352, 0.47648, 0.46771, 0.48517, 0.48219, 0.47814,
            0.46928, 0.47146, 0.46259, 0.47348, 0.47659, 0.46348, 0.48495, 0.48208, 0.47838,
            0.5225, 0.52079, 0.5264, 0.51979, 0.51789, 0.52378, 0.51025, 0.51256, 0.51379,
        ],
    ),
}
# fmt: on


def conv(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def norm(name: str, channels: int) -> Shapes:
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (channels,) for leaf in leaves} | {f"{name}.num_batches_tracked": ()}


def block(name: str, inputs: int, outputs: int, kernel: int = 3) -> Shapes:
    return conv(f"{name}.conv", inputs, outputs, kernel) | norm(f"{name}.norm", outputs)


def residuals(name: str, channels: int) -> Shapes:
    found: Shapes = {}
    for i in range(6):
        for n in (1, 2):
            found |= conv(f"{name}{i}.conv{n}", channels, channels, 3)
            found |= norm(f"{name}{i}.norm{n}", channels)
    return found


def hourglass(name: str, inputs: int, first: int, most: int) -> Shapes:
    found: Shapes = {}
    wide = [min(most, first * 2**i) for i in range(6)]
    for i in range(5):
        found |= block(f"{name}.encoder.down_blocks.{i}", wide[i] if i else inputs, wide[i + 1])
    for i, level in enumerate(reversed(range(5))):
        doubled = wide[level + 1] * (1 if level == 4 else 2)
        found |= block(f"{name}.decoder.up_blocks.{i}", doubled, wide[level])
    return found


def shapes(name: Name, edition: Edition, first: int, keypoints: int = 10) -> dict[str, Shapes]:
    """Of the authors' checkpoints, but that `first`, the channels of the first layer, is 64 there
    and all others grow with it."""
    own, half, most = ".conv" if edition == "2024" else "", first // 2, first * 16
    detector = hourglass("predictor", 3, half, most) | {"down.weight": (3, 1, 13, 13)}
    detector |= conv(f"kp{own}", half + 3, keypoints, 7)
    inputs = (keypoints + 1) * 4
    motion = hourglass("hourglass", inputs, first, most) | {"down.weight": (3, 1, 13, 13)}
    motion |= conv(f"mask{own}", first + inputs, keypoints + 1, 7)
    motion |= conv(f"occlusion{own}", first + inputs, 1, 7)
    net = {f"dense_motion_network.{key}": shape for key, shape in motion.items()}
    net |= block("first", 3, first, 7) | conv(f"final{own}", first, 3, 7)
    for i in range(2):
        net |= block(f"down_blocks.{i}", first << i, first << i + 1)
        net |= block(f"up_blocks.{i}", first << 2 - i, first << 1 - i)
    if name in ("dac", "hdac-2022"):
        net |= residuals("bottleneck.r", first * 4)
    if name == "hdac-2022":
        net |= block("base", 3, first * 4, 7) | {"down.weight": (3, 1, 13, 13)}
        net |= residuals("main_bottleneck.", first * 4) | residuals("res_bottleneck.", first * 4)
    if name in ("hdac-2024", "hdac-hf"):
        net |= block("base", 3, first, 7) | residuals("main_bottleneck.", first * 8)
        for i in range(2):
            net |= block(f"base_down_blocks.{i}", first << i, first << i + 1)
        net |= block("bt_output_layer", first * 8, first * 4)
    return {"generator": net, "kp_detector": detector}


def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers that no other tensor has, without a random generator."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(zlib.crc32(name.encode()))
    if name.endswith("down.weight"):
        line = gaussian(0.25)
        return torch.outer(line, line).repeat(3, 1, 1, 1)
    n = torch.arange(math.prod(shape), dtype=torch.float64)
    phase = zlib.crc32(name.encode()) % 1000
    wave = torch.sin(n * 1.7 + n.square() * 0.013 + phase).reshape(shape).float()
    if len(shape) == 4:
        return wave * (4 / math.prod(shape[1:])) ** 0.5
    if name.endswith("running_var"):
        return 1 + 0.5 * wave
    return 1 + 0.3 * wave if "norm" in name and name.endswith("weight") else 0.1 * wave


def state(name: Name, edition: Edition, first: int = 8) -> State:
    return {
        part: OrderedDict((key, fill(f"{part}.{key}", shape)) for key, shape in table.items())
        for part, table in shapes(name, edition, first).items()
    }


def written(folder: Path, checkpoint: object) -> Path:
    path = folder / "00000099-checkpoint.pth.tar"
    torch.save(checkpoint, path)
    return path


def picture(phase: float, side: int = 256) -> Tensor:
    """Planes `(1, 6, side / 2, side / 2)`."""
    y, x = (torch.arange(side // 2) / (side // 2)).view(-1, 1), torch.arange(side // 2) / (side / 2)
    luma = [0.5 + 0.25 * torch.sin(7 * x + 3 * y * y + phase + 0.05 * i) for i in range(4)]
    chroma = [0.5 + 0.1 * torch.sin(4 * x * y + i + phase) for i in range(2)]
    return torch.stack([*luma, *chroma])[None]


@torch.no_grad()
def run(net: PublishedNet, side: int = 256, mask: float = 1.0) -> tuple[Tensor, Tensor]:
    """Keypoints of the second picture, and what is made of the first one with a third as base."""
    first, second, base = (picture(phase, side) for phase in (0.0, 0.7, 0.6))
    there, here = (net.detector(net.thumbnail(planes)) for planes in (first, second))
    qp = torch.zeros(1)
    reference = Reference(first, net.encode(first, qp), there)
    return here, net(base, qp, reference, here, torch.full((1,), mask)).planes


@pytest.mark.parametrize(("name", "edition"), CASES)
def test_every_tensor_has_its_place_and_pictures_are_the_authors(
    tmp_path: Path, name: Name, edition: Edition
) -> None:
    checkpoint = state(name, edition)
    net, note = import_checkpoint(written(tmp_path, {**checkpoint, "epoch": 99}), name)
    assert net.config == PublishedConfig(name, 10, 1 / 8, edition)
    assert f"{name}, the authors' code of {edition}" in note

    given = [
        value.numpy().tobytes() for table in checkpoint.values() for key, value in table.items()
        if "down.weight" not in key and not (name == "hdac-2022" and key.startswith("bottleneck."))
    ]  # fmt: skip
    taken = [value.numpy().tobytes() for value in net.state_dict().values()]
    assert sorted(given) == sorted(taken)

    points, made = run(net)
    wanted_points, wanted = GOLDEN[name, edition]
    assert points[0, :3].flatten().tolist() == pytest.approx(wanted_points, abs=2e-5)
    found = made[0, [0, 1, 5], 20:128:50, 30:128:45].flatten().tolist()
    assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("name", "edition"), CASES)
def test_other_sizes_and_no_base_layer(tmp_path: Path, name: Name, edition: Edition) -> None:
    net, _ = import_checkpoint(written(tmp_path, state(name, edition)), name)
    for side in (48, 144):  # thumbnails are larger, and smaller by no whole number
        points, made = run(net, side)
        assert made.shape == (1, 6, side // 2, side // 2)
        assert bool(made.isfinite().all())
        assert float(points.abs().max()) <= 1
    assert torch.equal(run(net, side, 0.0)[1], made) == (name == "dac")


def test_published_counts() -> None:
    """Of tensors, at full width: `hdac-2024` has 290, the five of its normalised join and two
    filters."""
    counts = {case: sum(len(table) for table in shapes(*case, first=64).values()) for case in CASES}
    assert counts["hdac-2024", "2024"] == 290 + 5 + 2
    assert counts["hdac-hf", "2024"] == counts["hdac-2024", "2024"]
    assert counts["dac", "2022"] == counts["dac", "2024"] == 269
    for name, edition in CASES:
        with torch.device("meta"):
            net = PublishedNet(PublishedConfig(name, edition=edition))
        unused = 1 + (name == "hdac-2022") * 85 + 1
        assert len(net.state_dict()) == counts[name, edition] - unused


def test_a_thumbnail_is_a_gaussian_at_a_quarter() -> None:
    line = gaussian(0.25)
    assert len(line) == 13
    assert float(line.sum()) == pytest.approx(1)
    assert float(line[6] / line[5]) == pytest.approx(math.exp(1 / (2 * 1.5**2)))
    sampling, white = AuthorsSampling(shrinks=False), torch.ones(1, 3, 256, 256)
    small = sampling.reduce(white, (64, 64))
    assert small.shape == (1, 3, 64, 64)
    assert float(small[0, 0, 32, 32]) == pytest.approx(1)
    assert float(small[0, 0, 0, 32]) == pytest.approx(float(line[6:].sum()))  # black outside
    assert torch.equal(laplacian(white)[0, 0, 1:-1, 1:-1], torch.zeros(254, 254))


def test_flows_are_those_of_corners() -> None:
    """A shift of all pixels, at another size; the first edition shrinks what it moves."""
    x, flow = torch.rand(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 1
    exact, first = AuthorsSampling(shrinks=False), AuthorsSampling(shrinks=True)
    moved = exact.move(x, flow)
    assert torch.allclose(moved[..., :-1], x[..., 1:], atol=1e-6)
    assert not bool(moved[..., -1].any())  # black outside
    assert not torch.allclose(first.move(x, flow), moved, atol=1e-3)
    assert torch.equal(first.propose(x, flow), moved)
    large = exact.resize_flow(flow, (15, 15))
    assert large.shape == (1, 2, 15, 15)
    assert torch.allclose(large[:, 0], torch.tensor(2.0))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = written(tmp_path, state("hdac-2024", "2024")), tmp_path / "models"
    arguments = ["models", "import", str(path), "--arch", "hdac-2024", "-o", str(out)]
    assert main([*arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    model = model_from_path(Path(made["model"]))
    assert (model.name, model.path.parent) == ("hdac-2024-authors", out)
    assert model.config["edition"] == "2024"
    assert "ask its authors" in model.about["licence"]
    imported, _ = import_checkpoint(path, "hdac-2024")
    for key, value in load_model(model).state_dict().items():
        assert torch.equal(value, imported.state_dict()[key]), key
    assert main([*arguments, "--name", "no/folder"]) == 2
    assert "--name no/folder" in capsys.readouterr().err


def spoiled(case: str) -> object:
    """A checkpoint, of the second code's DAC where nothing else is said."""
    made = state("dac", "2024")
    net, detector = made["generator"], made["kp_detector"]
    if case == "missing":
        del net["first.norm.bias"]
    elif case == "extra":
        net["sdc.weight"] = torch.zeros(1)
    elif case == "shape":
        net["final.conv.bias"] = torch.zeros(4)
    elif case == "filter":
        detector["down.weight"] = torch.full((3, 1, 13, 13), 1 / 169)
    elif case == "no filter":
        del net["dense_motion_network.down.weight"]
    elif case == "infinite":
        net["first.conv.bias"][0] = torch.inf
    elif case == "half":
        return {"generator": net}
    elif case == "number":
        net["first.conv.bias"] = 3  # type: ignore[assignment]
    elif case == "neither":
        del detector["kp.conv.weight"]
    elif case == "pickled":
        return {**made, "path": Path()}
    elif case == "list":
        return [net]
    return made


@pytest.mark.parametrize(
    ("case", "arch", "message"),
    [
        ("missing", "dac", "tensors missing: generator.first.norm.bias"),
        ("extra", "dac", "not known: generator.sdc.weight"),
        ("shape", "dac", r"generator.final.conv.bias \(4,\) instead of \(3,\)"),
        ("filter", "dac", "kp_detector.down.weight is not the Gaussian"),
        ("no filter", "dac", "lacks generator.dense_motion_network.down.weight"),
        ("infinite", "dac", "first.0.bias: not finite"),
        ("half", "dac", "tables generator and kp_detector are needed; it has generator"),
        ("number", "dac", "generator.first.conv.bias: tensors are needed"),
        ("neither", "dac", "lacks kp_detector.kp.weight or kp_detector.kp.conv.weight"),
        ("pickled", "dac", "does not unpickle"),
        ("list", "dac", "it has list"),
        ("whole", "hdac-2022", "not those of hdac-2022; give --arch dac"),
        ("whole", "hdac-hf", "not those of hdac-hf; give --arch dac"),
    ],
)
def test_other_checkpoints_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, arch: Name, message: str
) -> None:
    path = written(tmp_path, spoiled(case))
    with pytest.raises(UsageError, match=message):
        import_checkpoint(path, arch)
    assert main(["models", "import", str(path), "--arch", arch, "-o", str(tmp_path)]) == 2
    assert str(path) in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors"))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        import_checkpoint(tmp_path / "none.pth.tar", "dac")
    for data in (b"", b"GIF89a", b"PK\x03\x04" + bytes(40), b"\x80\x02}q\x00."):
        (tmp_path / "odd.pth.tar").write_bytes(data)
        with pytest.raises(UsageError, match=r"odd\.pth\.tar: not a checkpoint"):
            import_checkpoint(tmp_path / "odd.pth.tar", "dac")


def test_whose_code_the_architectures_have() -> None:
    with pytest.raises(UsageError, match="edition one of"):
        PublishedConfig("hdac-2022", edition="2024")
