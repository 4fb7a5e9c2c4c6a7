"""Programs of experiments and batches, each on one thread and with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from hdac.errors import ToolError


class Ran(NamedTuple):
    seconds: float
    stdout: str
    stderr: str


def run_command(command: list[str], timeout: float, what: str) -> Ran:
    """Runs a program on one thread; kills it and its children after `timeout` seconds. Raises
    `ToolError`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    start, pipe, none = time.perf_counter(), subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=none, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )
    try:
        out, err = (b.decode(errors="replace") for b in process.communicate(timeout=timeout))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        why = f"took longer than {timeout:g} s and was killed"
        raise ToolError(f"{what} {why}: {shown(command)}") from None
    if process.returncode:
        tail = err.strip()[-600:]
        raise ToolError(f"{what} failed ({process.returncode}): {shown(command)}\n{tail}")
    return Ran(time.perf_counter() - start, out, err)


def shown(command: list[str]) -> str:
    """A command line without the folders of this machine."""
    return " ".join(Path(word).name if os.path.isabs(word) else word for word in command)
