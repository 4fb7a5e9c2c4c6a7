"""Checkpoints of the authors of DAC and H-DAC -> networks of `published` that compute as theirs.

A checkpoint is a dictionary with the state of a `generator` and of a `kp_detector`, as
github.com/Goluck-Konuko/hdac (edition 2022) and .../animation-based-codecs (edition 2024; the H-DAC
of .../GFVC has the same tensors) save it. The architecture follows from the names of its tensors,
but for `hdac-hf`: high-frequency shuttling has none, so that its tensors are those of `hdac-2024`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hdac.errors import UsageError
from hdac.nets.published import EDITIONS, Edition, Name, PublishedConfig, PublishedNet
from hdac.nets.sampling import gaussian

#: Of the files that are made: none was found in either repository.
LICENCE = "the checkpoint's; ask its authors"
#: What a checkpoint of each edition has, and the other has not.
_MARKS: dict[Edition, str] = {"2022": "kp_detector.kp.weight", "2024": "kp_detector.kp.conv.weight"}
#: Tensors of their classes that their networks do not use, or that code the reference picture,
#: which hdac codes itself.
_UNUSED: dict[Name, tuple[str, ...]] = {
    "dac": ("generator.ref_coder.",),
    "hdac-2022": ("generator.bottleneck.",),
    "hdac-2024": ("generator.ref_coder.", "generator.bottleneck."),
    "hdac-hf": ("generator.ref_coder.",),
}
#: Channels of the first layer at width 1.
_FIRST = 64
_SCALE = 0.25  # of the thumbnails that their filters make


class Imported(NamedTuple):
    """A network with the checkpoint's weights, and what is to be said of it."""

    net: PublishedNet
    note: str


def import_checkpoint(path: Path, name: Name) -> Imported:
    """Reads a checkpoint, without unpickling anything but tensors and numbers. Raises `UsageError`
    where it is none of this architecture, with the tensors that differ."""
    tensors = _read(path)
    edition = _edition(path, tensors, name)
    config = _config(path, tensors, name, edition)
    with torch.device("meta"):
        net = PublishedNet(config)
    places = dict(_places(config))
    state = net.state_dict()
    wanted = {_theirs(key, places): value.shape for key, value in state.items()}
    filters = _check_filters(path, tensors, name)
    found = {
        key: value.shape for key, value in tensors.items()
        if key not in filters and (key in wanted or not key.startswith(_UNUSED[name]))
    }  # fmt: skip
    _check_shapes(path, name, wanted, found)
    theirs = {key: tensors[_theirs(key, places)].contiguous() for key in state}
    broken = [key for key, value in theirs.items() if not bool(value.isfinite().all())]
    if broken:
        raise UsageError(f"{path}: {_listed(broken)}: not finite; the checkpoint is damaged")
    net = net.to_empty(device="cpu")
    net.load_state_dict(theirs)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    note = f"imported from {path.name} (SHA-256 {digest}): {name}, the authors' code of {edition}"
    return Imported(net.eval().requires_grad_(False), note)


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, by part and name. Raises `UsageError`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a checkpoint of the authors, .pth.tar")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # whatever torch's reader trips over in other files and damaged ones
        raise UsageError(
            f"{path}: not a checkpoint, or one with more than tensors and numbers in it, which "
            f"hdac does not unpickle ({type(e).__name__})"
        ) from e
    parts = {key: data.get(key) for key in ("generator", "kp_detector")} if _is_table(data) else {}
    if not parts or not all(_is_table(part) for part in parts.values()):
        has = _listed([str(key) for key in data]) if _is_table(data) else type(data).__name__
        raise UsageError(
            f"{path}: not a checkpoint of DAC or H-DAC: tables generator and kp_detector are "
            f"needed; it has {has or 'nothing'}"
        )
    found = {
        f"{part}.{key}": value for part, table in parts.items() for key, value in table.items()
    }
    odd = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if odd:
        raise UsageError(f"{path}: {_listed(odd)}: tensors are needed")
    return found


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _edition(path: Path, tensors: Mapping[str, Tensor], name: Name) -> Edition:
    """Raises `UsageError` where the tensors are another architecture's."""
    likely = _likely(tensors)
    if likely and name not in likely:
        others = " or ".join(f"--arch {other}" for other in likely)
        raise UsageError(f"{path}: its tensors are not those of {name}; give {others}")
    editions = [e for e in EDITIONS[name] if e in _MARKS and _MARKS[e] in tensors]
    if not editions:
        marks = " or ".join(_MARKS[e] for e in EDITIONS[name] if e in _MARKS)
        raise UsageError(f"{path}: not a checkpoint of {name}: it lacks {marks}")
    return editions[0]


