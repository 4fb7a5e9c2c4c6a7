"""Networks of other systems in streams: mode animation, from file to pictures."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hdac.bitstream.motions import Landmarks, MotionHeader, Regions
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Frame
from hdac.codec.files import decode, encode, inspect
from hdac.codec.modes import Shown
from hdac.errors import HdacError, UsageError
from hdac.motion.facemesh import POINTS
from hdac.nets.face import FaceConfig, FaceNet
from hdac.nets.motion_spade import MotionSpadeConfig, MotionSpadeNet
from hdac.nets.zoo import export_model
from hdac.runtime.models import model_from_path
from hdac.training.animating import learn_shapes
from hdac.training.graphs import export_animation
from hdac.video.picture import Picture
from tests.conftest import Run


def made(net: MotionSpadeNet | FaceNet, folder: Path) -> Path:
    """A model that moves, and paints a little."""
    torch.manual_seed(0)
    if isinstance(net, FaceNet):
        rng = np.random.default_rng(0)
        learn_shapes(net.shape, [rng.normal(0, 0.2, (40, POINTS, 2)).astype(np.float32)], 1)
    for layer in (net.generator.luma, net.generator.chroma, net.head.out):
        torch.nn.init.normal_(layer.weight, 0, 0.01)
    path = export_model(net, net.config.system, folder, "not trained")
    export_animation(model_from_path(path), folder)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    small: dict[str, Any] = {"widths": (8, 8, 8), "blocks": (1, 1, 1)}
    nets = (
        MotionSpadeNet(MotionSpadeConfig("motion-spade-static", 20, **small)),
        MotionSpadeNet(MotionSpadeConfig("motion-spade-dynamic", 6, **small)),
        MotionSpadeNet(MotionSpadeConfig("motion-spade-map", **small)),
        FaceNet(FaceConfig(coefficients=4, **small)),
    )
    return {net.config.system: made(net, folder) for net in nets}


@pytest.fixture
def models(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """Copies, which a test may take away."""
    monkeypatch.setenv("HDAC_MODELS", str(tmp_path))
    shutil.copytree(next(iter(files.values())).parent, tmp_path, dirs_exist_ok=True)
    return {system: tmp_path / path.name for system, path in files.items()}


SYSTEMS = ["motion-spade-static", "motion-spade-dynamic", "motion-spade-map", "hdac-face"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_the_encoder_says_is_what_the_decoder_shows(
    system: str, models: dict[str, Path], head: list[Picture]
) -> None:
    shown: list[Shown] = []
    about = {"mode": "animation", "model": str(models[system]), "qp_intra": 36, "refresh": 9}
    config = EncoderConfig(**about)  # type: ignore[arg-type]
    data = encode(head[:20], 176, 144, 25, config, on_shown=shown.append)
    frames = list(decode(data))
    assert [frame.level for frame in frames] == [
        "base" if n % 9 == 0 else "animation" for n in range(20)
    ]
    for frame, said in zip(frames, shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)
    assert not frames[8].picture.same(frames[0].picture)
    assert data == encode(head[:20], 176, 144, 25, config), "the same bytes again"
    info = inspect(data)
    assert info.header.model == system
    assert info.bits.motion > 0


@pytest.mark.parametrize(
    ("system", "motion", "words"),
    [
        ("motion-spade-static", Landmarks(20), "20 landmarks"),
        ("motion-spade-map", Regions(48), "regions of 58 outline points"),
    ],
)
def test_headers_say_them(
    system: str,
    motion: MotionHeader,
    words: str,
    models: dict[str, Path],
    head: list[Picture],
    hdac: Run,
) -> None:
    config = EncoderConfig(mode="animation", model=str(models[system]))
    data = encode(head[:4], 176, 144, 25, config)
    assert read_stream(data)[0].motion == motion
    path = models[system].with_name("a.hdac")
    path.write_bytes(data)
    code, out, _ = hdac("info", path)
    assert code == 0
    assert words in out


@pytest.mark.parametrize("system", SYSTEMS)
def test_still_pictures_cost_next_to_nothing(
    system: str, models: dict[str, Path], head: list[Picture]
) -> None:
    config = EncoderConfig(mode="animation", model=str(models[system]), qp_intra=40)
    few, many = (encode([head[0]] * n, 176, 144, 25, config) for n in (2, 102))
    assert len(many) - len(few) < 40


@pytest.mark.parametrize("system", SYSTEMS)
def test_damage_is_named_or_concealed(
    system: str, models: dict[str, Path], head: list[Picture]
) -> None:
    about = {"mode": "animation", "model": str(models[system]), "qp_intra": 44}
    data = encode(head[:12], 176, 144, 25, EncoderConfig(**about, refresh=6))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for _ in range(30):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] ^= 1 << int(rng.integers(8))
        frames: list[Frame] = []
        with contextlib.suppress(HdacError):
            frames.extend(decode(bytes(broken)))
        assert all(frame.picture.y.shape == (144, 176) for frame in frames)


def test_what_cannot_be(models: dict[str, Path], head: list[Picture], tmp_path: Path) -> None:
    static = str(models["motion-spade-static"])
    with pytest.raises(UsageError, match="takes no base pictures; use --mode animation"):
        encode(head[:2], 176, 144, 25, EncoderConfig(model=static))
    with pytest.raises(UsageError, match="--keypoints 68; network motion-spade-static takes 20"):
        encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=static, keypoints=68))
    data = encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=static))
    for path in tmp_path.glob("motion-spade-static*"):
        path.unlink()
    with pytest.raises(UsageError, match="unknown model motion-spade-static"):
        list(decode(data))
