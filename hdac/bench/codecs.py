"""What an experiment compares: anchors (`baselines/*.toml`) and hdac itself, behind one class.

A codec is two command lines: one makes a file of a raw 4:2:0 video, one, in a fresh process, makes
    a raw video of that file alone.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

from hdac.bench.datasets import file_hash
from hdac.bench.environment import code_version, library_versions, tool_version, x265_version
from hdac.bench.looks import Declared
from hdac.bench.names import check_suffix, number_text
from hdac.bench.raw import RawFormat
from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.codec.operating import default_qp_intra
from hdac.codec.synthesiser import network_for
from hdac.errors import HdacError, UsageError
from hdac.layers.base import CASCADE, BaseConfig
from hdac.layers.x265 import x265_params
from hdac.runtime.models import ModelFile, resolve_model
from hdac.runtime.systems import FITTED, FROM_LANDMARKS
from hdac.video.ffmpeg import find_ffmpeg, has_encoder, raw_input

SCHEMA = "hdac-anchor/1"
#: What may stand before and after the name of a file in a word of a command.
_CUT = re.compile(r"[=:,;@<>()|&\s'\"]")
#: Placeholders that are numbers: a file for each rate point may be named with them.
_NUMBER = re.compile(r"\{(?:value|width|height|fps_round|frames)\}")
#: Libraries that every source is read with.
_READING = ("av", "libavcodec", "numpy")
#: Packages of hdac that decide what `hdac encode` and `hdac decode` make.
CODE = ("bitstream", "codec", "layers", "motion", "runtime", "nets", "video")

#: What decides the parameters that `{cascade}` stands for.
_CASCADE = ("codec/operating", "layers/base", "layers/x265")

#: hdac in a process of its own.
HDAC = (sys.executable, "-m", "hdac.cli.main")


@dataclass(frozen=True)
class Job:
    """One clip at one rate point; `value` is the codec's rate parameter."""

    source: Path
    stream: Path
    decoded: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    value: float


@dataclass(frozen=True)
class BenchCodec(ABC):
    """Anything that turns a clip into a file and back."""

    name: str
    recipe: AnchorRecipe | HdacRecipe

    @abstractmethod
    def decides(self) -> dict[str, Any]:
        """Everything that decides the bits apart from clip and rate point: what a cached result is
        good for."""

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why it does not run on this machine; None if it does."""

    @abstractmethod
    def encode_command(self, job: Job) -> list[str]: ...

    @abstractmethod
    def decode_command(self, job: Job) -> list[str]: ...


# ---- anchors


@dataclass(frozen=True)
class AnchorRecipe(Declared):
    """One TOML file. `suffix`: of the coded file; `decoded_format`: FFmpeg's name for the raw video
    that decoding writes, one of `raw.FORMATS`; `timeout`: seconds a frame, for encoding and for
    decoding.

    In commands, `{input}` alone stands for FFmpeg's options that read the raw source; `{source}`,
    `{stream}`, `{decoded}`, `{width}`, `{height}`, `{fps}`, `{fps_round}`, `{frames}`, `{recipe}`
    (the folder of this file), `{ffmpeg}` and `{value}` (the rate parameter) for what they say.
    `{cascade}` stands for x265 parameters of hdac's low-QP first picture and QP cascade at
    `value`.
    """

    title: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    suffix: str
    points: tuple[float, ...]
    parameter: str = "qp"
    low: float = 0
    high: float = 51
    needs: tuple[str, ...] = ()  # programs on PATH
    software: str = ""  # whose points an archive may have: name and version
    encoder: str = ""  # FFmpeg's name of it, if FFmpeg runs it
    decoded_format: RawFormat = "yuv420p"
    timeout: float = 10.0
    notes: str = ""


@dataclass(frozen=True)
class Anchor(BenchCodec):
    """A conventional codec for reference, as a recipe says. `folder`: that of the recipe."""

    recipe: AnchorRecipe
    folder: Path

    def decides(self) -> dict[str, Any]:
        recipe = self.recipe
        return {
            "encode": recipe.encode,
            "decode": recipe.decode,
            "tool": self.version(),
            "files": named_files((*recipe.encode, *recipe.decode, *recipe.needs), self.folder),
            "written": [recipe.suffix, recipe.decoded_format],
            "libraries": library_versions(*_READING),
            **({"cascade": code_version(*_CASCADE)} if "{cascade}" in str(recipe.encode) else {}),
        }

    def version(self) -> str:
        """The tool's own words."""
        if self.recipe.encoder:
            return tool_version(find_ffmpeg())
        return ", ".join(tool_version(shutil.which(n) or n) for n in self.recipe.needs)

    def unavailable(self) -> str | None:
        absent = [name for name in self.recipe.needs if shutil.which(name) is None]
        if absent:
            return f"not on PATH: {', '.join(absent)}"
        return _lacking(self.recipe.encoder) if self.recipe.encoder else None

    def encode_command(self, job: Job) -> list[str]:
        low, high = self.recipe.low, self.recipe.high
        if not low <= job.value <= high:
            value, low_text, high_text = map(number_text, (job.value, low, high))
            given = f"{self.name}: {self.recipe.parameter} {value}"
            raise UsageError(f"{given}; allowed are {low_text} to {high_text}")
        return self._filled(self.recipe.encode, job)

    def decode_command(self, job: Job) -> list[str]:
        return self._filled(self.recipe.decode, job)

    def _filled(self, template: tuple[str, ...], job: Job) -> list[str]:
        words = {
            "source": str(job.source), "stream": str(job.stream), "decoded": str(job.decoded),
            "width": str(job.width), "height": str(job.height), "fps": str(job.fps),
            "fps_round": str(round(job.fps)), "frames": str(job.frames),
            "recipe": str(self.folder), "value": number_text(job.value),
        }  # fmt: skip
        if any("{ffmpeg}" in part for part in template):
            words["ffmpeg"] = find_ffmpeg()
        if any("{cascade}" in part for part in template):
            words["cascade"] = _cascade(job)
        out: list[str] = []
        for part in template:
            if part == "{input}":
                read = raw_input(job.source, job.width, job.height, job.fps)
                out += read.output("-").get_args()[:-1]  # a recipe says what is made of it
                continue
            try:
                out.append(part.format(**words))
            except (KeyError, IndexError, ValueError) as error:
                raise UsageError(
                    f"anchor {self.name}: {part!r} has an unknown placeholder {error}; "
                    f"known are {', '.join(words)}"
                ) from error
        return out


