"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import platform
import re
import shutil
import zlib
from pathlib import Path

from hdac.errors import HdacError

#: The machine in the names of parts: a process number says nothing about another one's.
_NODE = f"{zlib.crc32(platform.node().encode()):08x}"
_PART = re.compile(rf"\..+\.{_NODE}-([0-9]+)\.part")


def part_of(path: Path) -> Path:
    """The name under which this process writes what becomes `path`, in the same folder, where
    parts of ours whose process has died are removed."""
    for other in path.parent.glob(".*.part"):
        match = _PART.fullmatch(other.name)
        if match and not _alive(int(match[1])):
            remove(other)
    return path.with_name(f".{path.name}.{_NODE}-{os.getpid()}.part")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside `path`, then renames. Raises `HdacError` that says what is kept, for example
    when the disk is full."""
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
