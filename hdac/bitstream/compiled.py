"""Which functions of slice data run: interpreted, or compiled where that pays.

Compiled code is loaded at the first slice, if there is a complete cache of it. If not, slices are
interpreted; once a process has coded many bins, another one fills the cache in the background
(`compiling`), and nobody waits: later this process looks again. Both give the same bytes.
`HDAC_JIT=0` switches compiled code off.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from importlib.util import find_spec
from pathlib import Path

from hdac.bitstream import codecache
from hdac.bitstream.hevc import bins as hevc_bins
from hdac.bitstream.hevc import tree as hevc_tree
from hdac.bitstream.running import Code
from hdac.bitstream.vvc import bins as vvc_bins
from hdac.bitstream.vvc import tree as vvc_tree

VARIABLE = "HDAC_JIT"  # 0: interpreted code only
_MANY = 60_000  # bins that a process codes before it has compiled code made

INTERPRETED = {
    "hevc": Code(hevc_tree.walk, hevc_bins.write),
    "vvc": Code(vvc_tree.walk, vvc_bins.write),
}
_NUMBA = "numba"


class _Chooser:
    """The codes that run, by syntax; how many bins were coded, and at how many to look again."""

    def __init__(self) -> None:
        self.codes, self.bins, self.again = dict(INTERPRETED), 0, 0
        self.filling: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def count(self, bins: int) -> None:
        self.bins += bins
        if self.bins < self.again or not self._lock.acquire(blocking=False):
            return
        try:
            self.again = _MANY if self.bins < _MANY else 2 * self.bins
            if not self._look():
                self.again = sys.maxsize
        finally:
            self._lock.release()

    def _look(self) -> bool:
        """Takes compiled code if it is there; returns whether it may be worth looking again."""
        if not possible():
            return False
        try:
            folder = codecache.folder()
            if codecache.complete(folder):
                from hdac.bitstream.native import load

                self.codes = load(folder)
                return False
            if self.bins < _MANY:
                return True
            if codecache.hopeless(folder) and not codecache.locked(folder):
                return False
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written")
            if not codecache.locked(folder):
                self.filling = fill_in_background(folder)
        except Exception as error:  # whatever is wrong with a compiler or a cache: interpret
            warnings.warn(
                f"no compiled code for slices ({error}): they are interpreted, with the same "
                f"bytes; {VARIABLE}=0 says so without this warning",
                RuntimeWarning,
                stacklevel=2,
            )
            return False
        return True


_chooser = _Chooser()


def code(syntax: str) -> Code:
    """What runs for the slices of a codec."""
    _chooser.count(0)
    return _chooser.codes[syntax]


def count(bins: int) -> None:
    """So many bins more were coded."""
    _chooser.count(bins)


def possible() -> bool:
    """Whether this process may run compiled code."""
    return (
        os.environ.get(VARIABLE) != "0"
        and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
        and not getattr(sys, "frozen", False)
        and bool(sys.executable)
        and find_spec(_NUMBA) is not None
    )


def fill_in_background(folder: Path) -> subprocess.Popen[bytes]:
    """A process of low priority that compiles into a cache."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return subprocess.Popen(
        [sys.executable, "-m", "hdac.bitstream.compiling", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
        creationflags=flags,
    )