def named_files(words: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Hashes of programs, on PATH or not, and of other files that words of commands name: whole
    words, what is glued to an option (`--config=enc.cfg`), what stands in lists and scripts."""
    found: dict[str, str] = {}
    for word in words:
        cuts = [m.start() for m in _CUT.finditer(word)]
        starts = [0, *[2] * word.startswith("-"), *(cut + 1 for cut in cuts)]
        for part in sorted({word[a:b] for a in starts for b in (*cuts, len(word)) if a < b}):
            path = find_ffmpeg() if part == "{ffmpeg}" else part.replace("{recipe}", str(folder))
            hits = [path] if os.path.isfile(path) else [shutil.which(path)]
            if _NUMBER.search(part) and re.search("[A-Za-z]{2}", _NUMBER.sub("", part)):
                hits = [*sorted(glob.glob(_NUMBER.sub("[0-9]*", glob.escape(path))))]
            name = part.removeprefix("{recipe}/")
            for hit in filter(None, hits):
                found[name] = found.get(name, "") + file_hash(Path(hit))
    return found


def _lacking(encoder: str) -> str | None:
    """Why FFmpeg's encoder of that name cannot be had here; None if it can."""
    try:
        present = has_encoder(encoder)
    except HdacError as error:
        return str(error)
    return None if present else f"FFmpeg has no {encoder}; set HDAC_FFMPEG to one that has it"


def _cascade(job: Job) -> str:
    """x265's parameters of our own base layer's first picture and cascade (what `layers/x265.py`
    adds to its fixed ones)."""
    qp = int(job.value)
    settings = BaseConfig(job.width, job.height, job.fps, default_qp_intra(qp), qp, CASCADE)
    whole = x265_params(settings, job.frames)
    return whole[whole.index(":qp=") + 1 :]


# ---- hdac


@dataclass(frozen=True)
class HdacRecipe(Declared):
    """hdac as a codec of an experiment; the settings are those of `hdac encode` and `hdac
    decode`, but `model` and `base_scale` are the same in all modes unless they are given. `base`:
    the codec that is its base layer alone, of the same settings."""

    title: str
    points: tuple[float, ...]
    parameter: Literal["qp_base", "qp_intra", "bitrate"] = "qp_base"
    mode: Literal["hybrid", "animation", "base"] = "hybrid"
    level: Literal["fused", "base", "animation"] = "fused"
    model: str = "hdac-s"
    tune: Literal["psnr", "perceptual"] = "psnr"
    allow_loss: float | None = None
    base_codec: Literal["hevc", "vvc", "mixed", "auto"] | None = None
    base_encoder: Literal["auto", "x265", "kvazaar"] = "auto"
    base_scale: int = 1
    keypoints: int | None = None
    every: int | None = None
    preset: str | None = None
    refresh: str = "auto"
    precision: Literal["auto", "int8", "fp32", "bf16"] = "auto"
    qp_base: int | None = None
    qp_intra: int | None = None
    base: str = ""
    timeout: float = 20.0
    notes: str = ""

    suffix: ClassVar[str] = ".hdac"
    decoded_format: ClassVar[str] = "yuv420p"

    @property
    def network(self) -> ModelFile:
        """What serves `model` in these settings. Raises `UsageError`."""
        return network_for(
            self.model, self.mode, self.tune, self.precision, base_scale=self.base_scale
        )

    def networks(self) -> dict[str, str | None]:
        """Digests of what makes pictures, and of what finds landmarks for it in encoders. Raises
        `UsageError`."""
        if self.mode == "base":
            return {"weights": None}
        network = self.network
        found: dict[str, str | None] = {"weights": network.digest}
        if network.system and network.parameters in (*FROM_LANDMARKS, *FITTED):
            found["landmarks"] = resolve_model("landmarks", "fp32").digest
        return found

    def libraries(self) -> list[str]:
        """What runs its network."""
        in_torch = self.mode != "base" and not self.network.graphs.is_file()
        return ["openvino", *(["torch"] if in_torch or self.precision == "bf16" else [])]

    def settings(self) -> dict[str, object]:
        """What is not about the experiment."""
        about = ("title", "points", "notes", "timeout", "base", *vars(Declared()))
        return {k: v for k, v in vars(self).items() if k not in about}


@dataclass(frozen=True)
class Hdac(BenchCodec):
    """hdac in one of its modes, levels, models and base codecs."""

    recipe: HdacRecipe

    def decides(self) -> dict[str, Any]:
        recipe = self.recipe
        found: dict[str, Any] = {
            "recipe": recipe.settings(),
            **recipe.networks(),
            "code": code_version(*CODE),
            "libraries": library_versions(*_READING, *recipe.libraries()),
        }
        if recipe.base_codec != "vvc":
            found["x265"] = x265_version()
        if recipe.base_codec != "hevc" or recipe.base_encoder != "x265":
            found["tool"] = tool_version(find_ffmpeg())
            found["files"] = named_files(("{ffmpeg}",), Path())
        return found

    def unavailable(self) -> str | None:
        try:
            if self.recipe.mode != "base":
                _ = self.recipe.network
        except HdacError as error:
            return str(error)
        needs = self.recipe.base_codec not in (None, "hevc")
        return _lacking("libvvenc") if needs else None

    def encode_command(self, job: Job) -> list[str]:
        settings = self.recipe.settings()
        parameter, _ = settings.pop("parameter"), settings.pop("level")
        unit = "k" if parameter == "bitrate" else ""
        settings[str(parameter)] = f"{number_text(job.value)}{unit}"
        options = [
            word
            for key, value in settings.items()
            if value is not None
            for word in (f"--{key.replace('_', '-')}", str(value))
        ]
        raw = ["--size", f"{job.width}x{job.height}", "--fps", str(job.fps), "--no-audio"]
        return [*HDAC, "encode", str(job.source), *raw, "-o", str(job.stream), "--json", *options]

    def decode_command(self, job: Job) -> list[str]:
        level = ["--level", self.recipe.level, "--json"]
        return [*HDAC, "decode", str(job.stream), "-o", str(job.decoded), *level]


# ---- finding


def codec_from_table(name: str, table: dict[str, Any], where: str, folder: Path) -> BenchCodec:
    """A recipe's table; `kind = "hdac"` is hdac, everything else an anchor. Raises `UsageError`."""
    table = dict(table)
    if table.pop("kind", "anchor") == "hdac":
        ours = from_table(HdacRecipe, table, where)
        ours.check(where)
        return Hdac(name, ours)
    recipe = from_table(AnchorRecipe, table, where)
    recipe.check(where)
    if not recipe.points:
        raise UsageError(f"{where}: points is empty; at least one rate point is needed")
    check_suffix(recipe.suffix, where)
    return Anchor(name, recipe, folder)


def load_codec(name: str) -> BenchCodec:
    """A codec of `baselines/`, by name or path. Raises `UsageError`."""
    path = find_recipe("baselines", name)
    table = check_schema(read_toml(path), SCHEMA, str(path))
    return codec_from_table(path.stem, table, str(path), path.parent)
