"""The networks that ship with hdac: names, hashes, loading.

A weights file is `<name>-<first 8 hexadecimal digits of its SHA-256>.safetensors` (fp16); its
metadata holds the network's configuration and licence. Nothing is ever unpickled or downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hdac.errors import UsageError
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.published import PublishedConfig, PublishedNet

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "hdac-s"
VARIABLE = "HDAC_MODELS"
LICENCE = "Apache-2.0 (code); trained on talking-head clips whose terms are for research use"
#: Bytes that a weights file, and the list of tensors and metadata at its start, may have.
MAX_FILE, MAX_HEADER = 1 << 29, 1 << 20
#: Settings that networks no longer have, with the one value that files may still give them.
RETIRED = {"recurrent": False, "coarsest": 8}

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
    """The last model of `shipped` called `name`; with `digest`, exactly that one.

    Names come from streams: they are compared, never opened. Raises `UsageError` if there is none.
    """
    here = shipped()
    models = [m for m in here if m.name == name and digest in (None, m.digest)]
    if not models:
        known = ", ".join(f"{m.name} ({m.digest})" for m in here) or "none"
        wanted = name if digest is None else f"{name} ({digest})"
        raise UsageError(
            f"unknown model {wanted}; here are: {known}. Install the hdac that has it, or put its "
            f".safetensors file into a folder that {VARIABLE} names"
        )
    return models[-1]


def model_from_path(path: Path) -> ModelFile:
    """The weights file of a path. Raises `UsageError` if there is none."""
    if not path.is_file():
        raise UsageError(
            f"model {path}: no such file; `hdac models` lists the models that are here"
        )
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    name, _, claimed = path.stem.rpartition("-")
    return ModelFile(name if claimed == actual else path.stem, actual, path)


def resolve_model(name_or_path: str) -> ModelFile:
    """What an option means: the file of a path that ends in .safetensors, or the model of that
    name. Raises `UsageError`; never for what a stream says."""
    if name_or_path.endswith(".safetensors"):
        return model_from_path(Path(name_or_path))
    return find_model(name_or_path)


def serving(name: str, mode: str, tune: str) -> str:
    """The model that serves `name` in a mode ("animation" has weights of its own where somebody
    trained them) and for a tune ("psnr" or "perceptual"): other weights of the same network.

    A file's path, or a name that says its tune, stays as it is.
    """
    if name.endswith(".safetensors"):
        return name
    own = f"{name}-animation"
    if mode == "animation" and any(model.name == own for model in shipped()):
        return own
    return name if tune == "psnr" or name.endswith(f"-{tune}") else f"{name}-{tune}"


def build(settings: dict[str, Any]) -> CodecNet:
    """An untrained network of a configuration: that of a published one has a `width`. Raises
    `TypeError` for unknown keys and `ValueError` for values that no network has."""
    if not isinstance(settings, dict):
        raise TypeError(f"a configuration is a table, not {settings!r:.40}")
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    for key, value in RETIRED.items():
        if plain.pop(key, value) != value:
            raise ValueError(f"{key} = {settings[key]}: hdac no longer has such networks")
    if "width" in plain:
        return PublishedNet(PublishedConfig(**plain))
    return FusionNet(FusionConfig(**plain))


def load_model(model: ModelFile) -> CodecNet:
    """The network in float32, in evaluation mode. Raises `UsageError` if the file is not what its
    name says."""
    with model.path.open("rb") as file:
        data = file.read(MAX_FILE)  # of a larger file the hash will differ
    digest = hashlib.sha256(data).hexdigest()[:8]
    if digest != model.digest:
        raise UsageError(
            f"{model.path}: its SHA-256 starts with {digest}, its name says {model.digest}; "
            "the file is damaged, reinstall hdac"
        )
    try:
        settings = json.loads(_metadata(BytesIO(data))["config"])
        state = {key: single(value) for key, value in safetensors.torch.load(data).items()}
        with torch.device("meta"):  # whatever the configuration says, nothing is allocated for it
            wanted = {key: value.shape for key, value in build(settings).state_dict().items()}
        if wanted != {key: value.shape for key, value in state.items()}:
            raise ValueError("its tensors are not those of its configuration")
        net = build(settings)
        net.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{model.path}: not the weights of an hdac network ({error})") from error
    return net.eval().requires_grad_(False)


def describe(model: ModelFile) -> dict[str, str]:
    """The metadata of a weights file. Raises `ValueError` if it is none."""
    with model.path.open("rb") as file:
        return _metadata(file)


def _metadata(file: BinaryIO) -> dict[str, str]:
    """Of a safetensors file, from its start: length of the header (8 bytes), header (JSON)."""
    size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEADER:
        raise ValueError(f"a header of {size} bytes; at most {MAX_HEADER} are read")
    header = json.loads(file.read(size))
    found = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(found, dict):
        raise ValueError("it has no metadata")
    return {key: str(value) for key, value in found.items()}


def export_model(net: CodecNet, name: str, folder: Path, note: str) -> Path:
    """Writes a network in fp16 under its hashed name; `note` says how it was trained."""
    metadata = {"config": json.dumps(asdict(net.config)), "licence": LICENCE, "note": note}
    data = safetensors.torch.save(half(net), metadata)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def single(value: Tensor) -> Tensor:
    """float32, as networks are run (counters stay integers)."""
    return value.float() if value.is_floating_point() else value


def half(net: torch.nn.Module) -> dict[str, Tensor]:
    """A network's state in fp16 on the CPU, as weights are kept (counters stay integers)."""
    state = {key: value.detach().cpu() for key, value in net.state_dict().items()}
    return {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
