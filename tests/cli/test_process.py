"""The command line as a process: pipes, signals, what it imports, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from hdac.atomic import part_of, scratch_folder
from hdac.bench.x265 import x265_tuned
from hdac.cli.main import VERBS
from hdac.layers.base import BaseConfig
from hdac.layers.vvc import VvcEncoder
from hdac.video.ffmpeg import has_encoder
from hdac.video.reader import VideoReader
from tests.conftest import synthetic, write_video

HDAC = (sys.executable, "-m", "hdac")
BASE = ("--mode", "base")


def run(*arguments: object, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*HDAC, *map(str, arguments)], input=data, capture_output=True, check=False, timeout=120
    )


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stdin_to_stdout(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.y4m", synthetic(4))
    made = run("encode", "-", "-o", "-", *BASE, "--qp-base", 30, data=source.read_bytes())
    assert (made.returncode, made.stdout[:4]) == (0, b"HDAC")
    assert b"4 frames" in made.stderr
    decoded = run("decode", "-", "-o", "-", "--json", data=made.stdout)
    assert decoded.returncode == 0
    assert b'"frames": 4' in decoded.stderr
    (tmp_path / "d.y4m").write_bytes(decoded.stdout)
    assert VideoReader(tmp_path / "d.y4m").info.frames == 4
    assert run("info", "-", data=made.stdout).stdout.startswith(b"frames:")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.y4m", "v.y4m"]


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("piped", [True, False])
def test_stdin_by_a_pipe_and_from_a_file(tmp_path: Path, name: str, piped: bool) -> None:
    source = write_video(tmp_path / "v.mkv", synthetic(4))
    command = [*HDAC, "encode", name, "-o", str(tmp_path / "a.hdac"), *BASE, "--json"]
    with source.open("rb") as file:
        given = {"input": file.read()} if piped else {"stdin": file}
        done = subprocess.run(command, capture_output=True, timeout=120, **given)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert b'"frames": 4' in done.stdout


def test_a_pipe_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", synthetic(40, 256, 256))
    assert run("encode", source, "-o", tmp_path / "a.hdac", *BASE).returncode == 0
    command = [*HDAC, "decode", str(tmp_path / "a.hdac"), "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"YUV4MPEG2 "
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


# ---- imports


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], *([v, "--help"] for v in VERBS[:4])]
)
def test_help_is_light(arguments: list[str]) -> None:
    out = python(
        "import sys, contextlib\n"
        "from hdac.cli.main import main\n"
        f"with contextlib.suppress(SystemExit): main({arguments})\n"
        "print('heavy:', sorted({'torch', 'av', 'numpy', 'scipy'} & sys.modules.keys()))\n"
    )
    assert out.endswith("heavy: []\n")
    assert out.startswith(("usage", "hdac "))


# ---- ends


WAIT = """
import sys, time, types
module = types.ModuleType("hdac.cli.info")
module.__doc__ = "Waits."
module.add_arguments = lambda sub: None
def run(options):
    from fractions import Fraction
    from pathlib import Path
    from hdac.video.info import VideoInfo
    from hdac.video.writer import VideoWriter
    with VideoWriter(VideoInfo(Path(sys.argv[1]), 64, 48, Fraction(25))) as writer:
        print("ready", flush=True)
        {wait}
module.run = run
sys.modules["hdac.cli.info"] = module
from hdac.cli.main import main
sys.exit(main(["info"]))
"""
SLEEP = "time.sleep(60)"
#: As libraries do that are interrupted while they are imported.
SWALLOW = """
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            raise ImportError("line\\n" * 900) from None
"""


def stop(path: Path, number: int, wait: str = SLEEP) -> tuple[int, bytes]:
    """Ends a run of which the output is half-written; its exit code and stderr."""
    command = [sys.executable, "-c", WAIT.replace("{wait}", wait), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        return process.returncode, err


@pytest.mark.parametrize("name", ["v.y4m", "pictures"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_orderly_ends(tmp_path: Path, name: str, number: int, code: int) -> None:
    assert stop(tmp_path / name, number) == (code, b"hdac: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_one_line_where_a_library_turns_the_interrupt_into_another_error(tmp_path: Path) -> None:
    code, err = stop(tmp_path / "v.y4m", signal.SIGINT, SWALLOW)
    assert (code, err) == (130, b"hdac: interrupted; nothing was written\n")


def test_an_interrupt_while_torch_is_imported(tmp_path: Path, clip: Path) -> None:
    code = f"""
import importlib.abc, os, signal, sys
class Press(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
from hdac.cli.main import main
sys.exit(main(["encode", {str(clip)!r}, "-o", {str(tmp_path / "a.hdac")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert done.returncode == 130
    assert done.stderr == b"hdac: interrupted; nothing was written\n"


@pytest.mark.parametrize("name", ["v.y4m", "pictures"])
def test_a_killed_run_is_cleaned_up_by_the_next(tmp_path: Path, name: str) -> None:
    code, _ = stop(tmp_path / name, signal.SIGKILL)
    left = [p.name for p in tmp_path.iterdir()]
    assert code == -signal.SIGKILL
    assert len(left) == 1
    alive = part_of(tmp_path / "other.mkv")  # ours: this process lives
    assert [p.name for p in tmp_path.iterdir()] == []
    alive.write_bytes(b"1")
    foreign = [tmp_path / ".notes.part", tmp_path / ".v.1.part", tmp_path / ".x.00000000-1.part"]
    for path in foreign:
        path.write_bytes(b"mine")
    write_video(tmp_path / "v.y4m", synthetic(1))
    assert sorted(tmp_path.iterdir()) == sorted([alive, *foreign, tmp_path / "v.y4m"])


def left_by_a_dead_process() -> Path:
    """A scratch folder."""
    with scratch_folder() as folder:
        mine = folder
    assert not mine.exists()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{child.pid}-"))
    dead.mkdir()
    return dead


def test_scratch_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert left_by_a_dead_process().parent == tmp_path
    (tmp_path / "hdac-mine").mkdir()
    with scratch_folder() as folder:
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([folder.name, "hdac-mine"])


def vvc_picture() -> None:
    encoder = VvcEncoder(BaseConfig(64, 48, Fraction(25), 40, 40, preset="fast"))
    encoder.push(synthetic(1)[0])
    encoder.flush()


@pytest.mark.parametrize(
    "work", [lambda: x265_tuned(synthetic(2), Fraction(25), 45), vvc_picture], ids=["bench", "vvc"]
)
def test_what_killed_encoders_left_is_removed_by_the_next(
    work: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if work is vvc_picture and not has_encoder("libvvenc"):
        pytest.skip("FFmpeg has no libvvenc")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = left_by_a_dead_process()
    (dead / "source.yuv").write_bytes(b"1")
    work()
    assert list(tmp_path.iterdir()) == []
