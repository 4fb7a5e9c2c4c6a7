"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
from pathlib import Path

from hdac.errors import HdacError


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside `path`, then renames. Raises `HdacError` that says what is kept, for example
    when the disk is full."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise HdacError(
            f"{path.name} could not be written ({error.strerror or error}); what was finished before is kept: free space, "
            f"then start the same command again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
