"""Programs of experiments and batches, each on one thread and with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hdac.errors import ToolError

#: Processes, each the first of a group, that this one waits for; whether it still starts any.
_running: set[int] = set()
_interrupted = threading.Event()


class Ran(NamedTuple):
    seconds: float
    stdout: str
    stderr: str


def run_command(command: list[str], timeout: float, what: str) -> Ran:
    """Runs a program on one thread; kills it and its children after `timeout` seconds, and where an
    exception comes. Raises `ToolError`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    start, pipe, none = time.perf_counter(), subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=none, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )
    _running.add(process.pid)
    try:
        if _interrupted.is_set():
            raise ToolError(f"{what} was interrupted: {shown(command)}")
        out, err = (b.decode(errors="replace") for b in process.communicate(timeout=timeout))
    except BaseException as error:
        _kill(process.pid)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        why = f"took longer than {timeout:g} s and was killed"
        raise ToolError(f"{what} {why}: {shown(command)}") from None
    finally:
        _running.discard(process.pid)
    if process.returncode:
        # the reference software complains on stdout
        tail = "\n".join(filter(None, map(_ends, (out, err))))
        raise ToolError(f"{what} failed ({process.returncode}): {shown(command)}\n{tail}")
    return Ran(time.perf_counter() - start, out, err)


def _ends(text: str) -> str:
    """How a text begins and ends, in whole lines or nearly so."""
    text = text.strip()
    return text if len(text) <= 4000 else f"{text[:2000]}\n...\n{text[-2000:]}"


def kill_running() -> None:
    """Ends all programs of this process, and lets no more start: what an interrupted run does in
    its workers, where no exception comes to the threads that wait for programs."""
    _interrupted.set()
    for group in tuple(_running):
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def shown(command: list[str]) -> str:
    """A command line without the folders of this machine."""
    return " ".join(Path(word).name if os.path.isabs(word) else word for word in command)