def _likely(tensors: Mapping[str, Tensor]) -> tuple[Name, ...]:
    """The architectures whose own parts are there."""
    parts = {key.split(".")[1] for key in tensors if key.startswith("generator.")}
    if "bt_output_layer" in parts:
        return "hdac-2024", "hdac-hf"
    if "res_bottleneck" in parts:
        return ("hdac-2022",)
    return ("dac",) if "bottleneck" in parts else ()


def _config(
    path: Path, tensors: Mapping[str, Tensor], name: Name, edition: Edition
) -> PublishedConfig:
    """Width and keypoints, from the shapes. Raises `UsageError`."""
    first = tensors.get("generator.first.conv.weight")
    if first is None or first.dim() != 4:
        raise UsageError(f"{path}: not a checkpoint of {name}: it lacks generator.first.conv")
    keypoints = len(tensors[_MARKS[edition]])
    try:
        return PublishedConfig(name, keypoints, len(first) / _FIRST, edition)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _check_filters(path: Path, tensors: Mapping[str, Tensor], name: Name) -> list[str]:
    """Names of their thumbnails' filters, which are not learned: they must be the Gaussians that
    we compute. Raises `UsageError`."""
    parts = ["kp_detector", "generator.dense_motion_network"]
    filters = [f"{part}.down.weight" for part in parts + ["generator"] * (name == "hdac-2022")]
    line = gaussian(_SCALE)
    kernel = torch.outer(line, line).expand(3, 1, -1, -1)
    for key in filters:
        found = tensors.get(key)
        if found is None:
            raise UsageError(f"{path}: it lacks {key}: code without this filter is not supported")
        if found.shape != kernel.shape or not torch.allclose(found.float(), kernel, atol=1e-5):
            raise UsageError(f"{path}: {key} is not the Gaussian of a thumbnail at {_SCALE}")
    return filters


def _check_shapes(
    path: Path, name: Name, wanted: Mapping[str, torch.Size], found: Mapping[str, torch.Size]
) -> None:
    missing = [key for key in wanted if key not in found]
    extra = [key for key in found if key not in wanted]
    odd = [
        f"{key} {tuple(found[key])} instead of {tuple(shape)}"
        for key, shape in wanted.items() if key in found and found[key] != shape
    ]  # fmt: skip
    wrong = [
        f"{what}: {_listed(keys)}"
        for what, keys in (("missing", missing), ("not known", extra), ("of other shapes", odd))
        if keys
    ]
    if wrong:
        raise UsageError(f"{path}: not a checkpoint of {name}; tensors {'; '.join(wrong)}")


def _listed(names: list[str]) -> str:
    """The first three."""
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _theirs(key: str, places: Mapping[str, str]) -> str:
    """Their name of our tensor."""
    module, _, leaf = key.rpartition(".")
    return f"{places[module]}.{leaf}"


def _places(config: PublishedConfig) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, by name."""
    own = ".conv" if config.edition == "2024" else ""  # their outputs have layers of their own
    motion = "generator.dense_motion_network"
    yield "detector.head", f"kp_detector.kp{own}"
    yield "motion.masks", f"{motion}.mask{own}"
    yield "motion.occlusion", f"{motion}.occlusion{own}"
    yield "last", f"generator.final{own}"
    for ours, theirs in (("detector", "kp_detector.predictor"), ("motion", f"{motion}.hourglass")):
        for i in range(5):
            yield from _block(f"{ours}.hourglass.downs.{i}", f"{theirs}.encoder.down_blocks.{i}")
            yield from _block(f"{ours}.hourglass.ups.{i}", f"{theirs}.decoder.up_blocks.{i}", 1)
    for ours, theirs in (
        ("first", "first"), ("down1", "down_blocks.0"), ("down2", "down_blocks.1"),
        ("base_first", "base"), ("base_down1", "base_down_blocks.0"),
        ("base_down2", "base_down_blocks.1"), ("join", "bt_output_layer"),
    ):  # fmt: skip
        yield from _block(ours, f"generator.{theirs}")
    for i in range(2):
        yield from _block(f"up{i + 1}", f"generator.up_blocks.{i}", 1)
    tower = "bottleneck.r" if config.name == "dac" else "main_bottleneck."
    for ours, theirs in (("tower", tower), ("base_tower", "res_bottleneck.")):
        for i in range(6):
            for n in (1, 2):
                yield f"{ours}.{i}.n{n}", f"generator.{theirs}{i}.norm{n}"
                yield f"{ours}.{i}.c{n}", f"generator.{theirs}{i}.conv{n}"


def _block(ours: str, theirs: str, first: int = 0) -> Iterator[tuple[str, str]]:
    """A convolution and its normalisation, from layer `first` of a sequence of ours."""
    yield f"{ours}.{first}", f"{theirs}.conv"
    yield f"{ours}.{first + 1}", f"{theirs}.norm"
