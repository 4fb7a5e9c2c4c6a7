"""The networks that ship with hdac: names, hashes, files.

A model is `<name>-<hash>.safetensors`: its weights (fp16), whose metadata holds the network's
configuration and licence; beside it lies `<name>-<hash>.fp32`: its graphs (`graphs`), which need
these weights. `<name>-<hash>.int8` are the graphs of the quantised network, weights included. The
hash is the first 8 hexadecimal digits of the SHA-256 of the .safetensors or .int8 file. Nothing is
ever unpickled or downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from hdac.bitstream.container import NumberFormat
from hdac.bitstream.motions import LANDMARKS, MAX_CHANNELS, MAX_COEFFICIENTS, OUTLINE_POINTS
from hdac.errors import UsageError
from hdac.runtime import graphs
from hdac.runtime.enlarging import reach_of
from hdac.runtime.systems import FITTED, FROM_LANDMARKS, SYSTEMS

FOLDER = Path(__file__).parent / "weights"
DEFAULT, ANIMATION = "hdac-s", "hdac-face"
VARIABLE = "HDAC_MODELS"
#: Bytes that a weights file, and the list of tensors and metadata at its start, may have.
MAX_FILE, MAX_HEADER = 1 << 29, 1 << 20
#: Keypoints of a picture: the fewest and the most that networks take, and what is usual. (Streams
#: carry 1 to `motions.MAX_KEYPOINTS`.)
FEWEST_KEYPOINTS, MOST_KEYPOINTS, USUAL_KEYPOINTS = 5, 40, 10
#: Landmarks where a network takes several numbers of them.
USUAL_LANDMARKS = 68
#: Residual blocks of a network that enlarges: patches must be larger than what they reach.
_MAX_BLOCKS = 32
_SUFFIXES = {".safetensors": NumberFormat.FP32, ".int8": NumberFormat.INT8}


@dataclass(frozen=True)
class ModelFile:
    """A model: its name in streams and on the command line, and its hash."""

    name: str
    digest: str  # first 8 hexadecimal digits of the file's SHA-256
    path: Path
    number_format: NumberFormat = NumberFormat.FP32

    @property
    def graphs(self) -> Path:
        """The file of its graphs, which may not be there."""
        fp32 = self.number_format is not NumberFormat.INT8
        return self.path.with_suffix(".fp32") if fp32 else self.path

    def computing(self, number_format: NumberFormat) -> ModelFile:
        """The same file, computed with in another format."""
        return replace(self, number_format=number_format)

    def read(self) -> bytes:
        """The file's bytes. Raises `UsageError` if they are not what its name says."""
        with self.path.open("rb") as file:
            data = file.read(MAX_FILE)  # of a larger file the hash will differ
        digest = hashlib.sha256(data).hexdigest()[:8]
        if digest != self.digest:
            raise UsageError(
                f"{self.path}: its SHA-256 starts with {digest}, its name says {self.digest}; "
                "the file is damaged, reinstall hdac"
            )
        return data

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the file says of itself: `config`, `licence`, `note`. Raises `UsageError`."""
        if self.number_format is NumberFormat.INT8:
            return graphs.read_about(self.path)
        try:
            with self.path.open("rb") as file:
                found: dict[str, Any] = metadata(file)
            return {**found, "config": json.loads(found["config"])}
        except (OSError, KeyError, ValueError, RecursionError) as error:
            raise UsageError(
                f"{self.path}: not the weights of an hdac network ({error})"
            ) from error

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the network. Raises `UsageError`."""
        found = self.about.get("config")
        if not isinstance(found, dict):
            raise UsageError(f"{self.path}: not the weights of an hdac network ({found!r:.40})")
        return found

    @property
    def derives_keypoints(self) -> bool:
        """Whether it finds the keypoints of pictures with a base picture in that: published
        networks take coded ones."""
        return "width" not in self.config

    @property
    def system(self) -> str:
        """The system of the field that it is of; empty: ours, or a published one behind the same
        interface. Raises `UsageError`."""
        found = self.config.get("system", "")
        if found and found not in tuple(SYSTEMS):
            known = ", ".join(SYSTEMS)
            raise UsageError(f"{self.path}: system {found!r:.40}; known here are {known}")
        return str(found)

    @property
    def enlarges(self) -> bool:
        """Whether it makes decoded pictures larger, and codes none."""
        return "shuffled" in self.config

    @property
    def interpolates(self) -> bool:
        """Whether it makes pictures between decoded ones, and codes none."""
        return "interpolated" in self.config

    @property
    def reach(self) -> int:
        """Samples of the planes to each side that a sample of an enlarged picture depends on.
        Raises `UsageError`."""
        blocks = self.config.get("blocks")
        if not self.enlarges or not isinstance(blocks, int) or not 1 <= blocks <= _MAX_BLOCKS:
            raise UsageError(
                f"{self.path}: not a network that enlarges pictures, with 1 to {_MAX_BLOCKS} blocks"
            )
        return reach_of(blocks)

    @property
    def coefficients(self) -> int | None:
        """Coefficients of a face's shape; None: it takes no face. Raises `UsageError`."""
        if self.parameters != "face":
            return None
        count = self.config.get("coefficients")
        if not isinstance(count, int) or not 1 <= count <= MAX_COEFFICIENTS:
            raise UsageError(
                f"{self.path}: coefficients {count!r:.40}; allowed are 1 to {MAX_COEFFICIENTS}"
            )
        return count

    @property
    def detects(self) -> bool:
        """Whether it finds its parameters itself."""
        return self.parameters not in FROM_LANDMARKS

    @property
    def graph_names(self) -> tuple[str, ...]:
        """The graphs that it has where it has any."""
        if "points" in self.config:
            return graphs.LANDMARK_NAMES
        if self.enlarges:
            return graphs.ENLARGE_NAMES
        if self.interpolates:
            return graphs.INTERPOLATE_NAMES
        if self.system:
            return graphs.animation_names(self.detects, self.parameters in FITTED)
        return graphs.NAMES

    @property
    def parameters(self) -> str:
        """What it takes in place of pixels."""
        return SYSTEMS[self.system] if self.system else "keypoints"

    def takes(self, number: int) -> bool:
        """Whether it works with so many keypoints or landmarks."""
        if not self.config.get("nested", False):
            return number == self.most
        landmarks = self.parameters == "landmarks"
        return number <= self.most and (
            number in LANDMARKS if landmarks else number >= FEWEST_KEYPOINTS
        )

    @property
    def usual(self) -> int:
        """Keypoints or landmarks to code where nobody asked for another number."""
        count = USUAL_LANDMARKS if self.parameters == "landmarks" else USUAL_KEYPOINTS
        return count if self.takes(count) else self.most

    @property
    def counts(self) -> str:
        """The numbers of keypoints or landmarks that it takes, in words."""
        if self.parameters == "landmarks":
            return ", ".join(map(str, self.landmark_counts))
        nested = self.config.get("nested", False)
        return f"{FEWEST_KEYPOINTS} to {self.most}" if nested else str(self.most)

    @property
    def landmark_counts(self) -> tuple[int, ...]:
        """The numbers of landmarks that it takes; none if it takes something else."""
        if self.parameters != "landmarks":
            return ()
        return tuple(number for number in LANDMARKS if self.takes(number))

    @property
    def most(self) -> int:
        """As many keypoints or landmarks, or channels of a feature, as it takes. Raises
        `UsageError`."""
        if "points" in self.config:
            raise UsageError(f"{self.path}: it finds landmarks and makes no pictures")
        if self.enlarges:
            raise UsageError(f"{self.path}: it enlarges pictures and codes none")
        if self.interpolates:
            raise UsageError(f"{self.path}: it interpolates pictures and codes none")
        if self.parameters == "landmarks":
            return self._most_landmarks
        if self.parameters == "regions":
            return OUTLINE_POINTS
        if self.parameters == "feature":
            return self._channels
        count = self.config.get("number" if self.system else "keypoints", USUAL_KEYPOINTS)
        if not isinstance(count, int) or not FEWEST_KEYPOINTS <= count <= MOST_KEYPOINTS:
            raise UsageError(
                f"{self.path}: keypoints {count!r:.40}; allowed are {FEWEST_KEYPOINTS} to "
                f"{MOST_KEYPOINTS}"
            )
        return count

    @property
    def _most_landmarks(self) -> int:
        count = self.config.get("number")
        if count not in LANDMARKS:
            known = ", ".join(map(str, LANDMARKS))
            raise UsageError(f"{self.path}: landmarks {count!r:.40}; allowed are {known}")
        return int(count)

    @property
    def _channels(self) -> int:
        count = self.config.get("number")
        if not isinstance(count, int) or not 1 <= count <= MAX_CHANNELS:
            raise UsageError(
                f"{self.path}: channels {count!r:.40}; allowed are 1 to {MAX_CHANNELS}"
            )
        return count


