"""Weights files: found by name, opened by path, loaded by hash; hostile ones are refused."""

import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from hdac.codec.config import EncoderConfig
from hdac.errors import UsageError
from hdac.nets import zoo
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.zoo import build, export_model, load_model
from hdac.runtime.models import MAX_HEADER, find_model, model_from_path, resolve_model, serving

SMALL = FusionConfig(keypoints=5, widths=(8, 16, 24, 32), match=8)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return export_model(FusionNet(SMALL), "tiny", tmp_path, "not trained")


def write(folder: Path, config: object, tensors: dict[str, torch.Tensor], **more: str) -> Path:
    """A weights file under its right name, whatever is in it."""
    data = safetensors.torch.save(tensors, {"config": json.dumps(config), **more})
    path = folder / f"odd-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    path.write_bytes(data)
    return path


def test_export_and_load(tiny: Path) -> None:
    model = model_from_path(tiny)
    assert (model.name, tiny.stem) == ("tiny", f"tiny-{model.digest}")
    again = load_model(model)
    assert again.config == SMALL
    assert model.about["note"] == "not trained"
    torch.manual_seed(0)
    for (name, value), before in zip(
        again.state_dict().items(), FusionNet(SMALL).state_dict().values(), strict=True
    ):
        assert torch.equal(value, before.half().float()), name


def test_names_of_streams_are_never_opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that names the path of a valid weights file, whatever its digest."""
    digest = tiny.stem[-8:]
    monkeypatch.chdir(tiny.parent)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was opened"))
    for name in (str(tiny), tiny.name, str(tiny.with_suffix("")), f"./{tiny.stem}"):
        for wanted in (digest, None):
            with pytest.raises(UsageError, match="unknown model"):
                find_model(name, wanted)
    monkeypatch.setenv("HDAC_MODELS", str(tiny.parent))
    assert find_model("tiny", digest).path == tiny


def test_options_take_paths(tiny: Path, tmp_path: Path) -> None:
    assert resolve_model(str(tiny)) == model_from_path(tiny)
    assert resolve_model("hdac-s") == find_model("hdac-s")
    with pytest.raises(UsageError, match=r"none\.safetensors: no such file"):
        resolve_model(str(tmp_path / "none.safetensors"))
    damaged = tmp_path / "tiny-00000000.safetensors"
    damaged.write_bytes(tiny.read_bytes()[:-1])
    with pytest.raises(UsageError, match="not the weights of an hdac network"):
        load_model(model_from_path(damaged))


def test_which_weights_serve(tiny: Path) -> None:
    assert serving("hdac-s", "hybrid", "psnr") == "hdac-s"
    assert serving("hdac-s", "hybrid", "perceptual") == "hdac-s-perceptual"
    assert serving("hdac-s-perceptual", "hybrid", "perceptual") == "hdac-s-perceptual"
    assert serving("hdac-s", "animation", "perceptual") == "hdac-s-animation"
    assert serving("hdac-l", "animation", "psnr") == "hdac-l"
    assert serving("hdac-face", "animation", "perceptual") == "hdac-face"
    assert EncoderConfig().network == "hdac-s"
    assert EncoderConfig("animation").network == "hdac-face"
    assert EncoderConfig("animation", keypoints=20).network == "hdac-s"
    assert EncoderConfig("animation", model="hdac-l").network == "hdac-l"
    assert serving(str(tiny), "animation", "perceptual") == str(tiny)


def test_shipped_file_that_was_altered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = find_model("hdac-s")
    data = bytearray(original.path.read_bytes())
    data[-1] ^= 1
    (tmp_path / original.path.name).write_bytes(bytes(data))
    monkeypatch.setattr("hdac.runtime.models.FOLDER", tmp_path)
    with pytest.raises(UsageError, match="its name says"):
        load_model(find_model("hdac-s"))


def test_what_is_hashed_is_what_is_loaded(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file becomes another one as soon as its hash is known."""
    sha256, other = hashlib.sha256, FusionNet(SMALL)
    torch.nn.init.ones_(other.out.weight)

    def then_swap(data: bytes) -> object:
        found = sha256(data)
        tiny.write_bytes(safetensors.torch.save(zoo.half(other), metadata))
        return found

    model = model_from_path(tiny)
    metadata = {"config": json.dumps(model.config)}
    monkeypatch.setattr("hashlib.sha256", then_swap)
    assert not load_model(model).out.weight.any()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"recurrent": True}, "recurrent = True: hdac no longer has such networks"),
        ({"coarsest": 16}, "coarsest = 16"),
        ({"widths": [10**9] * 4}, "numbers from 0 to 1024"),
        ({"blocks": [1, 10**9, 1]}, "numbers from 0 to 1024"),
        ({"widths": [1024] * 4, "match": 1024}, "its tensors are not those"),
        ({"widths": [8]}, "not enough values"),
        ({"layers": 3}, "layers"),
        ({"name": "dac", "width": float("inf")}, "width above 0"),
        ({"name": "gan", "width": 1.0}, "name one of"),
        ([1], "not the weights"),
        ("[" * 100_000, "not the weights"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, config: object, message: str) -> None:
    path = write(tmp_path, config, {"out.weight": torch.zeros(1)})
    with pytest.raises(UsageError, match=message):
        load_model(model_from_path(path))


def test_metadata_is_bounded(tmp_path: Path) -> None:
    path = write(tmp_path, {}, {"a": torch.zeros(1)}, note="x" * MAX_HEADER)
    with pytest.raises(UsageError, match="at most 1048576 are read"):
        load_model(model_from_path(path))
    with pytest.raises(UsageError, match="at most 1048576 are read"):
        _ = model_from_path(path).about
    path = tmp_path / "huge-00000000.safetensors"
    path.write_bytes(b"\xff" * 8)
    with pytest.raises(UsageError, match="at most 1048576 are read"):
        _ = model_from_path(path).about


def test_shipped_weights_name_settings_that_are_gone() -> None:
    """Their configuration still says that they have no recurrence: that is accepted."""
    config = find_model("hdac-s").config
    assert config["recurrent"] is False
    assert load_model(find_model("hdac-s")).config == FusionConfig()
    with pytest.raises(ValueError, match="recurrent"):
        build({**config, "recurrent": True})


def test_unknown_model_names_those_that_are_here() -> None:
    with pytest.raises(UsageError, match=r"unknown model hdac-xl; here are: enlarge \("):
        find_model("hdac-xl")
    with pytest.raises(UsageError, match=r"unknown model hdac-s \(00000000\)"):
        find_model("hdac-s", "00000000")
