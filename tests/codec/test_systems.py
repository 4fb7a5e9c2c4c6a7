"""Networks of other systems in streams: mode animation, from file to pictures."""

import contextlib
import shutil
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hdac.bitstream.motions import Feature, Landmarks, LandmarkSets, MotionHeader, Regions
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Frame
from hdac.codec.files import decode, encode, inspect
from hdac.codec.fitting import MOTION_SHARE, Source, fit, fit_motion, motion_kbps
from hdac.codec.modes import Shown
from hdac.codec.synthesiser import Synthesiser
from hdac.errors import HdacError, UsageError
from hdac.motion.facemesh import POINTS
from hdac.nets.face import FaceNet
from hdac.nets.pose import RIGID, PoseNet
from hdac.nets.zoo import build, export_model
from hdac.runtime.models import model_from_path, resolve_model
from hdac.training.animating import learn_shapes
from hdac.training.faces import FaceBatch
from hdac.training.graphs import export_animation
from hdac.video.picture import Picture
from tests.conftest import Run
from tests.graphs import quantised

#: What each has of its own.
SYSTEMS: dict[str, dict[str, Any]] = {
    "motion-spade-static": {"number": 20},
    "motion-spade-dynamic": {"number": 6},
    "motion-spade-map": {},
    "landmark-gan": {"number": 162, "blocks": 1},
    "cfte": {"number": 1},
    "fv2v": {"number": 6},
    "agarwal": {"number": 6, "refined": False},
    "hdac-face": {"coefficients": 4},
}
#: What starts at zero.
PAINTS = (
    "flow.out",
    "generator.luma",
    "generator.chroma",
    "luma",
    "chroma",
    "head.out",
    "finder.head",
    "evolution.last",
)


def made(net: Any, folder: Path) -> None:
    """A model that moves, and paints a little."""
    torch.manual_seed(0)
    if isinstance(net, FaceNet):
        rng = np.random.default_rng(0)
        learn_shapes(net.shape, [rng.normal(0, 0.2, (40, POINTS, 2)).astype(np.float32)], 1)
    if isinstance(net, PoseNet):
        net.head.learn(torch.randn(len(RIGID), 3))
    for name, parameter in net.named_parameters():
        if name.removesuffix(".weight") in PAINTS:
            torch.nn.init.normal_(parameter, 0, 1.0 if name.startswith("finder") else 0.01)
    path = export_model(net, net.config.system, folder, "not trained")
    export_animation(model_from_path(path), folder)


