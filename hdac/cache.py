"""What hdac keeps between processes: compiled networks and code, which can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "HDAC_CACHE"


def cache_folder(name: str) -> Path:
    """A folder of the user's cache that can be written to: of `HDAC_CACHE`, or where the system has
    such things. Raises `OSError` where there is none."""
    folder = cache_root() / name
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written to; {VARIABLE} names another folder")
    return folder


def cache_root() -> Path:
    """Where all of that lies; it need not be there."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "hdac"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/hdac"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hdac"