def shipped() -> list[ModelFile]:
    """The models in the package, by name, quantised ones last; then those in the folders of
    `HDAC_MODELS`, under their hashed names."""
    more = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [
        ModelFile(*path.stem.rpartition("-")[::2], path, number_format)
        for folder in (FOLDER, *more)
        for suffix, number_format in _SUFFIXES.items()
        for path in sorted(folder.glob(f"*{suffix}"))
    ]


def find_model(
    name: str, digest: str | None = None, number_format: NumberFormat = NumberFormat.FP32
) -> ModelFile:
    """The last model of `shipped` called `name`; with `digest`, exactly that one.

    Names come from streams: they are compared, never opened. Raises `UsageError` if there is none.
    """
    int8 = number_format is NumberFormat.INT8
    here = shipped()
    models = [
        m for m in here
        if m.name == name and digest in (None, m.digest)
        and (m.number_format is NumberFormat.INT8) == int8
    ]  # fmt: skip
    if not models:
        known = ", ".join(f"{m.name} ({m.digest}{_kind(m)})" for m in here) or "none"
        wanted = f"{name}{' in int8' * int8}" if digest is None else f"{name} ({digest})"
        raise UsageError(
            f"unknown model {wanted}; here are: {known}. Install the hdac that has it, or put its "
            f"{'.int8' if int8 else '.safetensors'} file into a folder that {VARIABLE} names"
        )
    return models[-1].computing(number_format)