Models = Callable[[str], Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The folder of a system's model, made when it is first asked for: it takes seconds."""
    root, small = tmp_path_factory.mktemp("models"), {"widths": [8, 8, 8], "blocks": [1, 1, 1]}

    @cache
    def folder(system: str) -> Path:
        made(build({"system": system, **small, **SYSTEMS[system]}), root / system)
        return root / system

    return folder


@pytest.fixture
def models(exported: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """The path of a copy of a system's model."""
    folder = tmp_path / "models"
    monkeypatch.setenv("HDAC_MODELS", str(folder))

    def model(system: str) -> Path:
        shutil.copytree(exported(system), folder, dirs_exist_ok=True)
        return next(folder.glob(f"{system}-*.safetensors"))

    return model


@pytest.mark.parametrize("system", ["motion-spade-map", "agarwal", "hdac-face"])
def test_convolutions_alone_are_quantised(system: str, models: Models, tmp_path: Path) -> None:
    """And nothing that says where a face is: of numbers of regions int8 makes others."""
    generator = torch.Generator().manual_seed(0)
    planes = torch.rand(3, 1, 6, 64, 64, generator=generator)
    points = torch.rand(2, 1, POINTS, 2, generator=generator) * 2 - 1
    batch = FaceBatch(*planes, *points)
    int8 = export_animation(model_from_path(models(system)), tmp_path, batch)
    takers = {taker for _, taker in quantised(int8)}
    assert takers == {"Convolution"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_the_encoder_says_is_what_the_decoder_shows(
    system: str, models: Models, head: list[Picture]
) -> None:
    shown: list[Shown] = []
    about = {"mode": "animation", "model": str(models(system)), "qp_intra": 36, "refresh": 5}
    config = EncoderConfig(**about)  # type: ignore[arg-type]
    data = encode(head[:12], 176, 144, 25, config, on_shown=shown.append)
    frames = list(decode(data))
    assert [frame.level for frame in frames] == [
        "base" if n % 5 == 0 else "animation" for n in range(12)
    ]
    for frame, said in zip(frames, shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)
    assert not frames[4].picture.same(frames[0].picture)
    assert data == encode(head[:12], 176, 144, 25, config), "the same bytes again"
    info = inspect(data)
    assert info.header.model == system
    assert info.bits.motion > 0


@pytest.mark.parametrize("system", ["hdac-face", "agarwal"])
def test_pictures_that_nobody_is_told_of_are_not_made(
    system: str, models: Models, head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"mode": "animation", "model": str(models(system)), "qp_intra": 36, "refresh": 5}
    config = EncoderConfig(**about)  # type: ignore[arg-type]
    watched = encode(head[:8], 176, 144, 25, config, on_shown=lambda _: None)

    def animate(self: Synthesiser, parameters: object) -> None:
        raise AssertionError("a picture was made")

    monkeypatch.setattr(Synthesiser, "animate", animate)
    assert encode(head[:8], 176, 144, 25, config) == watched


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
    models: Models,
    head: list[Picture],
    hdac: Run,
) -> None:
    config = EncoderConfig(mode="animation", model=str(models(system)))
    data = encode(head[:4], 176, 144, 25, config)
    assert read_stream(data)[0].motion == motion
    path = models(system).with_name("a.hdac")
    path.write_bytes(data)
    code, out, _ = hdac("info", path)
    assert code == 0
    assert words in out


def test_the_number_of_landmarks_follows_the_rate(models: Models, head: list[Picture]) -> None:
    model, pictures = str(models("landmark-gan")), head[:8]

    def config(**about: Any) -> EncoderConfig:
        return EncoderConfig(mode="animation", model=model, **about)

    def sent(about: EncoderConfig) -> Landmarks:
        motion = read_stream(encode(pictures[:2], 176, 144, 25, about))[0].motion
        assert isinstance(motion, Landmarks)
        return motion

    source = Source(pictures, 176, 144, Fraction(25))
    network = resolve_model(model)
    rates = motion_kbps(config(motion_kbps=1.0), network, source, (20, 68, 162))
    (alone,) = motion_kbps(config(keypoints=68), network, source)
    assert alone == pytest.approx(rates[1], rel=0.01)
    assert 0 < rates[0] < rates[1] < rates[2]
    few, usual, many = (rate / MOTION_SHARE for rate in rates)
    targets = (0.9 * few, 1.1 * few, 0.99 * usual, 1.01 * usual, 1.01 * many)
    chosen = [fit_motion(config(), source, target)[0].keypoints for target in targets]
    assert chosen == [20, 20, 20, 68, 162]
    assert sent(fit(config(kbps=targets[3]), pictures, 176, 144, source.fps)[0]).number == 68
    assert sent(config(kbps=targets[4], keypoints=20)).number == 20, "as was asked for"
    assert sent(config(qp_intra=40)).number == 68


def test_each_reference_begins_with_as_many_landmarks_as_fit(
    models: Models, head: list[Picture], hdac: Run
) -> None:
    model, pictures = str(models("landmark-gan")), [*head[:8], *[head[7]] * 8, *head[8:16]]
    about: dict[str, Any] = {"mode": "animation", "model": model, "qp_intra": 40, "refresh": 8}
    usual = inspect(encode(head[:8], 176, 144, 25, EncoderConfig(**about, keypoints=68)))
    config = EncoderConfig(**about, keypoints=162, motion_kbps=1.5 * usual.motion_kbps)
    shown: list[Shown] = []
    data = encode(pictures, 176, 144, 25, config, on_shown=shown.append)
    info = inspect(data)
    assert info.landmarks == (162, 68, 162), "too many that moved; then none did"
    assert info.header.motion == LandmarkSets(162)
    frames = list(decode(data))
    assert len(frames) == len(pictures)
    for frame, said in zip(frames, shown, strict=True):
        assert said.picture is not None
        assert frame.picture.same(said.picture)
    path = models("landmark-gan").with_name("a.hdac")
    path.write_bytes(data)
    code, out, _ = hdac("info", path)
    assert code == 0
    assert "162, 68, 162 (of each reference)" in out


def test_a_network_of_one_number_of_landmarks_cannot_change_it(
    models: Models, head: list[Picture]
) -> None:
    static = str(models("motion-spade-static"))
    config = EncoderConfig(mode="animation", model=static, qp_intra=40, motion_kbps=2.0)
    with pytest.raises(UsageError, match="takes no other number than 20"):
        encode(head[:2], 176, 144, 25, config)
    with pytest.raises(UsageError, match=r"motion_kbps 0; allowed are 0\.1 to 500"):
        EncoderConfig(mode="animation", motion_kbps=0)


def test_a_bit_rate_counts_all_references(models: Models, head: list[Picture]) -> None:
    model = str(models("landmark-gan"))
    config = EncoderConfig(mode="animation", model=model, kbps=40.0, refresh=8)
    info = inspect(encode(head, 176, 144, 25, config))
    assert (info.refreshes, len(info.landmarks)) == (2, 3)
    assert info.kbps == pytest.approx(40.0, rel=0.15)


def test_pictures_without_a_face_are_named(models: Models, head: list[Picture]) -> None:
    rng, notes = np.random.default_rng(0), list[str]()
    noise = Picture(*(rng.integers(0, 256, p.shape, np.uint8) for p in head[0]))
    config = EncoderConfig(mode="animation", model=str(models("hdac-face")), qp_intra=40)
    data = encode(head[:4], 176, 144, 25, config, on_note=notes.append)
    assert not notes
    data = encode([*head[:4], *[noise] * 3], 176, 144, 25, config, on_note=notes.append)
    assert [note.partition(":")[0] for note in notes] == ["no face in 3 of 7 pictures"]
    assert len(list(decode(data))) == 7


def test_headers_say_features(models: Models, head: list[Picture]) -> None:
    model = str(models("cfte"))
    config = EncoderConfig(mode="animation", model=model, qp_intra=40)
    data = encode(head[:4], 176, 144, 25, config)
    assert read_stream(data)[0].motion == Feature(1)
    assert str(inspect(data).header.motion) == "a feature of 1x4x4"
    with pytest.raises(UsageError, match="--keypoints 5; network cfte sends a feature: leave it"):
        encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=model, keypoints=5))


