"""Where compiled code is kept between processes: a folder for exactly this source, compiler and
processor, in the user's cache directory.

`COMPLETE` names the files of a complete cache and their SHA-256; `LOCK` is there while a process
fills it; `FAILED` says why that was not possible; `TRIED` has a byte for each process that began.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from hdac.cache import cache_root

COMPLETE, LOCK, FAILED, TRIED = "complete.json", "lock", "failed.txt", "tried"
SUFFIX = ".code"  # of a file of compiled code
_TRIES = 5  # processes that may die while they fill a cache
_STALE = 900  # seconds after which a lock is nobody's
_KEPT = 4  # folders
_PACKAGE = Path(__file__).parent
#: The modules whose functions are compiled, of this package.
MODULES = (
    "arithmetic", "mixing", "table", "noting", "hevc.cabac", "hevc.maps", "hevc.bins",
    "hevc.prediction", "hevc.residual", "hevc.tree", "vvc.cabac", "vvc.bins", "vvc.maps",
    "vvc.filters", "vvc.split", "vvc.scans", "vvc.levels", "vvc.transform_skip", "vvc.residual",
    "vvc.transform", "vvc.motion", "vvc.unit", "vvc.tree",
)  # fmt: skip
_OTHERS = ("registers", "vvc.registers", "compiling", "native")  # that decide what is compiled


def folder() -> Path:
    """Raises `OSError` where sources cannot be read, `ImportError` without the compiler."""
    from importlib.metadata import version  # takes a while

    binding: Any = import_module("llvmlite.binding")
    found = hashlib.sha256()
    for name in (*MODULES, *_OTHERS):
        found.update((_PACKAGE / (name.replace(".", "/") + ".py")).read_bytes())
    features = ",".join(name for name, on in sorted(binding.get_host_cpu_features().items()) if on)
    for part in (
        *(version(name) for name in ("numba", "llvmlite", "numpy")),
        sys.version, platform.machine(), binding.get_host_cpu_name(), features,
    ):  # fmt: skip
        found.update(part.encode() + b"\0")
    return cache_root() / "slices" / found.hexdigest()[:24]


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    }


def complete(folder: Path) -> bool:
    """Whether a cache is complete, its files are as they were, and it is this user's."""
    try:
        files = json.loads((folder / COMPLETE).read_text())
        ours = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        return ours and bool(files) and files == _files(folder)
    except (OSError, ValueError):
        return False


def finish(folder: Path) -> None:
    """A cache is complete; the oldest ones go."""
    part = folder / f"{COMPLETE}.part"
    part.write_text(json.dumps(_files(folder)))
    os.replace(part, folder / COMPLETE)
    others = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [path for path in others if path != folder][_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def hopeless(folder: Path) -> bool:
    """Whether a cache cannot be filled, as far as is known."""
    try:
        return (folder / FAILED).exists() or (folder / TRIED).stat().st_size >= _TRIES
    except OSError:
        return False


def locked(folder: Path) -> bool:
    """Whether another process fills a cache."""
    try:
        return time.time() - (folder / LOCK).stat().st_mtime < _STALE
    except OSError:
        return False


def lock(folder: Path) -> bool:
    """Takes the lock, or says that another process has it."""
    if locked(folder):
        return False
    path = folder / LOCK
    path.unlink(missing_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    with (folder / TRIED).open("ab") as tried:
        tried.write(b".")
    return True


def unlock(folder: Path) -> None:
    (folder / LOCK).unlink(missing_ok=True)