def _kind(model: ModelFile) -> str:
    return ", int8" if model.number_format is NumberFormat.INT8 else ""


def model_from_path(path: Path) -> ModelFile:
    """The model of a path. Raises `UsageError` if there is none."""
    if not path.is_file():
        raise UsageError(
            f"model {path}: no such file; `hdac models` lists the models that are here"
        )
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    name, _, claimed = path.stem.rpartition("-")
    known = _SUFFIXES[path.suffix]
    return ModelFile(name if claimed == actual else path.stem, actual, path, known)


def is_path(name: str) -> bool:
    """Whether an option names a model's file."""
    return name.endswith(tuple(_SUFFIXES))


def resolve_model(name_or_path: str, precision: str = "fp32") -> ModelFile:
    """What an option means: the file of a path that ends in .safetensors or .int8, or the model of
    that name. precision: "fp32", "bf16" (the same file), "int8", or "auto": int8 where the model of
    that name has been quantised. Raises `UsageError`; never for what a stream says."""
    if is_path(name_or_path):
        found = model_from_path(Path(name_or_path))
        int8 = found.number_format is NumberFormat.INT8
        if precision != "auto" and int8 != (precision == "int8"):
            way = "auto" if int8 else "int8: name an .int8 file"
            raise UsageError(f"--precision {precision} with model {name_or_path}: use {way}")
    elif precision == "int8":
        found = find_model(name_or_path, number_format=NumberFormat.INT8)
    else:
        found = find_model(name_or_path)
        if precision == "auto":
            found = _quantised(found) or found
    return found.computing(NumberFormat.BF16) if precision == "bf16" else found


def _quantised(model: ModelFile) -> ModelFile | None:
    """The last model that was made of this one."""
    made = [
        m
        for m in shipped()
        if m.number_format is NumberFormat.INT8 and m.name == model.name
        and m.about.get("weights") == model.digest
    ]  # fmt: skip
    return made[-1] if made else None


def serving(name: str, mode: str, tune: str, base_scale: int = 1) -> str:
    """The model that serves `name` in a mode ("animation", and base layers that are smaller than
    the frame, have weights of their own where somebody trained them) or for a tune ("psnr" or
    "perceptual"): other weights of the same network.

    A file's path, or a name that says its tune, stays as it is.
    """
    if is_path(name):
        return name
    if mode == "animation" or (base_scale > 1 and tune == "psnr"):
        own = f"{name}-{'animation' if mode == 'animation' else 'half'}"
        return own if any(model.name == own for model in shipped()) else name
    return name if tune == "psnr" or name.endswith(f"-{tune}") else f"{name}-{tune}"


def metadata(file: BinaryIO) -> dict[str, str]:
    """Of a safetensors file, from its start: length of the header (8 bytes), header (JSON). Raises
    `ValueError` if it has none."""
    size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEADER:
        raise ValueError(f"a header of {size} bytes; at most {MAX_HEADER} are read")
    header = json.loads(file.read(size))
    found = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(found, dict):
        raise ValueError("it has no metadata")
    return {key: str(value) for key, value in found.items()}
