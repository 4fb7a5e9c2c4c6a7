"""Programs that are run do not outlive what runs them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hdac.bench import commands
from hdac.bench.commands import kill_running, run_command
from hdac.bench.engine import cluster
from hdac.errors import ToolError


def sleeping(told: Path) -> list[str]:
    """A program, of two processes, that writes their numbers."""
    return ["sh", "-c", f"sleep 300 & echo $$ $! > {told}.part; mv {told}.part {told}; wait"]


def started(told: Path) -> list[int]:
    """The numbers, once they are there."""
    for _ in range(600):
        if told.exists():
            return [int(word) for word in told.read_text().split()]
        time.sleep(0.1)
    raise AssertionError("it did not start")


def all_end(processes: list[int]) -> bool:
    """Within ten seconds; what nobody waited for is a zombie until somebody does."""
    for _ in range(100):
        states = [Path(f"/proc/{number}/stat") for number in processes]
        if not any(p.exists() and p.read_text().split()[2] != "Z" for p in states):
            return True
        time.sleep(0.1)
    return False


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")


@needs_proc
def test_an_interrupt_ends_a_program_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, communicate = tmp_path / "told", subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen[bytes], *args: object, **more: object) -> object:
        monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
        started(told)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_command(sleeping(told), 300, "it")
    assert all_end(started(told))


@needs_proc
def test_programs_of_other_threads_end_and_no_more_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_interrupted", threading.Event())
    told, errors = tmp_path / "told", list[str]()

    def run() -> None:
        try:
            run_command(sleeping(told), 300, "it")
        except ToolError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    processes = started(told)
    kill_running()
    thread.join()
    assert errors[0].startswith("it failed (-9)")
    assert all_end(processes)
    with pytest.raises(ToolError, match="it was interrupted: sleep 300"):
        run_command(["sleep", "300"], 300, "it")


@pytest.mark.parametrize("stream", ["out", "err"])
def test_what_a_program_complains_of_is_said(stream: str) -> None:
    """HM and VTM do so on stdout."""
    text = f"import sys; print('Error: no such', 3 * 'o', file=sys.std{stream}); sys.exit(3)"
    with pytest.raises(ToolError, match=r"it failed \(3\)(.|\n)*Error: no such ooo"):
        run_command([sys.executable, "-c", text], 60, "it")


@needs_proc
def test_an_interrupted_run_ends_the_programs_of_its_workers(tmp_path: Path) -> None:
    """They are in sessions of their own, where no Ctrl-C comes."""
    told = [tmp_path / "first", tmp_path / "second"]

    def interrupt() -> None:
        with cluster(1, None) as client:
            waiting = [client.submit(run_command, sleeping(t), 300, "it") for t in told]
            assert len(waiting) == 2
            assert len(started(told[0])) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert all_end(started(told[0]))
    assert not told[1].exists() or all_end(started(told[1]))