@pytest.mark.parametrize("system", SYSTEMS)
def test_still_pictures_cost_next_to_nothing(
    system: str, models: Models, head: list[Picture]
) -> None:
    config = EncoderConfig(mode="animation", model=str(models(system)), qp_intra=40)
    few, many = (encode([head[0]] * n, 176, 144, 25, config) for n in (2, 22))
    assert len(many) - len(few) < 8


@pytest.mark.parametrize("system", SYSTEMS)
def test_damage_is_named_or_concealed(system: str, models: Models, face: list[Picture]) -> None:
    about = {"mode": "animation", "model": str(models(system)), "qp_intra": 44}
    data = encode(face[:8], 96, 80, 25, EncoderConfig(**about, refresh=4))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for _ in range(30):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] ^= 1 << int(rng.integers(8))
        frames: list[Frame] = []
        with contextlib.suppress(HdacError):
            frames.extend(decode(bytes(broken)))
        assert all(frame.picture.y.shape == (80, 96) for frame in frames)


def test_what_cannot_be(models: Models, head: list[Picture], tmp_path: Path) -> None:
    static = str(models("motion-spade-static"))
    with pytest.raises(UsageError, match="takes no base pictures; use --mode animation"):
        encode(head[:2], 176, 144, 25, EncoderConfig(model=static))
    gan = str(models("landmark-gan"))
    with pytest.raises(UsageError, match="--keypoints 40; network landmark-gan takes 20, 68, 162"):
        encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=gan, keypoints=40))
    with pytest.raises(UsageError, match="--keypoints 68; network motion-spade-static takes 20"):
        encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=static, keypoints=68))
    data = encode(head[:2], 176, 144, 25, EncoderConfig(mode="animation", model=static))
    for path in models("motion-spade-static").parent.glob("motion-spade-static*"):
        path.unlink()
    with pytest.raises(UsageError, match="unknown model motion-spade-static"):
        list(decode(data))


def test_heads_turn(models: Models, head: list[Picture], hdac: Run) -> None:
    config = EncoderConfig(mode="animation", model=str(models("fv2v")), qp_intra=36)
    data = encode(head[:3], 176, 144, 25, config)
    plain, still, turned = (
        [f.picture for f in decode(data, rotate=turn)] for turn in (None, (0, 0, 0), (20, 0, 0))
    )
    assert all(a.same(b) for a, b in zip(plain[1:], still[1:], strict=True))
    assert not any(a.same(b) for a, b in zip(still, turned, strict=True)), "the first one, too"
    path = models("fv2v").with_name("a.hdac")
    path.write_bytes(data)
    for turn in ("20,0,0", "-20,-5,.5"):
        out = path.with_name(f"{turn}.y4m")
        code, _, err = hdac("decode", path, "-o", out, "--rotate", turn)
        assert (code, err) == (0, "")
    code, _, err = hdac("decode", path, "-o", path.with_suffix(".mkv"), "--rotate", "-46,0,0")
    assert code == 2
    assert "allowed are -45 to 45" in err
    for words, turn in (
        ("allowed are -45 to 45", "46,0,0"),
        ("three angles in degrees", "20,0"),
        ("allowed are -45 to 45", "nan,0,0"),
    ):
        code, _, err = hdac("decode", path, "-o", path.with_suffix(".mkv"), "--rotate", turn)
        assert code == 2
        assert words in err
        assert not path.with_suffix(".mkv").exists()
    other = EncoderConfig(mode="animation", model=str(models("cfte")), qp_intra=36)
    path.write_bytes(encode(head[:2], 176, 144, 25, other))
    code, _, err = hdac("decode", path, "-o", path.with_suffix(".mkv"), "--rotate", "20,0,0")
    assert code == 2
    assert "sends a feature of 1x4x4" in err
