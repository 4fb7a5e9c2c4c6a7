"""The networks that ship with hdac: names, hashes, loading.

A weights file is `<name>-<first 8 hexadecimal digits of its SHA-256>.safetensors` (fp16); its
metadata holds the network's configuration and licence. Nothing is ever unpickled or downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hdac.errors import UsageError
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.published import PublishedConfig, PublishedNet

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "hdac-s"
VARIABLE = "HDAC_MODELS"
LICENCE = "Apache-2.0 (code); trained on talking-head clips whose terms are for research use"


#: What the codec runs: ours, or a published architecture behind the same interface.
CodecNet: TypeAlias = FusionNet | PublishedNet


@dataclass(frozen=True)
class ModelFile:
    """A weights file: its name in streams and on the command line, and its hash."""

    name: str
    digest: str  # first 8 hexadecimal digits of the file's SHA-256
    path: Path


def shipped() -> list[ModelFile]:
    """The models in the package, by name; then those in the folders of `HDAC_MODELS`, under their
    hashed names."""
    more = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    found = []
    for folder in (FOLDER, *more):
        for path in sorted(folder.glob("*.safetensors")):
            name, _, digest = path.stem.rpartition("-")
            found.append(ModelFile(name, digest, path))
    return found


def find_model(name: str, digest: str | None = None) -> ModelFile:
    """The model called `name` (or the file of that path); with `digest`, exactly that one.

    Raises `UsageError` if there is none.
    """
    if name.endswith(".safetensors"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(
                f"model {name}: no such file; `hdac models` lists the models that are here"
            )
        data = path.read_bytes()
        label, _, claimed = path.stem.rpartition("-")
        actual = hashlib.sha256(data).hexdigest()[:8]
        return ModelFile(label if claimed == actual else path.stem, actual, path)
    models = [m for m in shipped() if m.name == name and digest in (None, m.digest)]
    if not models:
        known = ", ".join(f"{m.name} ({m.digest})" for m in shipped()) or "none"
        wanted = name if digest is None else f"{name} ({digest})"
        way = f"Install the hdac that has it, or put its .safetensors file into a folder that {VARIABLE} names"
        raise UsageError(f"unknown model {wanted}; here are: {known}. {way}")
    return models[-1]


def tuned(name: str, tune: str) -> str:
    """The model that serves `name` with `tune` ("psnr" or "perceptual"): two sets of weights of one
    network.

    A file's path, or a name that says its tune, stays as it is.
    """
    if tune == "psnr" or name.endswith((".safetensors", f"-{tune}")):
        return name
    return f"{name}-{tune}"


def serving(name: str, mode: str, tune: str) -> str:
    """The model that serves `name` in a mode: animation has weights of its own where somebody
    trained them."""
    own = f"{name}-animation"
    if mode == "animation" and any(model.name == own for model in shipped()):
        return own
    return tuned(name, tune)


def build(settings: dict[str, Any]) -> CodecNet:
    """An untrained network of a configuration: that of a published one has a `width`. Raises
    `TypeError` for unknown keys."""
    if "width" in settings:
        return PublishedNet(PublishedConfig(**settings))
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    return FusionNet(FusionConfig(**plain))


def load_model(model: ModelFile) -> CodecNet:
    """The network in float32, in evaluation mode. Raises `UsageError` if the file is not what its
    name says."""
    data = model.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:8]
    if digest != model.digest:
        raise UsageError(
            f"{model.path}: its SHA-256 starts with {digest}, its name says {model.digest}; the file is damaged, reinstall hdac"
        )
    try:
        with safe_open(model.path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: _single(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
        settings: dict[str, Any] = json.loads(metadata["config"])
        net = build(settings)
        net.load_state_dict(state, strict=True)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{model.path}: not the weights of an hdac network ({error})") from error
    return net.eval().requires_grad_(False)


def export_model(net: CodecNet, name: str, folder: Path, note: str) -> Path:
    """Writes a network in fp16 under its hashed name; `note` says how it was trained."""
    state = {k: half(v) for k, v in net.state_dict().items()}
    metadata = {"config": json.dumps(asdict(net.config)), "licence": LICENCE, "note": note}
    data = save(state, metadata)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def half(value: Tensor) -> Tensor:
    """fp16 on the CPU, as weights are kept (counters stay integers)."""
    value = value.detach().cpu()
    return (value.half() if value.is_floating_point() else value).contiguous()


def describe(model: ModelFile) -> dict[str, str]:
    """The metadata of a weights file."""
    with safe_open(model.path, "pt") as file:
        return dict(file.metadata() or {})

resolve_model = find_model
