"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hdac.errors import HdacError

#: The machine in the names of parts: a process number says nothing about another one's.
_NODE = f"{zlib.crc32(platform.node().encode()):08x}"
_OURS = re.compile(rf"(?:\..+\.|hdac-){_NODE}-([0-9]+)(?:\.part|-.*)")


def part_of(path: Path) -> Path:
    """The name under which this process writes what becomes `path`, in the same folder, where
    parts of ours whose process has died are removed."""
    _remove_dead(path.parent, ".*.part")
    return path.with_name(f".{path.name}.{_NODE}-{os.getpid()}.part")


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
    return str(path) == "-" or (path.exists() and not path.is_file() and not path.is_dir())


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
        raise HdacError(
            f"{path.name} could not be written ({error.strerror or error}); what was finished "
            "before is kept: free space, then start the same command again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
