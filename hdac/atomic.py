"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hdac.errors import HdacError, UsageError

#: The machine in the names of parts: a process number says nothing about another one's.
_NODE = f"{zlib.crc32(platform.node().encode()):08x}"
#: Bytes of a name that a part's name repeats: file systems allow 255 in all.
_LONGEST = 200
_OURS = re.compile(rf"(?:\..+\.|hdac-){_NODE}-([0-9]+)(?:\.part|-.*)")


def part_of(path: Path) -> Path:
    """The name under which this process writes what becomes `path`, in the same folder, where
    parts of ours whose process has died are removed."""
    _remove_dead(path.parent, ".*.part")
    name, data = path.name, os.fsencode(path.name)
    if len(data) > _LONGEST:
        name = data[: _LONGEST - 8].decode(errors="ignore") + f"{zlib.crc32(data):08x}"
    return path.with_name(f".{name}.{_NODE}-{os.getpid()}.part")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder that is removed afterwards; those that killed processes of ours left are
    removed before."""
    _remove_dead(Path(tempfile.gettempdir()), "hdac-*")
    with tempfile.TemporaryDirectory(prefix=f"hdac-{_NODE}-{os.getpid()}-") as folder:
        yield Path(folder)


def _remove_dead(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        match = _OURS.fullmatch(path.name)
        if match and not _alive(int(match[1])):
            remove(path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def is_pipe(path: Path) -> bool:
    """Whether what is written goes on at once: "-" (stdout), a FIFO or a device."""
    return str(path) == "-" or (os.path.exists(path) and not path.is_file() and not path.is_dir())


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_apart(output: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raises `UsageError` if `output` is one of the inputs, by whatever name, or a file in one
    that is a folder ("-": stdin)."""
    if is_pipe(output) or not os.path.exists(output):
        return
    for name in inputs:
        path = Path("/dev/stdin" if str(name) == "-" else name)
        if not os.path.exists(path):
            continue
        if output.samefile(path) or (path.is_dir() and output.parent.samefile(path)):
            raise UsageError(f"{output}: is an input too ({name}); give the output another name")


def check_writable(path: Path) -> None:
    """Raises `UsageError` if nothing can be written in the place of `path`."""
    if is_pipe(path):
        return
    try:
        with suppress(FileNotFoundError):
            path.stat()
        for place in (path, path / "0") if path.is_dir() else (path,):
            part = part_of(place)
            part.touch()
            part.unlink()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); give another name or folder"
        ) from error


def not_written(path: Path, error: Exception) -> HdacError:
    """The error of a file whose writing failed."""
    reason = getattr(error, "strerror", None) or str(error)
    if log := getattr(error, "log", None):  # of FFmpeg: level, who, what
        reason = f"{type(error).__name__}: {reason}: {': '.join(log[1:]).strip()}"
    way = "give another name, format or folder"
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        way = "what was finished before is kept: free space, then start the same command again"
    return HdacError(f"{path.name} could not be written ({reason}); {way}")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside `path`, then renames (a pipe is written at once). Raises `HdacError` that
    says what is kept, for example when the disk is full."""
    if is_pipe(path):
        path.write_bytes(data)
        return
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        part.unlink(missing_ok=True)
